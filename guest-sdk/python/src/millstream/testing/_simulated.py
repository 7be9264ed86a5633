"""A host for native tests: state in dicts, time and randomness as the test sets them."""

from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .. import _columns, _host, log
from .._contract import MapPage, StateDeclaration, StateKind

_MASK = 2**64 - 1


class Simulated:
    """Time, randomness, state, log and metrics of a test."""

    def __init__(self, states: List[StateDeclaration]) -> None:
        self.now = 0
        self.seed = 0
        self.log_level = log.TRACE
        self.lines: List[Tuple[str, str]] = []
        self.counters: Dict[str, int] = {}
        self.gauges: Dict[str, float] = {}
        self.histograms: Dict[str, List[float]] = {}
        #: State calls so far.
        self.calls = 0
        self._states = states
        #: The value and when it expires, by state, key and field; of a list, the index is the field.
        self._entries: Dict[str, Dict[bytes, Dict[bytes, Tuple[bytes, Optional[int]]]]] = {}

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Lets the SDK ask this host meanwhile."""
        before, _host.simulated = _host.simulated, self
        log.forget_levels()
        try:
            yield
        finally:
            _host.simulated = before

    def now_ms(self) -> int:
        return self.now

    def random_u64(self) -> int:
        """SplitMix64: every seed gives a different, repeatable sequence."""
        self.seed = (self.seed + 0x9E37_79B9_7F4A_7C15) & _MASK
        number = self.seed
        number = (number ^ number >> 30) * 0xBF58_476D_1CE4_E5B9 & _MASK
        number = (number ^ number >> 27) * 0x94D0_49BB_1331_11EB & _MASK
        return number ^ number >> 31

    def log_enabled(self, level: int) -> bool:
        return level >= self.log_level

    def log_write(self, level: int, message: str) -> None:
        self.lines.append((log.NAMES[level], message))

    def counter_add(self, name: str, delta: int) -> None:
        self.counters[name] = self.counters.get(name, 0) + delta

    def gauge_set(self, name: str, value: float) -> None:
        self.gauges[name] = value

    def histogram_record(self, name: str, value: float) -> None:
        self.histograms.setdefault(name, []).append(value)

    def column(self, state: str, keys: List[Any]) -> Any:
        """What a prefetched state passes with a batch."""
        return _columns.write([self._live(state, key).get(b"") for key in keys])

    def write(self, declared: StateDeclaration, key: bytes, field: bytes, value: Optional[bytes]) -> None:
        entries = self._entries.setdefault(declared.name, {}).setdefault(key, {})
        if value is None:
            entries.pop(field, None)
        else:
            entries[field] = value, None if declared.ttl_ms is None else self.now + declared.ttl_ms

    def adopt(self, other: "Simulated") -> None:
        """Takes over what another host has stored under the names that are declared here."""
        names = {state.name for state in self._states}
        self._entries = {name: entries for name, entries in other._entries.items() if name in names}
        self.now = other.now

    def get_many(self, state: int, keys: Any) -> Any:
        return self.column(self._enter(state, StateKind.VALUE).name, _columns.read(keys))

    def put_many(self, state: int, keys: Any, values: Any) -> None:
        declared = self._enter(state, StateKind.VALUE)
        for key, value in zip(_columns.read(keys), _columns.read(values)):
            self.write(declared, key or b"", b"", value)

    def map_get_many(self, state: int, keys: Any, fields: Any) -> Any:
        name = self._enter(state, StateKind.MAP).name
        rows = zip(_columns.read(keys), _columns.read(fields))
        return _columns.write([self._live(name, key or b"").get(field or b"") for key, field in rows])

    def map_put_many(self, state: int, keys: Any, fields: Any, values: Any) -> None:
        declared = self._enter(state, StateKind.MAP)
        for key, field, value in zip(_columns.read(keys), _columns.read(fields), _columns.read(values)):
            self.write(declared, key or b"", field or b"", value)

    def map_scan(self, state: int, key: bytes, start: bytes, end: Optional[bytes], limit: int) -> MapPage:
        name = self._enter(state, StateKind.MAP).name
        found = sorted(
            (field, value) for field, value in self._live(name, key).items()
            if field >= start and (end is None or field < end)
        )
        page = found[:limit]
        fields, values = _columns.write([field for field, _ in page]), _columns.write([value for _, value in page])
        return MapPage(fields, values, len(found) > limit)

    def map_clear_many(self, state: int, keys: Any) -> None:
        self._clear(self._enter(state, StateKind.MAP).name, keys)

    def list_append_many(self, state: int, keys: Any, values: Any) -> None:
        declared = self._enter(state, StateKind.LIST)
        for key, value in zip(_columns.read(keys), _columns.read(values)):
            following = len(self._live(declared.name, key or b""))
            self.write(declared, key or b"", following.to_bytes(8, "big"), value or b"")

    def list_read(self, state: int, key: bytes, start: int, limit: int) -> Any:
        elements = sorted(self._live(self._enter(state, StateKind.LIST).name, key).items())
        return _columns.write([value for _, value in elements[start:start + limit]])

    def list_length(self, state: int, key: bytes) -> int:
        return len(self._live(self._enter(state, StateKind.LIST).name, key))

    def list_clear_many(self, state: int, keys: Any) -> None:
        self._clear(self._enter(state, StateKind.LIST).name, keys)

    def _enter(self, state: int, kind: StateKind) -> StateDeclaration:
        self.calls += 1
        declared = self._states[state]
        if declared.kind is not kind:
            raise ValueError(f"`{declared.name}` is of another kind")
        return declared

    def _live(self, state: str, key: bytes) -> Dict[bytes, bytes]:
        entries = self._entries.get(state, {}).get(key, {})
        return {field: value for field, (value, expires) in entries.items() if expires is None or expires > self.now}

    def _clear(self, state: str, keys: Any) -> None:
        for key in _columns.read(keys):
            self._entries.get(state, {}).pop(key or b"", None)
