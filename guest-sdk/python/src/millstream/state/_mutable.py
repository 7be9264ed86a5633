"""Values that a program may change in place, such as lists and dataclasses."""

from typing import Any, List, Set, Tuple

from .. import _columns
from .value import _UNREAD, Value


class MutableValue(Value[Any]):
    """One value for each key, of a type that can be changed in place.

    What a record has changed must not be seen by the next one where it was not set, or where the record failed. So a
    value is stored in its encoded form whenever another record is about to have it in hand, and decoded again where
    it was in hand and not set.
    """

    def __init__(self, *declared: Any, prefetch: bool = True) -> None:
        super().__init__(*declared, prefetch=prefetch)
        #: Groups whose value is newer than what is stored of it.
        self._newer: Set[int] = set()
        #: Groups that the record in hand has got and not set, and those that it has got or set.
        self._lent: Set[int] = set()
        self._touched: Set[int] = set()
        self._touched_row = -1
        self._changes: List[Tuple[int, int]] = []

    def get(self, default: Any = None) -> Any:
        group = self._hand(self._at.group)
        value = self._values[group]
        if value is _UNREAD:
            value = self._values[group] = self._read_stored(group)
        if value is None:
            return default
        self._lent.add(group)
        return value

    def load(self, default: Any) -> List[Any]:
        values = []
        for group in range(len(self._values)):
            self._hand(group)
            if self._values[group] is _UNREAD:
                self._values[group] = self._read_stored(group)
            self._lent.add(group)
            values.append(default if self._values[group] is None else self._values[group])
        return values

    def _replace(self, value: Any, group: int = -1) -> None:
        group = self._hand(self._at.group if group < 0 else group)
        self._values[group] = value
        self._newer.add(group)
        self._lent.discard(group)
        self._changes.append((self._at.row, group))

    def _hand(self, group: int) -> int:
        """The record in hand is about to have the value of a group."""
        if not 0 <= group < len(self._values):
            raise self._no_key()
        if self._touched_row != self._at.row:
            self._take_back()
            self._touched_row = self._at.row
        if group not in self._touched:
            self._touched.add(group)
            self._store(group)
        return group

    def _store(self, group: int) -> None:
        if group in self._newer:
            value = self._values[group]
            self._stored[group] = None if value is None else self._codec.encode(value)
            self._newer.discard(group)

    def _take_back(self) -> None:
        for group in self._lent:
            self._values[group] = _UNREAD
        self._lent.clear()
        self._touched.clear()

    def _begin(self, column: Any) -> None:
        count = self._at.group_count
        self._values = [_UNREAD] * count
        self._stored = [_UNREAD] * count if column is None else _columns.read(column)
        for own in (self._newer, self._lent, self._touched):
            own.clear()
        self._touched_row = -1
        self._changes.clear()

    def _undo(self, row: int) -> None:
        if self._touched_row == row:
            for group in self._touched:
                self._values[group] = _UNREAD
                self._newer.discard(group)
            self._lent.clear()
            self._touched.clear()
        while self._changes and self._changes[-1][0] == row:
            self._changes.pop()

    def _finish(self) -> Any:
        groups = sorted({group for _, group in self._changes})
        for group in groups:
            self._store(group)
        return self._hand_over(groups, _columns.write([self._stored[group] for group in groups])) if groups else None
