"""Records that go into what is tested, and that come out."""

import json
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from .. import _columns, _json
from .._contract import ColumnType, HeaderColumn, RecordBatch
from .._fields import Spec
from .._typed import read_typed

Bytes = Union[bytes, str, None]


def as_bytes(value: Any) -> Optional[bytes]:
    return value.encode() if isinstance(value, str) else value  # type: ignore[no-any-return]


@dataclass
class Input:
    """A record to push into a program: `Input({"amount": 8}, key="u1")`.

    A value that is neither text nor bytes is written as JSON; `None` is a tombstone.
    """

    value: Any = None
    key: Bytes = None
    timestamp_ms: int = 0
    headers: Union[Dict[str, Bytes], Sequence[Tuple[str, Bytes]]] = ()

    def _value(self) -> Optional[bytes]:
        if self.value is None or isinstance(self.value, (str, bytes)):
            return as_bytes(self.value)
        return _json.dumps(self.value).encode()

    def _pairs(self) -> List[Tuple[bytes, Optional[bytes]]]:
        pairs = self.headers.items() if isinstance(self.headers, dict) else self.headers
        return [(name.encode(), as_bytes(value)) for name, value in pairs]


@dataclass
class Emitted:
    """A record that was emitted."""

    #: The name of the output.
    output: str
    #: The input record that it came of, counted from 0 within the batch.
    source: int
    key: Optional[bytes]
    #: `None` is a tombstone.
    value: Optional[bytes]
    timestamp_ms: int
    headers: List[Tuple[str, Optional[bytes]]] = field(default_factory=list)

    def json(self) -> Any:
        """The value read as JSON."""
        return json.loads(self.value or b"")

    @property
    def text(self) -> Optional[str]:
        """The value as text."""
        return None if self.value is None else self.value.decode()

    @property
    def key_text(self) -> Optional[str]:
        """The key as text."""
        return None if self.key is None else self.key.decode()


@dataclass
class Failed:
    """A record that failed."""

    #: The input record, counted from 0 within the batch.
    record: int
    reason: str


@dataclass
class Outcome:
    """What came of a batch."""

    #: The emitted records, output by output, in order.
    emitted: List[Emitted] = field(default_factory=list)
    #: The failed records, in order.
    failed: List[Failed] = field(default_factory=list)

    def of(self, output: str) -> List[Emitted]:
        """The records of one output."""
        return [emitted for emitted in self.emitted if emitted.output == output]

    def only(self) -> Emitted:
        """The only emitted record. Raises `AssertionError` where a record failed, or not exactly one was emitted."""
        if len(self.emitted) != 1 or self.failed:
            raise AssertionError(f"expected one emitted record and no failure, got {self!r}")
        return self.emitted[0]


def columns(records: Sequence[Input]) -> RecordBatch:
    """Records as columns."""
    headers = HeaderColumn()
    if any(record.headers for record in records):
        pairs = [record._pairs() for record in records]
        names = [name for own in pairs for name, _ in own]
        values = [value for own in pairs for _, value in own]
        headers = HeaderColumn(_columns.offsets(map(len, pairs)), _columns.write(names), _columns.write(values))
    return RecordBatch(
        len(records), _columns.write([as_bytes(record.key) for record in records]),
        _columns.write([record._value() for record in records]), headers,
        _columns.pack_i64s(record.timestamp_ms for record in records), [],
    )


def emitted(output: str, sources: Sequence[int], batch: RecordBatch, specs: Sequence[Spec] = ()) -> List[Emitted]:
    """The records of an output; the values of typed columns are made as the host makes them."""
    keys, times = _columns.read(batch.keys), _columns.i64s(batch.timestamps)
    values = _columns.read(batch.values) if not batch.columns else _written(batch, specs)
    headers: List[List[Tuple[str, Optional[bytes]]]] = [[] for _ in range(batch.count)]
    if batch.headers.offsets:
        ends = _columns.u32s(batch.headers.offsets)
        names = [(name or b"").decode() for name in _columns.read(batch.headers.names)]
        pairs = list(zip(names, _columns.read(batch.headers.values)))
        headers = [pairs[start:end] for start, end in zip(ends, ends[1:])]
    rows = zip(sources, keys, values, times, headers)
    found = [Emitted(output, *row) for row in rows]
    assert len(found) == batch.count == len(keys) == len(values) == len(times), "columns of unequal length"
    return found


def _written(batch: RecordBatch, specs: Sequence[Spec]) -> List[Optional[bytes]]:
    rows: List[Dict[str, Any]] = [{} for _ in range(batch.count)]
    for spec, column in zip(specs, batch.columns):
        assert column.name == spec.path and column.kind.value == spec.kind.value
        is_json = spec.kind is ColumnType.BYTES
        as_text = Spec(spec.path, spec.kind, spec.optional, spec.attributes, True)
        for into, value in zip(rows, read_typed(as_text, column)):
            if value is not None:
                _json.put(into, spec.steps, json.loads(value) if is_json else value)
            elif not spec.optional:
                raise AssertionError(f"a null was written as `{spec.path}`, which is not optional")
    return [_json.dumps(row).encode() for row in rows]


def failures(column: Any) -> List[Failed]:
    reasons = _columns.read(column.reasons)
    return [Failed(row, (reason or b"").decode()) for row, reason in zip(_columns.u32s(column.records), reasons)]


def told(key: bytes, last_ms: int, value: Optional[bytes]) -> Emitted:
    """A record that a window emitted."""
    return Emitted("main", 0, key, value, last_ms)


