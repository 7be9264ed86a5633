"""Gathers what a batch emits to one output, and makes its columns.

What is not said of a record is as in the input, so that only differences are kept; columns that are those of the whole
batch move through as they are.
"""

from array import array
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple, Type

from . import _columns, _json
from ._context import INHERITED, SAME, TOMBSTONE
from ._contract import ABSENT, ColumnType, HeaderColumn, OutputBatch, RecordBatch
from ._failure import Failure
from ._json import dumps
from ._fields import Spec, specs
from ._typed import refuse, typed_column

if TYPE_CHECKING:
    from ._context import Context


class OutputBuilder:
    """Records of one output."""

    def __init__(self, ctx: "Context", index: int, writes: Optional[Type[Any]]) -> None:
        self._ctx = ctx
        self._index = index
        self._writes = writes
        self._specs: List[Spec] = specs(writes) if writes else []
        self._bind = _row_writer(self._specs) if writes else None
        self.begin()

    def begin(self) -> None:
        """A batch begins."""
        #: What a program of whole batches emits.
        self.whole: Optional[OutputBatch] = None
        self.sources: List[int] = []
        self._values: List[Any] = []
        self._columns: List[List[Any]] = [[] for _ in self._specs]
        self._as_columns = bool(self._specs)
        #: Appends a record of the declared class.
        self.push_row: Any = self._bind(self._columns, self.sources, self._ctx) if self._bind else None
        self._keys: Dict[int, Any] = {}
        self._times: Dict[int, int] = {}
        self._headers: Dict[int, Tuple[List[Tuple[bytes, Optional[bytes]]], bool]] = {}

    def push(self, value: Any) -> None:
        """Appends a record that came of the record in hand."""
        kind = type(value)
        if self._as_columns:
            if kind is self._writes:
                self.push_row(value)
                return
            self._leave_columns()
        if kind is str or kind is bytes or value is SAME:
            self._values.append(value)
        elif value is None or value is TOMBSTONE:
            self._values.append(None)
        elif kind is bytearray or kind is memoryview:
            self._values.append(bytes(value))
        else:
            self._values.append(dumps(value))
        self.sources.append(self._ctx.row)

    def differ(self, key: Any, timestamp_ms: Optional[int], headers: Any, keep_headers: bool) -> None:
        """Says how the last record differs from the one in hand."""
        at = len(self.sources) - 1
        try:
            if key is not INHERITED:
                self._keys[at] = None if key is None else key.encode() if isinstance(key, str) else bytes(memoryview(key))
            if timestamp_ms is not None:
                self._times[at] = array("q", [timestamp_ms])[0]
            if headers is not None or not keep_headers:
                pairs = headers.items() if isinstance(headers, dict) else headers or ()
                self._headers[at] = [(name.encode(), _header(value)) for name, value in pairs], keep_headers
        except (TypeError, AttributeError) as error:
            raise TypeError(f"a key is a text or bytes, a time an integer, headers texts with texts or bytes: {error}") from None

    def undo(self, row: int) -> None:
        """Takes back what came of a record, which must be the last one."""
        sources = self.sources
        while sources and sources[-1] == row:
            sources.pop()
            for changes in (self._keys, self._times, self._headers):
                changes.pop(len(sources), None)  # type: ignore[attr-defined]
        for column in self._columns if self._as_columns else (self._values,):
            del column[len(sources):]

    def finish(self) -> Optional[OutputBatch]:
        """The records as columns; nothing where there are none."""
        count, batch = len(self.sources), self._ctx._batch
        if not count:
            return self.whole
        whole = count == batch.count and self.sources == list(range(count))
        values, columns = ABSENT, []
        if self._as_columns:
            columns = [typed_column(spec, column) for spec, column in zip(self._specs, self._columns)]
        else:
            values = self._value_column(whole)
        made = RecordBatch(count, self._key_column(whole), values, self._header_column(whole), self._time_column(whole), columns)
        return OutputBatch(self._index, _columns.pack_u32s(self.sources), made)

    def _leave_columns(self) -> None:
        """A record that is not of the declared class: from here on all are written as JSON."""
        self._as_columns = False
        self.push_row = self.push
        for row in zip(*self._columns):
            into: Dict[str, Any] = {}
            for spec, value in zip(self._specs, row):
                if value is not None or not spec.optional:
                    raw = spec.kind is ColumnType.BYTES
                    _json.put(into, spec.steps, _json.loads(value.decode()) if raw and value is not None else value)
            self._values.append(_json.dumps(into))

    def _value_column(self, whole: bool) -> Any:
        values, same = self._values, SAME
        if not any(value is same for value in values):
            return _columns.write(values)
        given = self._ctx._batch.values
        if not given.offsets:
            raise Failure("`ms.SAME` needs the record's own value: `ms.Operator(raw_values=True)` has it passed")
        if whole and all(value is same for value in values):
            return given
        own = _columns.read(given)
        return _columns.write([own[row] if value is same else value for row, value in zip(self.sources, values)])

    def _key_column(self, whole: bool) -> Any:
        given = self._ctx._batch.keys
        if whole and not self._keys:
            return given
        own = _columns.read(given)
        keys: List[Any] = [own[row] for row in self.sources]
        for at, key in self._keys.items():
            keys[at] = key
        return _columns.write(keys)

    def _time_column(self, whole: bool) -> bytes:
        given: bytes = self._ctx._batch.timestamps
        if whole and not self._times:
            return given
        own = _columns.i64s(given)
        times = [own[row] for row in self.sources]
        for at, time_ms in self._times.items():
            times[at] = time_ms
        return _columns.pack_i64s(times)

    def _header_column(self, whole: bool) -> Any:
        given = self._ctx._batch.headers
        if not self._headers and (whole or not given.offsets):
            return given
        own: List[List[Tuple[Any, Any]]] = []
        if given.offsets:
            ends = _columns.u32s(given.offsets)
            pairs = list(zip(_columns.read(given.names), _columns.read(given.values)))
            own = [pairs[start:end] for start, end in zip(ends, ends[1:])]
        rows = []
        for at, row in enumerate(self.sources):
            added, keeps = self._headers.get(at, ((), True))
            rows.append([*(own[row] if own and keeps else ()), *added])
        names = [name for pairs in rows for name, _ in pairs]
        values = [value for pairs in rows for _, value in pairs]
        if not names:
            return HeaderColumn()
        return HeaderColumn(_columns.offsets(map(len, rows)), _columns.write(names), _columns.write(values))


def _header(value: Any) -> Optional[bytes]:
    return None if value is None else value.encode() if isinstance(value, str) else bytes(memoryview(value))


def _row_writer(fields: List[Spec]) -> Any:
    """Makes a function that appends a record's fields to columns, written for the fields that are declared."""
    made: Dict[str, Any] = {"refuse": refuse, "specs": fields}
    lines = ["def bind(columns, sources, ctx):"]
    lines += [f"    c{at} = columns[{at}].append" for at in range(len(fields))]
    lines += ["    source = sources.append", "    def push(record):"]
    checks = {ColumnType.UTF8: "str", ColumnType.BOOLEAN: "bool", ColumnType.FLOAT64: "float", ColumnType.INT64: "int"}
    for at, spec in enumerate(fields):
        lines.append(f"        v{at} = record.{spec.name}")
        accepted = f"type(v{at}) is {checks[spec.kind]}" if spec.kind in checks else "False"
        if spec.kind is ColumnType.INT64:
            accepted += f" and -0x8000000000000000 <= v{at} <= 0x7fffffffffffffff"
        if spec.kind is ColumnType.FLOAT64:
            # Neither NaN nor infinite, of which JSON has no form.
            accepted += f" and v{at} - v{at} == 0.0"
        if spec.optional:
            accepted = f"v{at} is None or {accepted}"
        lines.append(f"        if not ({accepted}): v{at} = refuse(specs[{at}], v{at})")
    # Nothing is appended before every field is as it should be.
    lines += [f"        c{at}(v{at})" for at in range(len(fields))]
    lines += ["        source(ctx.row)", "    return push"]
    exec(compile("\n".join(lines), "<millstream writes>", "exec"), made)
    return made["bind"]
