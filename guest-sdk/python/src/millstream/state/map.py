"""A map for each key."""

from typing import Any, Dict, Generic, Iterator, List, Optional, Tuple, TypeVar, Union, overload

from .. import _columns, _host
from .._contract import StateKind
from .._failure import ProgramError
from ._place import State
from .codec import FIELDS

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")

#: Fields that one host call of a scan reads.
_PAGE = 256
_UNKNOWN: Any = object()


class _Cached:
    """What is known of one key's map: encoded values by encoded field, and which of them changed."""

    __slots__ = ("cleared", "fields", "changed")

    def __init__(self, cleared: bool = False) -> None:
        self.cleared = cleared
        self.fields: Dict[bytes, Optional[bytes]] = {}
        self.changed: Dict[bytes, None] = {}


class Map(State[V], Generic[K, V]):
    """A map from fields to values for each key, ordered by field. Fields are texts, bytes or integers.

    Fields are read by host calls when they are first asked for, and remembered for the batch; changes go to the host
    in one call when the batch is done.
    """

    kind = StateKind.MAP

    def __init__(self, *declared: Any, field: Any) -> None:
        super().__init__(*declared)
        if field not in FIELDS:
            raise ProgramError(f"fields of map `{self.name}` are of type {field!r}: str, bytes and int are possible")
        self._field = FIELDS[field]
        self._keys: Dict[int, _Cached] = {}
        #: The row, the group, the field and what was known of it before; without a field, what was before a `clear`.
        self._log: List[Tuple[int, int, Optional[bytes], Any]] = []

    @overload
    def get(self, field: K) -> Optional[V]: ...
    @overload
    def get(self, field: K, default: D) -> Union[V, D]: ...
    def get(self, field: Any, default: Any = None) -> Any:
        """The value of a field, or the default where there is none."""
        stored = self._stored(field)
        return default if stored is None else self._decode(stored)

    def __getitem__(self, field: K) -> V:
        stored = self._stored(field)
        if stored is None:
            raise KeyError(field)
        return self._decode(stored)  # type: ignore[no-any-return]

    def __contains__(self, field: K) -> bool:
        return self._stored(field) is not None

    def __setitem__(self, field: K, value: V) -> None:
        self._replace(field, self._encode(value))

    def __delitem__(self, field: K) -> None:
        self._replace(field, None)

    def set(self, field: K, value: V) -> None:
        """Sets the value of a field."""
        self[field] = value

    def delete(self, field: K) -> None:
        """Removes a field, if it is there."""
        del self[field]

    def clear(self) -> None:
        """Removes every field of the key."""
        self._log.append((self._at.row, self._at.group, None, self._cached()))
        self._keys[self._at.group] = _Cached(cleared=True)

    def items(self, start: Optional[K] = None, end: Optional[K] = None) -> Iterator[Tuple[K, V]]:
        """Fields and values of the key in ascending order, from `start` up to `end`, which is not included."""
        first = b"" if start is None else self._field.encode(start)
        last = None if end is None else self._field.encode(end)
        key = self._key()
        next_field: Optional[bytes] = first
        while next_field is not None and (last is None or next_field < last):
            page, next_field = self._page(key, next_field, last)
            for field, value in page:
                yield self._field.decode(field), self._decode(value)

    def __iter__(self) -> Iterator[K]:
        return (field for field, _ in self.items())

    def _cached(self) -> _Cached:
        self._key()
        return self._keys.setdefault(self._at.group, _Cached())

    def _stored(self, field: Any) -> Optional[bytes]:
        cached, encoded = self._cached(), self._field.encode(field)
        if encoded not in cached.fields:
            if cached.cleared:
                return None
            rows = self._ask(_host.map_get_many, _columns.write([self._key()]), _columns.write([encoded]))
            cached.fields[encoded] = _columns.read(rows)[0]
        return cached.fields[encoded]

    def _replace(self, field: Any, value: Optional[bytes]) -> None:
        encoded = self._field.encode(field)
        cached = self._cached()
        before = cached.fields.get(encoded, _UNKNOWN), encoded in cached.changed
        self._log.append((self._at.row, self._at.group, encoded, before))
        cached.fields[encoded] = value
        cached.changed[encoded] = None

    def _page(
        self, key: bytes, start: bytes, end: Optional[bytes]
    ) -> Tuple[List[Tuple[bytes, bytes]], Optional[bytes]]:
        """The next entries from `start` on: what the host has, with what the batch changed over it; and where to go
        on, if anywhere."""
        cached = self._keys.get(self._at.group)
        merged: Dict[bytes, Optional[bytes]] = {}
        after = None
        if cached is None or not cached.cleared:
            found = self._ask(_host.map_scan, key, start, end, _PAGE)
            fields = _columns.read(found.fields)
            merged = dict(zip(fields, _columns.read(found.values)))  # type: ignore[arg-type]
            if found.more and fields:
                after = (fields[-1] or b"") + b"\0"
        if cached is not None:
            until = after if after is not None else end
            for field, value in cached.fields.items():
                if start <= field and (until is None or field < until):
                    merged[field] = value
        return sorted((field, value) for field, value in merged.items() if value is not None), after

    def _begin(self, column: Any) -> None:
        self._keys.clear()
        self._log.clear()

    def _undo(self, row: int) -> None:
        while self._log and self._log[-1][0] == row:
            _, group, field, before = self._log.pop()
            if field is None:
                self._keys[group] = before
                continue
            cached, (value, was_changed) = self._keys[group], before
            if value is _UNKNOWN:
                del cached.fields[field]
            else:
                cached.fields[field] = value
            if not was_changed:
                del cached.changed[field]

    def _finish(self) -> None:
        keys = self._at.group_keys
        cleared = [keys[group] for group, cached in sorted(self._keys.items()) if cached.cleared]
        changed = [
            (keys[group], field, cached.fields[field])
            for group, cached in sorted(self._keys.items()) for field in sorted(cached.changed)
        ]
        if cleared:
            self._ask(_host.map_clear_many, _columns.write(cleared))
        if changed:
            rows = [_columns.write(column) for column in zip(*changed)]
            self._ask(_host.map_put_many, *rows)
