"""Reads JSON values into annotated types: configurations, stored state, and values of records."""

import dataclasses
import sys
import typing
from enum import Enum
from typing import Any, Dict, List, Literal, Optional, Tuple, Union

if sys.version_info >= (3, 10):
    import types

    _UNIONS: Tuple[Any, ...] = (Union, types.UnionType)
else:
    _UNIONS = (Union,)

_NAMES = {str: "a text", int: "an integer", float: "a number", bool: "true or false", dict: "an object", list: "a list"}


class Mismatch(ValueError):
    """A value is not of the type that it should be of. Says which, where and why."""


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


def convert(value: Any, kind: Any, where: str = "", closed: bool = False) -> Any:
    """Reads a JSON value as a type; `where` is its path for messages, `closed` refuses fields that are not known."""
    if kind is Any or kind is object:
        return value
    inner, optional = split_optional(kind)
    if value is None and (optional or kind is None or kind is type(None)):
        return None
    origin = typing.get_origin(inner)
    if dataclasses.is_dataclass(inner):
        return _dataclass(value, inner, where, closed)
    if origin is Literal:
        if value in typing.get_args(inner):
            return value
        raise Mismatch(_at(where, f"one of {', '.join(map(repr, typing.get_args(inner)))} is wanted, not {value!r}"))
    if origin in _UNIONS:
        for part in typing.get_args(inner):
            try:
                return convert(value, part, where, closed)
            except Mismatch:
                continue
        raise Mismatch(_at(where, f"{inner} is wanted, not {_found(value)}"))
    if isinstance(inner, type) and issubclass(inner, Enum):
        try:
            return inner(value)
        except ValueError:
            known = ", ".join(repr(member.value) for member in inner)
            raise Mismatch(_at(where, f"one of {known} is wanted, not {value!r}")) from None
    if inner is float and type(value) in (int, float):
        return float(value)
    if inner in (str, int, bool) and type(value) is inner:
        return value
    if (origin or inner) in (list, tuple, typing.List) and isinstance(value, list):
        return _sequence(value, inner, origin or inner, where, closed)
    if (origin or inner) is dict and isinstance(value, dict):
        arguments = typing.get_args(inner)
        if not arguments:
            return value
        return {key: convert(item, arguments[1], f"{where}/{key}", closed) for key, item in value.items()}
    name = _NAMES.get(origin or inner)
    if name is None:
        raise TypeError(f"{inner!r} cannot be read from JSON: use texts, numbers, lists, dicts, dataclasses")
    raise Mismatch(_at(where, f"{name} is wanted, not {_found(value)}"))


def _sequence(value: List[Any], kind: Any, container: Any, where: str, closed: bool) -> Any:
    arguments = typing.get_args(kind)
    if container is tuple and arguments and arguments[-1] is not Ellipsis:
        if len(arguments) != len(value):
            raise Mismatch(_at(where, f"{len(arguments)} elements are wanted, not {len(value)}"))
        pairs = enumerate(zip(value, arguments))
        return tuple(convert(item, part, f"{where}/{at}", closed) for at, (item, part) in pairs)
    element = arguments[0] if arguments else Any
    items = [convert(item, element, f"{where}/{at}", closed) for at, item in enumerate(value)]
    return tuple(items) if container is tuple else items


def _dataclass(value: Any, kind: Any, where: str, closed: bool) -> Any:
    if not isinstance(value, dict):
        raise Mismatch(_at(where, f"an object is wanted, not {_found(value)}"))
    hints = hints_of(kind)
    given: Dict[str, Any] = {}
    names = {field.name: field for field in dataclasses.fields(kind) if field.init}
    for name, field in names.items():
        if name in value:
            given[name] = convert(value[name], hints[name], f"{where}/{name}", closed)
        elif split_optional(hints[name])[1] and field.default is dataclasses.MISSING:
            given[name] = None
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise Mismatch(_at(where, f"missing field `{name}`"))
    for name in value:
        if closed and name not in names:
            known = ", ".join(f"`{known}`" for known in names) or "there are none"
            raise Mismatch(_at(where, f"unknown field `{name}`, expected one of {known}"))
    return kind(**given)


def _found(value: Any) -> str:
    return _NAMES.get(type(value), "null") + (f" ({value!r})" if isinstance(value, (str, int, float)) else "")


def _at(where: str, message: str) -> str:
    return f"{where}: {message}" if where else message


def schema(kind: Any) -> Dict[str, Any]:
    """The JSON Schema of a type that `convert` reads."""
    inner, optional = split_optional(kind)
    found = _schema(inner)
    return {"anyOf": [found, {"type": "null"}]} if optional else found


def _schema(kind: Any) -> Dict[str, Any]:
    simple: Dict[Any, Optional[str]] = {
        str: "string", int: "integer", float: "number", bool: "boolean", list: "array", dict: "object"
    }
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        hints = hints_of(kind)
        fields = [field for field in dataclasses.fields(kind) if field.init]
        required = [
            field.name for field in fields
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            and not split_optional(hints[field.name])[1]
        ]
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
    name = simple.get(origin or kind)
    return {"type": name} if name else {}
