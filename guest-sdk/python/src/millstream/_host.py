"""The host, as the SDK calls it: the imports of the component, or, natively, a simulated one.

Each function is looked up when it is called, since tests exchange the simulated host.
"""

from typing import Any

#: The host of a test; `None`: the imports of the component.
simulated: Any = None

try:
    from wit_world.imports import log as _log
except ImportError:
    _log = None  # type: ignore[assignment]
try:
    from wit_world.imports import clock as _clock
    from wit_world.imports import metrics as _metrics
    from wit_world.imports import state as _state
except ImportError:
    _clock = _metrics = _state = None  # type: ignore[assignment]

#: In a component, whichever world it is of.
is_component = _log is not None


class NoHost(RuntimeError):
    """There is no host to ask."""

    def __init__(self) -> None:
        super().__init__("there is no host here: run the program in a `millstream.testing` harness")


def _answer(interface: Any, name: str) -> Any:
    target = simulated if simulated is not None else interface
    if target is None:
        raise NoHost
    return getattr(target, name)


def _call(interface: Any, name: str) -> Any:
    # In a component there is nothing to exchange.
    if interface is not None and hasattr(interface, name):
        return getattr(interface, name)
    return lambda *arguments: _answer(interface, name)(*arguments)


now_ms = _call(_clock, "now_ms")
random_u64 = _call(_clock, "random_u64")
counter_add = _call(_metrics, "counter_add")
gauge_set = _call(_metrics, "gauge_set")
histogram_record = _call(_metrics, "histogram_record")
get_many = _call(_state, "get_many")
put_many = _call(_state, "put_many")
map_get_many = _call(_state, "map_get_many")
map_put_many = _call(_state, "map_put_many")
map_scan = _call(_state, "map_scan")
map_clear_many = _call(_state, "map_clear_many")
list_append_many = _call(_state, "list_append_many")
list_read = _call(_state, "list_read")
list_length = _call(_state, "list_length")
list_clear_many = _call(_state, "list_clear_many")


def log_enabled(level: int) -> bool:
    if _log is not None:
        return _log.enabled(_log.Level(level))  # type: ignore[no-any-return]
    return simulated is not None and simulated.log_enabled(level)


def log_write(level: int, message: str) -> None:
    if _log is not None:
        _log.write(_log.Level(level), message)
    elif simulated is not None:
        simulated.log_write(level, message)
