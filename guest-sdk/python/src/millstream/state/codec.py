"""How state values are stored.

What every SDK reads and writes unless told otherwise, so that an operator can be replaced by one in another language:
`int` as 8 bytes and `float` as 8 bytes, little-endian; `bool` as one byte; `str` as UTF-8; `bytes` as they are; any
other type as JSON.
"""

import struct
from typing import Any, Callable, Optional

from .. import _json
from .._convert import reader


class Codec:
    """Turns values into bytes and back. Give one with `codec=` to store what the standard form does not."""

    #: Values of it can be changed in place, so that they are stored when they are set, not at the end of the batch.
    mutable = True
    #: The `array` type of values that are stored as numbers of 8 bytes.
    array: Optional[str] = None

    def encode(self, value: Any) -> bytes:
        """The stored form of a value. Raises `TypeError` or `ValueError` where it has none."""
        raise NotImplementedError

    def decode(self, data: bytes) -> Any:
        """Reads a stored form. Raises `ValueError` where `data` is none."""
        raise NotImplementedError

    def check(self, value: Any) -> Any:
        """The value as it will be read again. Raises `TypeError` or `ValueError` where it cannot be stored."""
        return value


class Number(Codec):
    """A number of fixed width, little-endian."""

    mutable = False

    def __init__(self, name: str, format: str) -> None:
        self.name = name
        self.kind: Callable[[Any], Any] = float if format in "fd" else int
        self.array = format if format in "qd" else None
        self._struct = struct.Struct("<" + format)

    def encode(self, value: Any) -> bytes:
        return self._struct.pack(value)

    def decode(self, data: bytes) -> Any:
        if len(data) != self._struct.size:
            raise ValueError(f"{self.name} takes {self._struct.size} bytes, not {len(data)}")
        return self._struct.unpack(data)[0]

    def check(self, value: Any) -> Any:
        if type(value) is self.kind:
            if self.kind is int:
                self._fits(value)
            return value
        if isinstance(value, (int, float)) and (self.kind is float or not isinstance(value, float)):
            return self._fits(self.kind(value))
        raise TypeError(f"{self.name} is wanted, not {type(value).__name__}")

    def _fits(self, value: Any) -> Any:
        try:
            self._struct.pack(value)
        except struct.error:
            raise ValueError(f"{value} does not fit into {self.name}") from None
        return value


class Boolean(Codec):
    mutable = False

    def encode(self, value: Any) -> bytes:
        return b"\1" if value else b"\0"

    def decode(self, data: bytes) -> Any:
        if data not in (b"\0", b"\1"):
            raise ValueError("a bool must be one byte, 0 or 1")
        return data == b"\1"

    def check(self, value: Any) -> Any:
        return _of(bool, value)


class Text(Codec):
    mutable = False

    def encode(self, value: Any) -> bytes:
        return value.encode()  # type: ignore[no-any-return]

    def decode(self, data: bytes) -> Any:
        return data.decode()

    def check(self, value: Any) -> Any:
        return _of(str, value)


class Bytes(Codec):
    mutable = False

    def encode(self, value: Any) -> bytes:
        return bytes(value)

    def decode(self, data: bytes) -> Any:
        return bytes(data)

    def check(self, value: Any) -> Any:
        return bytes(value) if isinstance(value, (bytes, bytearray, memoryview)) else _of(bytes, value)


class Json(Codec):
    """JSON, read into the annotated type."""

    def __init__(self, kind: Any = Any) -> None:
        self._read = reader(kind)

    def encode(self, value: Any) -> bytes:
        return _json.dumps(value).encode()

    def decode(self, data: bytes) -> Any:
        text = data.decode()
        value, end = _json.scan_once(text, 0)
        if end != len(text):
            raise ValueError("more than one JSON value")
        return self._read(value)


def _of(kind: type, value: Any) -> Any:
    if isinstance(value, kind):
        return value
    raise TypeError(f"{kind.__name__} is wanted, not {type(value).__name__}")


U8, I8 = Number("an unsigned integer of 8 bits", "B"), Number("an integer of 8 bits", "b")
U16, I16 = Number("an unsigned integer of 16 bits", "H"), Number("an integer of 16 bits", "h")
U32, I32 = Number("an unsigned integer of 32 bits", "I"), Number("an integer of 32 bits", "i")
U64, I64 = Number("an unsigned integer of 64 bits", "Q"), Number("an integer of 64 bits", "q")
F32, F64 = Number("a float of 32 bits", "f"), Number("a float of 64 bits", "d")
JSON = Json()

_STANDARD = {int: I64, float: F64, bool: Boolean(), str: Text(), bytes: Bytes()}


def standard(kind: Any) -> Codec:
    """The standard codec of a type."""
    return _STANDARD[kind] if isinstance(kind, type) and kind in _STANDARD else Json(kind)


class TextField:
    """Fields of maps that are texts."""

    @staticmethod
    def encode(field: Any) -> bytes:
        return _of(str, field).encode()  # type: ignore[no-any-return]

    @staticmethod
    def decode(data: bytes) -> Any:
        return data.decode()


class BytesField:
    @staticmethod
    def encode(field: Any) -> bytes:
        return bytes(_of(bytes, field))

    @staticmethod
    def decode(data: bytes) -> Any:
        return bytes(data)


class IntegerField:
    """Big-endian with the sign bit flipped, so that bytes sort as numbers do."""

    @staticmethod
    def encode(field: Any) -> bytes:
        try:
            return (_of(int, field) + 2**63).to_bytes(8, "big")  # type: ignore[no-any-return]
        except OverflowError:
            raise ValueError(f"{field} does not fit into an integer of 64 bits") from None

    @staticmethod
    def decode(data: bytes) -> Any:
        if len(data) != 8:
            raise ValueError(f"a field of {len(data)} bytes is no integer of 64 bits")
        return int.from_bytes(data, "big") - 2**63


FIELDS: Any = {str: TextField, bytes: BytesField, int: IntegerField}
