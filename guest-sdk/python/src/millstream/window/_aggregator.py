"""Aggregators: what becomes of the records of a window, one after another."""

import dataclasses
from typing import Any, Callable, Dict, List, Optional, Type, TypeVar, Union

from .. import _columns
from .._failure import BatchError, reason
from .._part import F, Part
from ..state.codec import Codec
from ._contract import Added, AggregatorDescription
from ._pane import Pane, Record, argument, codec_of, failed, failure_column, value, windows

C = TypeVar("C")
_STORED: Any = object()


class Aggregator(Part[C]):
    """What becomes of the records of a window: they are added to an accumulator one after another, and the result is
    what the accumulator says when the window fires.

    The host keeps an accumulator for each key and slice of time, and merges those of the slices that a window is made
    of; so `@app.add` and `@app.merge` must agree: it must not matter which records were added to one accumulator, and
    which to another that was then merged into it.

    `accumulator` is its type, stored as state is; `create` makes one that nothing was added to, and is the type itself
    unless given. `version` is the version of the stored form.
    """

    world = "aggregator"

    def __init__(
        self, accumulator: Any, *, create: Optional[Callable[[], Any]] = None, codec: Optional[Codec] = None, version: int = 1,
        config: Optional[Type[C]] = None, config_schema: Union[str, Dict[str, Any], None] = None,
    ) -> None:
        super().__init__(config=config, config_schema=config_schema)
        self._codec = codec_of(accumulator, codec)
        self._create = create or accumulator
        self._version = version
        # What is changed in place need not be returned.
        self._in_place = dataclasses.is_dataclass(accumulator) or self._codec.mutable

    def add(self, function: F) -> F:
        """Decorates `def add(accumulator, record)`, which adds a record and returns the accumulator; one that is
        changed in place need not be returned. An exception fails the record, which then counts nowhere."""
        return self._take("add", function, 2, 2)

    def merge(self, function: F) -> F:
        """Decorates `def merge(into, other)`, which adds what was added to another accumulator."""
        return self._take("merge", function, 2, 2)

    def retract(self, function: F) -> F:
        """Decorates `def retract(accumulator, record)`, which takes out a record that was added before."""
        return self._take("retract", function, 2, 2)

    def result(self, function: F) -> F:
        """Decorates `def result(accumulator, pane)`, which returns the value of the record that tells what the
        accumulator has; `None` is a tombstone."""
        return self._take("result", function, 1, 2)

    def _check(self) -> None:
        for name in ("add", "merge", "result"):
            self._need(name)
        self._result_takes_pane = self._need("result").__code__.co_argcount > 1

    def _describe(self) -> AggregatorDescription:
        return AggregatorDescription(self._version, "retract" in self._functions, self._config_schema())

    def _add(self, additions: Any, accumulators: Any) -> Added:
        return self._change("add", additions, accumulators)

    def _retract(self, additions: Any, accumulators: Any) -> Added:
        return self._change("retract", additions, accumulators)

    def _change(self, name: str, additions: Any, accumulators: Any) -> Added:
        function = self._need(name)
        read = argument(function, 1)
        rows, targets = _columns.u32s(additions.rows), _columns.u32s(additions.targets)
        stored = _columns.read(accumulators)
        record = Record().at(additions.batch)
        failures: Dict[int, str] = {}
        while True:
            # A record that fails counts nowhere: all is begun again without it, which is slow and rare.
            now: List[Any] = [_STORED] * len(stored)
            before = len(failures)
            for row, target in zip(rows, targets):
                if row in failures:
                    continue
                record.row = row
                try:
                    accumulator = now[target]
                    if accumulator is _STORED:
                        accumulator = self._read(stored[target])
                    now[target] = self._changed(name, accumulator, function(accumulator, read(record)))
                except Exception as error:
                    failed(failures, row, error)
                    if not self._in_place and rows.count(row) == 1:
                        before += 1
            if len(failures) == before:
                break
        made = [own if value is _STORED else self._encode(value) for value, own in zip(now, stored)]
        return Added(_columns.write(made), failure_column(failures))

    def _changed(self, name: str, accumulator: Any, returned: Any) -> Any:
        if returned is None:
            if not self._in_place:
                raise BatchError(f"the function under `@{name}` returns None: it must return the accumulator")
            return accumulator
        return returned

    def _merge(self, accumulators: Any, groups: bytes, count: int) -> Any:
        merge = self._need("merge")
        first: List[Optional[bytes]] = [None] * count
        merged: List[Any] = [_STORED] * count
        for data, group in zip(_columns.read(accumulators), _columns.u32s(groups)):
            if first[group] is None:
                # What stands alone is never decoded.
                first[group] = data
                continue
            into = self._read(first[group]) if merged[group] is _STORED else merged[group]
            merged[group] = self._changed("merge", into, merge(into, self._read(data)))
        return _columns.write([own if value is _STORED else self._encode(value) for value, own in zip(merged, first)])

    def _results(self, accumulators: Any, panes: Any) -> Any:
        result = self._need("result")
        values = []
        rows = zip(_columns.read(accumulators), _columns.read(panes.keys), windows(panes.windows))
        for data, key, window in rows:
            accumulator = self._read(data)
            pane = (Pane(key or b"", window),) if self._result_takes_pane else ()
            values.append(value(result(accumulator, *pane)))
        return _columns.write(values)

    def _read(self, data: Optional[bytes]) -> Any:
        if data is None:
            return self._create()
        try:
            return self._codec.decode(data)
        except ValueError as error:
            raise BatchError(f"the accumulator that is stored does not decode: {reason(error)}") from None

    def _encode(self, accumulator: Any) -> bytes:
        return self._codec.encode(self._codec.check(accumulator))
