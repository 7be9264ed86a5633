"""JSON as it is read from records and written into them: compact, UTF-8, no NaN."""

import dataclasses
import json
from enum import Enum
from json import encoder
from typing import Any, Callable, Dict, List, Tuple

from ._failure import Failure


_field_names: Dict[type, List[str]] = {}


def plain(value: Any) -> Any:
    """What JSON is written of a value that JSON knows nothing of."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        nested = getattr(value, "_to_json", None)
        if nested is not None:
            return nested()
        names = _field_names.get(type(value))
        if names is None:
            names = _field_names[type(value)] = [field.name for field in dataclasses.fields(value)]
        return {name: getattr(value, name) for name in names}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError("bytes have no form in JSON: decode them first")
    if isinstance(value, (set, frozenset)):
        raise TypeError("a set has no order, and would not give the same bytes again: sort it into a list")
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _encoder() -> Callable[[Any], str]:
    make = getattr(encoder, "c_make_encoder", None)
    if make is None:
        return json.JSONEncoder(
            separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False, default=plain
        ).encode
    # What `JSONEncoder.encode` makes anew for each value.
    encode = make(None, plain, encoder.encode_basestring, None, ":", ",", False, False, False)

    def text(value: Any) -> str:
        parts = encode(value, 0)
        return parts[0] if len(parts) == 1 else "".join(parts)

    return text


#: The JSON text of a value.
dumps: Callable[[Any], str] = _encoder()


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_no_constant)
#: Reads the value that begins at an index of a text: the value, and where it ends.
scan_once: Callable[[str, int], Tuple[Any, int]] = _decoder.scan_once  # type: ignore[attr-defined]


def loads(text: str) -> Any:
    """Reads a JSON text as a record's value; a failure says where it is none."""
    try:
        return _decoder.decode(text)
    except ValueError as error:
        raise Failure(f"the value is not JSON: {error}") from None
    except RecursionError:
        raise Failure("the value is not JSON that could be read: it is nested too deeply") from None


def put(into: Dict[str, Any], path: Tuple[str, ...], value: Any) -> None:
    """Puts a value where a path leads, making the objects on the way."""
    for name in path[:-1]:
        into = into.setdefault(name, {})
    into[path[-1]] = value
