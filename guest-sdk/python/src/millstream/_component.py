"""What a component exports: one program, loaded from its source or built in.

Each class answers for an interface of the contract; componentize-py finds them by name. A reason that is raised as
`Err` is the host's to report; anything else that is raised ends the instance.
"""

import gc
import linecache
import logging
import os
import sys
import types
from typing import Any, Callable, List, Optional

from . import _load, _seeded, log
from ._failure import ProgramError, reason
from ._part import Part

try:
    from componentize_py_types import Err
except ImportError:
    class Err(Exception):  # type: ignore[no-redef]
        """As componentize-py has it."""

        def __init__(self, value: Any) -> None:
            super().__init__(value)
            self.value = value

# Before a program imports any of its functions.
_seeded.install()

_program: Optional[Part[Any]] = None

# Garbage of cycles is collected between batches, and the standard library is not looked through for it.
_GARBAGE = 100_000


def install(program: Part[Any]) -> None:
    """From now on the component is this program."""
    global _program
    _program = program
    logging.getLogger().handlers[:] = [log.Handler()]
    logging.getLogger().setLevel(logging.DEBUG)
    gc.collect()
    gc.freeze()
    gc.disable()


def _part(world: str) -> Any:
    if _program is None:
        raise RuntimeError("no program has been loaded")
    if _program.world != world:
        raise RuntimeError(f"the program is of the world `{_program.world}`, not `{world}`")
    return _program


def _call(call: Callable[..., Any], *arguments: Any) -> Any:
    """Answers a call of the host; what concerns the whole batch goes back as its reason."""
    log.forget_levels()
    try:
        return call(*arguments)
    except MemoryError:
        # What is left would do for nothing more: the host starts a fresh instance.
        raise
    except Exception as error:
        raise Err(reason(error)) from None


def _batch(call: Callable[..., Any], *arguments: Any) -> Any:
    _seeded.begin()
    made = _call(call, *arguments)
    if gc.get_count()[0] > _GARBAGE:
        gc.collect()
    return made


class Loader:
    """`millstream:script/loader`."""

    def load(self, files: List[Any], main: str) -> str:
        try:
            program = _load.load({file.path: file.content for file in files}, main)
        except ProgramError as error:
            raise Err(str(error)) from None
        install(program)
        return program.world


class Processor:
    """`millstream:operator/processor`."""

    def describe(self) -> Any:
        return _part("operator")._describe()

    def configure(self, config: str) -> None:
        _call(_part("operator")._configure, config)

    def process(self, input: Any) -> Any:
        return _batch(_part("operator")._process, input)

    def on_timer(self, timers: Any) -> Any:
        return _batch(_part("operator")._on_timer, timers)


class Aggregation:
    """`millstream:window/aggregation`."""

    def describe(self) -> Any:
        return _part("aggregator")._describe()

    def configure(self, config: str) -> None:
        _call(_part("aggregator")._configure, config)

    def add(self, records: Any, accumulators: Any) -> Any:
        return _call(_part("aggregator")._add, records, accumulators)

    def merge(self, accumulators: Any, groups: bytes, count: int) -> Any:
        return _call(_part("aggregator")._merge, accumulators, groups, count)

    def retract(self, records: Any, accumulators: Any) -> Any:
        return _call(_part("aggregator")._retract, records, accumulators)

    def results(self, accumulators: Any, panes: Any) -> Any:
        return _call(_part("aggregator")._results, accumulators, panes)


class Assignment:
    """`millstream:window/assignment`."""

    def describe(self) -> Any:
        return _part("window-assigner")._describe()

    def configure(self, config: str) -> None:
        _call(_part("window-assigner")._configure, config)

    def assign(self, records: Any, now: int) -> Any:
        return _call(_part("window-assigner")._assign, records, now)


class Firing:
    """`millstream:window/firing`."""

    def describe(self) -> Any:
        return _part("trigger")._describe()

    def configure(self, config: str) -> None:
        _call(_part("trigger")._configure, config)

    def on_elements(self, panes: Any, elements: Any) -> Any:
        return _call(_part("trigger")._on_elements, panes, elements)

    def on_time(self, panes: Any, domain: Any, times: bytes) -> Any:
        return _call(_part("trigger")._on_time, panes, domain, times)

    def on_merge(self, panes: Any, groups: bytes, merged: Any) -> Any:
        return _call(_part("trigger")._on_merge, panes, groups, merged)


class WindowFunction:
    """`millstream:window/window-function`."""

    def describe(self) -> Any:
        return _part("process-window")._describe()

    def configure(self, config: str) -> None:
        _call(_part("process-window")._configure, config)

    def begin(self, pane: Any) -> None:
        _call(_part("process-window")._begin, pane)

    def elements(self, page: Any) -> Any:
        return _call(_part("process-window")._elements, page)

    def end(self) -> Any:
        return _call(_part("process-window")._end)


class Watermarks:
    """`millstream:window/watermarks`."""

    def describe(self) -> Any:
        return _part("watermark-generator")._describe()

    def configure(self, config: str) -> None:
        _call(_part("watermark-generator")._configure, config)

    def on_records(self, state: bytes, records: Any, now: int) -> Any:
        return _call(_part("watermark-generator")._on_records, state, records, now)

    def on_time(self, state: bytes, now: int) -> Any:
        return _call(_part("watermark-generator")._on_time, state, now)


def built_in(main: str, name: str, world: str) -> None:
    """Takes the program of a file that is built into the component, for a world."""
    name = "__program__" if name in sys.modules else name
    module = types.ModuleType(name)
    sys.modules[name] = module
    path = next(path for path in (f"{place}/{main}" for place in sys.path) if os.path.exists(path))
    with open(path, "rb") as file:
        program = _load.made(module, main, file.read())
    if program.world != world:
        raise ProgramError(
            f"`{main}` is of the world `{program.world}`, and the component is of `{world}`: "
            f'say `world = "{program.world}"` in [tool.millstream] of pyproject.toml'
        )
    # What the program was loaded from is shown by tracebacks, and is not there to be read again.
    for other in list(sys.modules.values()):
        path = getattr(other, "__file__", None) or ""
        if not path.startswith("/python/"):
            linecache.getlines(path)
    install(program)


__all__ = [
    "Aggregation", "Assignment", "Firing", "Loader", "Processor", "Watermarks", "WindowFunction", "built_in",
]
