"""Reads JSON values into annotated types: configurations, stored state, and values of records.

A reader is made once for each type, and then goes through values without looking at the type again.
"""

import dataclasses
import sys
import typing
from enum import Enum
from functools import lru_cache
from typing import Any, Callable, Dict, List, Literal, Tuple, Union

if sys.version_info >= (3, 10):
    import types

    _UNIONS: Tuple[Any, ...] = (Union, types.UnionType)
else:
    _UNIONS = (Union,)

Reader = Callable[[Any], Any]

_NAMES = {str: "a text", int: "an integer", float: "a number", bool: "true or false", dict: "an object", list: "a list"}


class Mismatch(ValueError):
    """A value is not of the type that it should be of. Says where, which, and why."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.message, self.path = message, path

    def within(self, name: object) -> "Mismatch":
        """The same, seen from around it."""
        return Mismatch(self.message, f"/{name}{self.path}")


def split_optional(kind: Any) -> Tuple[Any, bool]:
    """A type without its `None`, and whether it had one."""
    if typing.get_origin(kind) in _UNIONS:
        others = [part for part in typing.get_args(kind) if part is not type(None)]
        if len(others) < len(typing.get_args(kind)):
            return (others[0] if len(others) == 1 else Union[tuple(others)]), True  # type: ignore[return-value]
    return kind, False


def hints_of(kind: Any) -> Dict[str, Any]:
    """The annotations of a class or a function, resolved."""
    try:
        return typing.get_type_hints(kind)
    except NameError as error:
        raise TypeError(f"an annotation of `{kind.__qualname__}` names what is not there: {error}") from None


def convert(value: Any, kind: Any, closed: bool = False) -> Any:
    """Reads a JSON value as a type; `closed` refuses fields that are not known. Raises `Mismatch`."""
    return reader(kind, closed)(value)


def reader(kind: Any, closed: bool = False) -> Reader:
    """What reads values of a type. Raises `TypeError` where it is no type of JSON."""
    return _reader(kind, closed)  # type: ignore[no-any-return]


@lru_cache(maxsize=None)
def _reader(kind: Any, closed: bool) -> Any:
    inner, optional = split_optional(kind)
    if kind in (None, type(None)):
        return _exactly(type(None), "null")
    read = _plain(inner, closed)
    return (lambda value: None if value is None else read(value)) if optional else read


def _plain(kind: Any, closed: bool) -> Reader:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    container = origin or kind
    if kind is Any or kind is object:
        return lambda value: value
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, closed)
    if origin is Literal:
        return _one_of(arguments, lambda value: value)
    if origin in _UNIONS:
        return _union(kind, [_reader(part, closed) for part in arguments])
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _one_of([member.value for member in kind], kind)
    if kind in (str, int, bool):
        return _exactly(kind, _NAMES[kind])
    if kind is float:
        return _number
    if container is list:
        return _list(arguments[0] if arguments else Any, closed)
    if container is tuple:
        return _tuple(arguments, closed)
    if container is dict:
        return _dict(_reader(arguments[1], closed) if arguments else None)
    raise TypeError(f"{kind!r} cannot be read from JSON: use texts, numbers, lists, dicts, dataclasses")


def _wanted(name: str, value: Any) -> Mismatch:
    found = _NAMES.get(type(value), "null") + (f" ({value!r})" if isinstance(value, (str, int, float)) else "")
    return Mismatch(f"{name} is wanted, not {found}")


def _exactly(kind: type, name: str) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is kind:
            return value
        raise _wanted(name, value)

    return read


def _number(value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) is int:
        return float(value)
    raise _wanted(_NAMES[float], value)


def _one_of(known: Any, made: Callable[[Any], Any]) -> Reader:
    def read(value: Any) -> Any:
        if any(value == one and type(value) is type(one) for one in known):
            return made(value)
        raise Mismatch(f"one of {', '.join(map(repr, known))} is wanted, not {value!r}")

    return read


def _union(kind: Any, readers: List[Reader]) -> Reader:
    def read(value: Any) -> Any:
        for own in readers:
            try:
                return own(value)
            except Mismatch:
                continue
        raise _wanted(str(kind), value)

    return read


def _list(element: Any, closed: bool) -> Reader:
    if element is Any:
        return _exactly(list, _NAMES[list])
    read_one = _reader(element, closed)
    exact = element if element in (str, int, bool) else None

    def read(value: Any) -> Any:
        if type(value) is not list:
            raise _wanted(_NAMES[list], value)
        if exact is not None and set(map(type, value)) <= {exact}:
            return value
        try:
            return [read_one(item) for item in value]
        except Mismatch:
            return [_at(read_one, item, at) for at, item in enumerate(value)]

    return read


def _tuple(arguments: Tuple[Any, ...], closed: bool) -> Reader:
    if not arguments or arguments[-1] is Ellipsis:
        whole = _list(arguments[0] if arguments else Any, closed)
        return lambda value: tuple(whole(value))
    readers = [_reader(part, closed) for part in arguments]

    def read(value: Any) -> Any:
        if type(value) is not list or len(value) != len(readers):
            raise Mismatch(f"a list of {len(readers)} elements is wanted")
        return tuple(_at(own, item, at) for at, (own, item) in enumerate(zip(readers, value)))

    return read


def _dict(read_one: Any) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise _wanted(_NAMES[dict], value)
        return value if read_one is None else {key: _at(read_one, item, key) for key, item in value.items()}

    return read


def _at(read: Reader, value: Any, name: object) -> Any:
    try:
        return read(value)
    except Mismatch as mismatch:
        raise mismatch.within(name) from None


def _dataclass(kind: Any, closed: bool) -> Reader:
    hints = hints_of(kind)
    fields = [field for field in dataclasses.fields(kind) if field.init]
    readers = {field.name: _reader(hints[field.name], closed) for field in fields}
    required = {field.name for field in fields if _is_required(field, hints)}
    nullable = {field.name: None for field in fields if field.name not in required and not _has_default(field)}

    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise _wanted(_NAMES[dict], value)
        given: Dict[str, Any] = dict(nullable)
        for name, item in value.items():
            own = readers.get(name)
            if own is not None:
                try:
                    given[name] = own(item)
                except Mismatch as mismatch:
                    raise mismatch.within(name) from None
            elif closed:
                known = ", ".join(f"`{known}`" for known in readers) or "none"
                raise Mismatch(f"unknown field `{name}`, expected one of {known}")
        for name in required:
            if name not in given:
                raise Mismatch(f"missing field `{next(own for own in readers if own in required and own not in given)}`")
        return kind(**given)

    return read


def _has_default(field: Any) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _is_required(field: Any, hints: Dict[str, Any]) -> bool:
    return not _has_default(field) and not split_optional(hints[field.name])[1]


def schema(kind: Any) -> Dict[str, Any]:
    """The JSON Schema of a type that `convert` reads."""
    inner, optional = split_optional(kind)
    found = _schema(inner)
    return {"anyOf": [found, {"type": "null"}]} if optional else found


def _schema(kind: Any) -> Dict[str, Any]:
    names = {str: "string", int: "integer", float: "number", bool: "boolean", list: "array", dict: "object"}
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        hints = hints_of(kind)
        fields = [field for field in dataclasses.fields(kind) if field.init]
        required = [field.name for field in fields if _is_required(field, hints)]
        properties = {field.name: schema(hints[field.name]) for field in fields}
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    if origin is Literal:
        return {"enum": list(arguments)}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [member.value for member in kind]}
    if origin in _UNIONS:
        return {"anyOf": [schema(part) for part in arguments]}
    if (origin or kind) is list and arguments:
        return {"type": "array", "items": schema(arguments[0])}
    if (origin or kind) is dict and arguments:
        return {"type": "object", "additionalProperties": schema(arguments[1])}
    name = names.get(origin or kind)
    return {"type": name} if name else {}
