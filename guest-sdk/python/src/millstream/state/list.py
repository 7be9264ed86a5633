"""A list for each key."""

from typing import Any, Dict, Iterator, List as PyList, Optional, Tuple, TypeVar

from .. import _columns, _host
from .._contract import StateKind
from ._place import State

T = TypeVar("T")

#: Elements that one host call reads.
_PAGE = 256


class _Pending:
    """What the batch did to one key's list."""

    __slots__ = ("cleared", "appended", "stored")

    def __init__(self, cleared: bool = False) -> None:
        #: Nothing that the host has stands.
        self.cleared = cleared
        self.appended: PyList[bytes] = []
        #: Elements that the host has, once asked for.
        self.stored: Optional[int] = 0 if cleared else None


class List(State[T]):
    """An append-only list for each key.

    Elements are read by host calls; what a batch appends goes to the host in one call when the batch is done.
    """

    kind = StateKind.LIST

    def __init__(self, *declared: Any) -> None:
        super().__init__(*declared)
        self._keys: Dict[int, _Pending] = {}
        #: The row, the group, and what it was before it was cleared; `None`: an element was appended.
        self._log: PyList[Tuple[int, int, Optional[_Pending]]] = []

    def append(self, element: T) -> None:
        """Appends an element to the key's list."""
        encoded = self._encode(element)
        self._pending().appended.append(encoded)
        self._log.append((self._at.row, self._at.group, None))

    def clear(self) -> None:
        """Removes every element of the key's list."""
        self._log.append((self._at.row, self._at.group, self._pending()))
        self._keys[self._at.group] = _Pending(cleared=True)

    def __len__(self) -> int:
        pending = self._pending()
        return self._stored(pending) + len(pending.appended)

    def __iter__(self) -> Iterator[T]:
        return self.elements()

    def elements(self, start: int = 0) -> Iterator[T]:
        """The elements from an index on, in the order of appending. Read page by page as the iterator goes on."""
        while True:
            pending = self._pending()
            stored = self._stored(pending)
            if start < stored:
                limit = min(_PAGE, stored - start)
                page = _columns.read(self._ask(_host.list_read, self._key(), start, limit))
            else:
                page = list(pending.appended[start - stored : start - stored + _PAGE])
            if not page:
                return
            for element in page:
                yield self._decode(element or b"")
            start += len(page)

    def _pending(self) -> _Pending:
        self._key()
        return self._keys.setdefault(self._at.group, _Pending())

    def _stored(self, pending: _Pending) -> int:
        if pending.stored is None:
            pending.stored = self._ask(_host.list_length, self._key())
        return pending.stored or 0

    def _begin(self, column: Any) -> None:
        self._keys.clear()
        self._log.clear()

    def _undo(self, row: int) -> None:
        while self._log and self._log[-1][0] == row:
            _, group, before = self._log.pop()
            if before is None:
                self._keys[group].appended.pop()
            else:
                self._keys[group] = before

    def _finish(self) -> None:
        keys = self._at.group_keys
        groups = sorted(self._keys.items())
        cleared = [keys[group] for group, pending in groups if pending.cleared]
        appended = [(keys[group], element) for group, pending in groups for element in pending.appended]
        if cleared:
            self._ask(_host.list_clear_many, _columns.write(cleared))
        if appended:
            self._ask(_host.list_append_many, *[_columns.write(column) for column in zip(*appended)])
