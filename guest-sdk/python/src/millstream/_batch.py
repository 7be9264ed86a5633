"""Whole batches as columns."""

from array import array
from typing import TYPE_CHECKING, Any, Dict, Generic, Iterator, List, Optional, Sequence, TypeVar, Union

from . import _columns
from ._contract import ABSENT, NO_GROUP, HeaderColumn, OutputBatch, RecordBatch
from ._failure import Failure
from ._fields import Spec, specs
from ._typed import column_of, read_typed, typed_column

if TYPE_CHECKING:
    from ._context import Context

R = TypeVar("R")


class Column(Sequence[Any]):
    """A field of all records of a batch.

    `view` has the numbers of an `int` or `float` field as they came, without a copy; nulls are 0 there. As a sequence
    a column has the values of any field, `None` where it is missing. It can be emitted as it is.
    """

    __slots__ = ("raw", "_spec", "_count", "_values")

    def __init__(self, raw: Any, spec: Optional[Spec], count: int) -> None:
        self.raw = raw
        self._spec = spec
        self._count = count
        self._values: Optional[List[Any]] = None

    @property
    def view(self) -> Any:
        """The numbers, as a `memoryview` of `d` or `q`."""
        kind = self._spec.kind.value if self._spec else None
        if kind not in (3, 4):
            raise TypeError("`view` is for fields of type int and float: `tolist()` has the values of any")
        return memoryview(self.raw.data).cast("q" if kind == 3 else "d")

    @property
    def data(self) -> bytes:
        """The bytes of all texts or byte strings, one after another."""
        return self.raw.data  # type: ignore[no-any-return]

    @property
    def offsets(self) -> memoryview:
        """Where each begins in `data`, and where the last one ends."""
        return memoryview(self.raw.offsets).cast("I")

    def tolist(self) -> List[Any]:
        """The values."""
        if self._values is None:
            self._values = _columns.read(self.raw) if self._spec is None else read_typed(self._spec, self.raw)
            del self._values[self._count:]
        return self._values

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        return self.tolist()[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())


Values = Union[Column, Sequence[Any], "array[Any]", memoryview]


class Batch(Generic[R]):
    """A batch of records: a column for each field of the class of records, by its name.

    A field within a record, such as `user.id`, is `batch["user.id"]`.
    """

    def __init__(self, operator: Any, ctx: "Context", batch: Any, groups: Any, reads: List[Spec]) -> None:
        self._operator = operator
        self._ctx = ctx
        self._batch = batch
        self._emitted: Dict[str, OutputBatch] = {}
        self._groups = groups if operator._states else None
        #: The number of records.
        self.count: int = batch.count
        self._columns = {spec.name: Column(raw, spec, batch.count) for spec, raw in zip(reads, batch.columns)}

    def __getattr__(self, name: str) -> Column:
        try:
            return self.__dict__["_columns"][name]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(f"the batch has no field `{name}`: it has {', '.join(self._columns) or 'none'}") from None

    def __getitem__(self, name: str) -> Column:
        return self._columns[name]

    def __len__(self) -> int:
        return self.count

    @property
    def keys(self) -> Column:
        """The keys; `None`: the record has none."""
        return Column(self._batch.keys, None, self.count)

    @property
    def values(self) -> Column:
        """The values as bytes, where they are passed; `None`: a tombstone."""
        return Column(self._batch.values, None, self.count)

    @property
    def timestamps(self) -> memoryview:
        """Event times, milliseconds."""
        return memoryview(self._batch.timestamps).cast("q")

    @property
    def groups(self) -> Any:
        """For each record the index of its key among the distinct ones, which is the index of its value in what
        `state.load()` gives; `ms.NO_GROUP` for a record without a key."""
        if self._groups is None:
            raise Failure("groups are there where the operator has states")
        return self._groups

    @property
    def group_keys(self) -> List[bytes]:
        """The distinct keys of the batch."""
        return self._ctx.group_keys

    @property
    def all_keyed(self) -> bool:
        """Whether every record has a key."""
        return not self._batch.keys.validity or NO_GROUP not in self.groups

    def fail(self, row: int, reason: str) -> None:
        """Fails a record. What is emitted of it is left out; states are what the program stores."""
        if not 0 <= row < self.count:
            raise IndexError(f"there is no record {row} in a batch of {self.count}")
        self._operator._failures.setdefault(row, reason)

    def emit(
        self, values: Union[Dict[str, Values], Values], *, to: Optional[str] = None, sources: Optional[Sequence[int]] = None,
        keys: Optional[Values] = None, timestamps: Optional[Sequence[int]] = None,
    ) -> None:
        """Emits a record for each record of the batch, or for those that `sources` names, in ascending order: columns
        by the names of the fields that the operator writes, or whole values, as bytes, texts or `None`. Keys, times
        and headers are those of the records, unless they are given. Once a batch for each output.
        """
        operator = self._operator
        name = operator._outputs[0] if to is None else to
        if name not in operator._outputs:
            raise Failure(f"output `{name}` is not declared")
        if name in self._emitted:
            raise Failure(f"output `{name}` was emitted to before: emit all of a batch at once")
        rows = list(range(self.count)) if sources is None else list(sources)
        made = self._typed(values) if isinstance(values, dict) else []
        column = ABSENT if made else _given(values)
        for given in (*(values.values() if isinstance(values, dict) else (values,)), keys, timestamps):
            if given is not None and len(given) != len(rows):
                raise ValueError(f"a column of {len(given)} values for {len(rows)} records")
        whole = sources is None
        batch = RecordBatch(len(rows), self._inherit_keys(rows, keys, whole), column, HeaderColumn(), b"", made)
        own = self.timestamps
        batch.timestamps = _columns.pack_i64s(timestamps) if timestamps is not None else (
            self._batch.timestamps if whole else _columns.pack_i64s(own[row] for row in rows))
        if self._batch.headers.offsets:
            batch.headers = self._batch.headers if whole else _rows_of_headers(self._batch.headers, rows)
        self._emitted[name] = OutputBatch(operator._outputs.index(name), _columns.pack_u32s(rows), batch)

    def _typed(self, values: Dict[str, Values]) -> List[Any]:
        writes = self._operator._writes
        declared = specs(writes) if writes else []
        names = [spec.name for spec in declared]
        if set(names) != set(values):
            raise ValueError(f"columns {', '.join(values)} are emitted, and the operator writes {', '.join(names) or 'none'}")
        return [column_of(spec, values[spec.name]) for spec in declared]

    def _inherit_keys(self, rows: List[int], keys: Optional[Values], whole: bool) -> Any:
        if keys is not None:
            return _given(keys)
        if whole:
            return self._batch.keys
        own = _columns.read(self._batch.keys)
        return _columns.write([own[row] for row in rows])

    def _finish(self) -> None:
        failures = self._operator._failures
        for output in self._emitted.values():
            if failures:
                output = without(output, failures)
            self._operator._builders[output.output].whole = output


def _given(values: Any) -> Any:
    if isinstance(values, Column) and values._spec is None:
        return values.raw
    return _columns.write([bytes(v) if isinstance(v, (bytearray, memoryview)) else v for v in values])


def _rows_of_headers(headers: Any, rows: Sequence[int]) -> HeaderColumn:
    ends = _columns.u32s(headers.offsets)
    pairs = list(zip(_columns.read(headers.names), _columns.read(headers.values)))
    kept = [pairs[ends[row]:ends[row + 1]] for row in rows]
    flat = [pair for own in kept for pair in own]
    names, values = [name for name, _ in flat], [value for _, value in flat]
    return HeaderColumn(_columns.offsets(map(len, kept)), _columns.write(names), _columns.write(values))


def without(output: OutputBatch, failures: Dict[int, str]) -> OutputBatch:
    """An output without the rows of records that failed."""
    sources = _columns.u32s(output.sources)
    kept = [at for at, row in enumerate(sources) if row not in failures]
    batch = output.batch

    def pick(column: Any) -> Any:
        values = _columns.read(column)
        return _columns.write([values[at] for at in kept])

    def typed(column: Any) -> Any:
        spec = Spec(column.name, column.kind, True, (), True)
        values = read_typed(spec, column)
        return typed_column(spec, [values[at] for at in kept])

    times = _columns.i64s(batch.timestamps)
    values = batch.values if batch.columns else pick(batch.values)
    headers = _rows_of_headers(batch.headers, kept) if batch.headers.offsets else batch.headers
    made = RecordBatch(
        len(kept), pick(batch.keys), values, headers, _columns.pack_i64s(times[at] for at in kept), list(map(typed, batch.columns))
    )
    return OutputBatch(output.output, _columns.pack_u32s(sources[at] for at in kept), made)
