"""What an operator and the parts of window steps have in common: a name, a configuration, the functions given."""

import inspect
import json
import re
from dataclasses import is_dataclass
from typing import Any, Callable, Dict, Generic, List, Optional, Type, TypeVar, Union

from . import log
from ._convert import Mismatch, convert, hints_of, schema
from ._failure import Failure, ProgramError

C = TypeVar("C")
F = TypeVar("F", bound=Callable[..., Any])

_NAME = re.compile(r"[a-z][a-z0-9_-]*")


class NoConfig:
    """The configuration of a part that takes none."""


class Part(Generic[C]):
    """Something that a program can be: an operator, an aggregator, and so on. A program makes exactly one."""

    #: The world of the contract that it is of.
    world: str

    def __init__(self, *, config: Optional[Type[C]] = None, config_schema: Union[str, Dict[str, Any], None] = None) -> None:
        if config is not None and not is_dataclass(config):
            raise ProgramError(f"`config` is a dataclass, and {config!r} is none")
        self._config_type = config
        self._config: Any = None
        self._schema = config_schema
        self._functions: Dict[str, Callable[..., Any]] = {}

    @property
    def config(self) -> C:
        """What the step's `config:` says, or the window's. There before the first record, and not while the program
        is loaded."""
        if self._config is None:
            raise ProgramError("the configuration is there once the program is configured, not while it is loaded")
        return self._config  # type: ignore[no-any-return]

    def configure(self, function: F) -> F:
        """Decorates a function that is called with the configuration before the first record, for instance to refuse
        it or to prepare something. What it raises refuses the pipeline or the swap."""
        return self._take("configure", function, 1, 1)

    def _take(self, name: str, function: F, least: int, most: int) -> F:
        """Keeps a function that the program gives; it must take so many parameters."""
        if name in self._functions:
            raise ProgramError(f"there are two functions under `@{name}`: {_where(self._functions[name])} and {_where(function)}")
        if inspect.iscoroutinefunction(function):
            raise ProgramError(f"{_where(function)} is `async`: there is nothing to wait for in here; leave `async` out")
        given = parameters(function)
        if not least <= len(given) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise ProgramError(f"{_where(function)} takes {len(given)} parameters, and `@{name}` gives it {wanted}")
        self._functions[name] = function
        return function

    def _need(self, name: str) -> Callable[..., Any]:
        found = self._functions.get(name)
        if found is None:
            raise ProgramError(f"the program has no function under `@{name}`")
        return found

    def _check(self) -> None:
        """Refuses a program that is not complete. Called once it is loaded."""

    def _config_schema(self) -> Optional[str]:
        if self._schema is not None:
            return self._schema if isinstance(self._schema, str) else json.dumps(self._schema)
        if self._config_type is not None:
            return json.dumps(schema(self._config_type), separators=(",", ":"))
        return None

    def _configure(self, text: str) -> None:
        """Takes the configuration, JSON text. Raises `Failure` with the reason where it is refused."""
        log.forget_levels()
        value = {} if text.strip() in ("", "null") else json.loads(text)
        try:
            if self._config_type is None:
                if value != {}:
                    raise Mismatch(f"there is no configuration to set, and {text.strip()} was given")
                self._config = NoConfig()
            else:
                self._config = convert(value, self._config_type, closed=True)
        except Mismatch as error:
            raise Failure(f"the configuration is refused: {error}") from None
        except (ValueError, Failure) as error:
            # What `__post_init__` says.
            raise Failure(str(error)) from None
        configure = self._functions.get("configure")
        if configure is not None:
            try:
                configure(self._config)
            except (ValueError, Failure) as error:
                raise Failure(str(error)) from None


def parameters(function: Callable[..., Any]) -> List[inspect.Parameter]:
    """The positional parameters of a function."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p for p in inspect.signature(function).parameters.values() if p.kind in kinds]


def annotation(function: Callable[..., Any], index: int) -> Any:
    """The type of a positional parameter; nothing where it has none."""
    hints = hints_of(function)
    return hints.get(parameters(function)[index].name)


def check_name(what: str, name: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ProgramError(f"{what} {name!r}: a name is of `a-z`, `0-9`, `-`, `_`, and begins with a letter")
    return name


def _where(function: Callable[..., Any]) -> str:
    code = getattr(function, "__code__", None)
    at = f" ({code.co_filename}:{code.co_firstlineno})" if code else ""
    return f"`{getattr(function, '__name__', function)}`{at}"
