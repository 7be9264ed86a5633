"""One value for each key."""

from array import array
from typing import Any, List, Optional, Tuple, TypeVar, Union, overload

from .. import _columns, _host
from .._contract import StateKind
from ._place import State
from ._quick import QuickSet

T = TypeVar("T")
D = TypeVar("D")


class _Unread:
    """The value of a key that has not been asked for yet."""


_UNREAD: Any = _Unread()


class Value(State[T]):
    """One value for each key.

    Values travel with the batch: to read one costs no call to the host. With `prefetch=False` it is read by a call
    when it is first asked for: for what only few records need.
    """

    kind = StateKind.VALUE

    def __init__(self, *declared: Any, prefetch: bool = True) -> None:
        super().__init__(*declared)
        self._prefetch = prefetch
        #: What each group of the batch has now; `None`: nothing.
        self._values: List[Any] = []
        #: The row, the group and what it had before, of each change of the batch.
        self._log: List[Tuple[int, int, Any]] = []
        #: The same as it is stored, where it is not decoded at once.
        self._stored: List[Any] = []
        #: All numbers of the batch are decoded.
        self._decoded = False
        #: What a program of whole columns has stored.
        self._whole: "Optional[array[Any]]" = None
        self._quick = QuickSet(self)
        if self._codec.array and prefetch:
            self.set = self._quick.made(float if self._codec.array == "d" else int)  # type: ignore[method-assign]

    @overload
    def get(self) -> Optional[T]: ...
    @overload
    def get(self, default: D) -> Union[T, D]: ...
    def get(self, default: Any = None) -> Any:
        """The value of the key, or the default where there is none."""
        try:
            value = self._values[self._at.group]
        except IndexError:
            raise self._no_key() from None
        if value is None:
            return default
        if value is _UNREAD:
            value = self._read()
            return default if value is None else value
        return value

    def set(self, value: T) -> None:
        """Sets the value of the key."""
        self._replace(None if value is None else self._check(value))

    def delete(self) -> None:
        """Removes the value of the key."""
        self.set(None)  # type: ignore[arg-type]

    def load(self, default: D) -> List[Union[T, D]]:
        """The values of all keys of the batch, in the order of `batch.group_keys`: for whole columns."""
        if self._decoded:
            return [default if value is None else value for value in self._values]
        return [default if value is None else value for value in (self._read(at) for at in range(len(self._values)))]

    def store(self, values: "List[T]") -> None:
        """Sets the values of all keys of the batch: for whole columns."""
        if len(values) != len(self._values):
            raise ValueError(f"state `{self.name}`: {len(values)} values for {len(self._values)} keys")
        if self._codec.array and self._prefetch and None not in values:
            try:
                self._whole = array(self._codec.array, values)
            except (TypeError, OverflowError) as error:
                raise TypeError(f"state `{self.name}`: {error}") from None
            self._values = self._whole.tolist()
            return
        for group, value in enumerate(values):
            self._replace(None if value is None else self._check(value), group)

    def _replace(self, value: Any, group: int = -1) -> None:
        at = self._at
        if group < 0:
            group = at.group
        if not 0 <= group < len(self._values):
            raise self._no_key()
        self._log.append((at.row, group, self._values[group]))
        self._values[group] = value

    def _read(self, group: int = -1) -> Any:
        if group < 0:
            group = self._at.group
        value = self._values[group]
        if value is not _UNREAD:
            return value
        value = self._values[group] = self._read_stored(group)
        return value

    def _read_stored(self, group: int) -> Any:
        stored = self._stored[group]
        if stored is _UNREAD:
            key = _columns.write([self._at.group_keys[group]])
            stored = self._stored[group] = _columns.read(self._ask(_host.get_many, key))[0]
        return None if stored is None else self._decode(stored)

    def _begin(self, column: Any) -> None:
        count = self._at.group_count
        self._log.clear()
        self._quick.begin()
        self._whole = None
        numbers = _numbers(column, self._codec.array) if column is not None and self._codec.array else None
        self._decoded = numbers is not None
        if numbers is not None:
            self._values = numbers
        elif column is None:
            self._values = [_UNREAD] * count
            self._stored = [_UNREAD] * count
        else:
            self._stored = _columns.read(column)
            self._values = [_UNREAD] * count

    def _undo(self, row: int) -> None:
        log = self._log
        while log and log[-1][0] == row:
            _, group, before = log.pop()
            self._values[group] = before
        self._quick.undo(row)

    def _finish(self) -> Any:
        if self._whole is not None:
            return _columns.pack_u32s(range(len(self._whole))), _number_column(self._whole)
        groups = self._quick.groups + [change[1] for change in self._log]
        if not groups:
            return None
        values = self._values
        if groups != list(range(len(values))):
            groups = sorted(set(groups))
            values = [values[group] for group in groups]
        return self._hand_over(groups, self._column(values))

    def _hand_over(self, groups: List[int], column: Any) -> Any:
        """What changed: back with the batch, or to the host at once."""
        if self._prefetch:
            return _columns.pack_u32s(groups), column
        keys = _columns.write([self._at.group_keys[group] for group in groups])
        self._ask(_host.put_many, keys, column)
        return None

    def _column(self, values: List[Any]) -> Any:
        if self._codec.array and None not in values:
            return _number_column(array(self._codec.array, values))
        encode = self._codec.encode
        return _columns.write([None if value is None else encode(value) for value in values])


def _number_column(numbers: "array[Any]") -> Any:
    data = numbers.tobytes()
    return _columns.BytesColumn(_columns.pack_u32s(range(0, len(data) + 8, 8)), data)


def _numbers(column: Any, format: Any) -> Optional[List[Any]]:
    """Numbers of 8 bytes, or nothing where some have another width."""
    data = column.data
    count = _columns.row_count(column)
    if not column.validity:
        return memoryview(data).cast(format).tolist() if len(data) == 8 * count else None
    bits = _columns.unpack_bits(column.validity, count)
    if len(data) != 8 * sum(bits):
        return None
    present = iter(memoryview(data).cast(format).tolist())
    return [next(present) if bit else None for bit in bits]
