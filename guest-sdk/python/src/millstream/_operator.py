"""Operators: what the author of one declares, and how a batch is handed to it."""

from typing import Any, Dict, List, Optional, Sequence, Type, TypeVar, Union

from . import _columns
from ._context import Context
from ._contract import (
    NO_GROUP, BatchOutput, BytesColumn, Description, FailureColumn, HeaderColumn, RecordBatch, StateChange, TimeDomain,
    TimerChanges,
)
from ._failure import BatchError, ProgramError, reason
from ._fields import specs
from ._output import OutputBuilder
from ._part import F, Part, check_name
from ._rows import RowCall, batch_call, record_call, timer_call
from .state import Codec, List as ListState, Map, Value
from .state._mutable import MutableValue
from .state.codec import standard

T = TypeVar("T")
K = TypeVar("K")
C = TypeVar("C")


class Operator(Part[C]):
    """A stateful operator: records in, any number of records out to named outputs.

    `outputs` are their names, the main one first; `writes` is a class of typed records, which are then written by the
    host; `raw_values` has the records' own bytes passed although typed fields are read. `config` is a dataclass.

    Keep nothing in variables between batches that matters: one instance serves many partitions, and may be replaced
    by a fresh one at any time. What must last is state.
    """

    world = "operator"

    def __init__(
        self, *, outputs: Sequence[str] = ("main",), writes: Optional[Type[Any]] = None, raw_values: bool = False,
        config: Optional[Type[C]] = None, config_schema: Union[str, Dict[str, Any], None] = None,
    ) -> None:
        super().__init__(config=config, config_schema=config_schema)
        if isinstance(outputs, str) or not outputs:
            raise ProgramError("`outputs` is a list of names, the main one first")
        self._outputs = [check_name("output", name) for name in outputs]
        if len(set(self._outputs)) < len(self._outputs):
            raise ProgramError(f"two outputs have one name: {', '.join(self._outputs)}")
        self._writes = writes
        self._raw_values = raw_values
        self._ctx = Context()
        self._states: List[Any] = []
        self._builders = [OutputBuilder(self._ctx, index, writes) for index in range(len(self._outputs))]
        self._ctx._outputs = {None: self._builders[0], **dict(zip(self._outputs, self._builders))}
        self._failures: Dict[int, str] = {}
        self._rows: Optional[RowCall] = None
        self._timer_rows: Optional[RowCall] = None

    def value(
        self, name: str, type: Type[T], *, ttl: Union[str, int, None] = None, version: int = 1, prefetch: bool = True,
        codec: Optional[Codec] = None,
    ) -> Value[T]:
        """Declares a state with one value for each key. `ttl` is how long a value lives after its last write, such as
        `"7d"`; `version` is the version of the stored values' format."""
        kind = MutableValue if (codec or standard(type)).mutable else Value
        return self._declare(kind(*self._place(name, type, ttl, version, codec), prefetch=prefetch))  # type: ignore[arg-type]

    def map(
        self, name: str, field: Type[K], type: Type[T], *, ttl: Union[str, int, None] = None, version: int = 1,
        codec: Optional[Codec] = None,
    ) -> Map[K, T]:
        """Declares a state with a map for each key, ordered by field. Fields are `str`, `bytes` or `int`."""
        return self._declare(Map(*self._place(name, type, ttl, version, codec), field=field))

    def list(
        self, name: str, type: Type[T], *, ttl: Union[str, int, None] = None, version: int = 1,
        codec: Optional[Codec] = None,
    ) -> "ListState[T]":
        """Declares a state with an append-only list for each key."""
        return self._declare(ListState(*self._place(name, type, ttl, version, codec)))

    def process(self, function: F) -> F:
        """Decorates the function that is called for each record: `def f(record, ctx)`.

        The type of the first parameter says what it is given: a class of typed records, the fields of which the host
        reads; `ms.Message`, or nothing, for the record as it came; `dict`, `list` or `Any` for its JSON; `str` or
        `bytes` for its value. What the function returns, unless it is `None`, is emitted to the main output; a
        generator emits whatever it yields. An exception fails the record.
        """
        return self._take("process", function, 1, 2)

    def columns(self, function: F) -> F:
        """Decorates a function that is called for whole batches instead: `def f(batch: ms.Batch[Payment])`."""
        return self._take("columns", function, 1, 2)

    def on_timer(self, function: F) -> F:
        """Decorates the function that is called for each timer that fired: `def f(timer, ctx)`."""
        return self._take("on_timer", function, 2, 2)

    def _place(self, name: str, type: Any, ttl: Any, version: int, codec: Optional[Codec]) -> Any:
        check_name("state", name)
        if any(state.name == name for state in self._states):
            raise ProgramError(f"state `{name}` is declared twice")
        return self._ctx, len(self._states), name, type, ttl, version, codec

    def _declare(self, state: Any) -> Any:
        self._states.append(state)
        return state

    def _check(self) -> None:
        if ("process" in self._functions) == ("columns" in self._functions):
            raise ProgramError("an operator has a function under `@process`, or one under `@columns` for whole batches")
        if "columns" in self._functions:
            self._rows = batch_call(self._functions["columns"])
        else:
            self._rows = record_call(self._functions["process"], self._writes)
        if "on_timer" in self._functions:
            self._timer_rows = timer_call(self._functions["on_timer"], self._writes)
            self._ctx._has_timers = True

    def _describe(self) -> Description:
        rows = self._rows
        assert rows is not None
        return Description(
            list(self._outputs),
            [state._declaration() for state in self._states],
            [spec.declaration() for spec in rows.reads],
            [spec.declaration() for spec in (specs(self._writes) if self._writes else ())],
            self._raw_values and bool(rows.reads),
            self._timer_rows is not None,
            self._config_schema(),
        )

    def _process(self, input: Any) -> BatchOutput:
        assert self._rows is not None
        return self._run(self._rows, input.batch, input, ())

    def _on_timer(self, timers: Any) -> BatchOutput:
        if self._timer_rows is None:
            raise BatchError("the operator has no function under `@on_timer`")
        # A timer is to what it emits as a record is that has its key, its time and no value.
        count = len(timers.times) // 8
        nulls = BytesColumn(bytes(4 * (count + 1)), b"", bytes((count + 7) // 8))
        batch = RecordBatch(count, timers.keys, nulls, HeaderColumn(), timers.times, [])
        names = _columns.read(timers.names)
        return self._run(self._timer_rows, batch, timers, (names, TimeDomain(timers.domain.value)))

    def _run(self, rows: RowCall, batch: Any, input: Any, more: Any) -> BatchOutput:
        ctx = self._ctx
        ctx._enter(batch, input.watermark)
        try:
            groups = self._begin(batch, input)
            rows.run(self, ctx, batch, groups, self._fail, *more)
            if ctx.broken is not None:
                raise BatchError(ctx.broken)
            return self._finish()
        finally:
            ctx._leave()

    def _begin(self, batch: Any, input: Any) -> Any:
        ctx, count = self._ctx, batch.count
        self._failures.clear()
        for builder in self._builders:
            builder.begin()
        groups: Any = ()
        if self._states:
            if input.groups:
                groups = _columns.u32s(input.groups)
                ctx._group_column = input.group_keys
                ctx.group_count = _columns.row_count(input.group_keys)
            else:
                groups, ctx._group_keys = group_records(_columns.read(batch.keys))
                ctx.group_count = len(ctx.group_keys)
        prefetched = iter(input.states)
        for state in self._states:
            column = None
            if state._prefetch:
                column = next(prefetched, None)
                if column is None or _columns.row_count(column) != ctx.group_count:
                    raise BatchError(f"the host did not pass the values of state `{state.name}`")
            state._begin(column)
        return groups or [0] * count

    def _fail(self, error: Exception) -> None:
        """The record in hand has failed: undoes what it did."""
        if isinstance(error, MemoryError):
            # What is left would not do for the next record either: the host starts a fresh instance.
            raise error
        if isinstance(error, BatchError):
            raise error
        row = self._ctx.row
        for state in self._states:
            state._undo(row)
        for builder in self._builders:
            builder.undo(row)
        timers = self._ctx._timers
        while timers and timers[-1][0] == row:
            timers.pop()
        self._failures[row] = reason(error)

    def _finish(self) -> BatchOutput:
        changes, prefetched = [], 0
        for state in self._states:
            changed = state._finish()
            if changed is not None:
                changes.append(StateChange(prefetched, *changed))
            prefetched += state._prefetch
        outputs = [made for made in (builder.finish() for builder in self._builders) if made is not None]
        failed = sorted(self._failures.items())
        failures = FailureColumn(_columns.pack_u32s(row for row, _ in failed), _columns.write([text for _, text in failed]))
        timers = [self._timers(domain) for domain in TimeDomain if any(t[1] is domain for t in self._ctx._timers)]
        self._ctx._send_metrics()
        return BatchOutput(outputs, changes, failures, timers)

    def _timers(self, domain: TimeDomain) -> TimerChanges:
        rows = [timer for timer in self._ctx._timers if timer[1] is domain]
        keys, names = _columns.write([row[2] for row in rows]), _columns.write([row[3] for row in rows])
        return TimerChanges(domain, keys, names, _columns.pack_i64s(row[4] for row in rows))


def group_records(keys: List[Optional[bytes]]) -> Any:
    """Numbers the distinct keys in order of first appearance."""
    numbers: Dict[bytes, int] = {}
    groups = [NO_GROUP if key is None else numbers.setdefault(key, len(numbers)) for key in keys]
    return groups, list(numbers)

