"""Columns in the Arrow layout, read and written as whole lists: a loop of the interpreter costs more than a copy."""

import itertools
from array import array
from itertools import accumulate, chain
from typing import Any, Iterable, List, Optional, Sequence, Union

from ._contract import BytesColumn

if hasattr(itertools, "pairwise"):
    pairwise = itertools.pairwise
else:
    def pairwise(values: Any) -> Any:  # type: ignore[no-redef]
        return zip(values, values[1:])

# The bits of each byte, the least significant first.
_BITS = [tuple(byte >> bit & 1 for bit in range(8)) for byte in range(256)]


def u32s(data: bytes) -> List[int]:
    """Unsigned 32-bit integers."""
    return memoryview(data).cast("I").tolist()


def i64s(data: bytes) -> List[int]:
    """Signed 64-bit integers."""
    return memoryview(data).cast("q").tolist()


def pack_u32s(values: Iterable[int]) -> bytes:
    return array("I", values if isinstance(values, list) else list(values)).tobytes()


def pack_i64s(values: Iterable[int]) -> bytes:
    return array("q", values if isinstance(values, list) else list(values)).tobytes()


def unpack_bits(data: bytes, count: int) -> List[int]:
    """The first `count` bits, as 0 and 1."""
    bits = list(chain.from_iterable(map(_BITS.__getitem__, data)))
    del bits[count:]
    return bits


def pack_bits(bits: Sequence[Any]) -> bytes:
    """Bits of anything that is true or false."""
    number = int("".join(["1" if bit else "0" for bit in reversed(bits)]) or "0", 2)
    return number.to_bytes((len(bits) + 7) // 8, "little")


def offsets(lengths: Iterable[int]) -> bytes:
    """Offsets of values of these lengths."""
    # An array is made faster of a list than of an iterator.
    return array("I", list(accumulate(lengths, initial=0))).tobytes()


def read(column: Any) -> List[Optional[bytes]]:
    """The values of a column of byte strings."""
    ends = u32s(column.offsets)
    data = column.data
    values: List[Optional[bytes]] = [data[start:end] for start, end in pairwise(ends)]
    if column.validity:
        bits = unpack_bits(column.validity, len(values))
        values = [value if bit else None for value, bit in zip(values, bits)]
    return values


def write(values: Sequence[Union[bytes, str, None]]) -> BytesColumn:
    """A column of byte strings, of texts as UTF-8, or of both; `None` is a null."""
    validity = b""
    if None in values:
        validity = pack_bits([value is not None for value in values])
        values = [b"" if value is None else value for value in values]
    try:
        text = "".join(values)  # type: ignore[arg-type]
    except TypeError:
        parts: Any = [value.encode() if isinstance(value, str) else value for value in values]  # type: ignore[union-attr]
        return BytesColumn(offsets(map(len, parts)), b"".join(parts), validity)
    data = text.encode()
    if len(data) == len(text):
        return BytesColumn(offsets(map(len, values)), data, validity)  # type: ignore[arg-type]
    lengths = [len(value.encode()) for value in values]  # type: ignore[union-attr]
    return BytesColumn(offsets(lengths), data, validity)


def texts(column: Any) -> List[Any]:
    """The values of a column of UTF-8 texts."""
    ends = u32s(column.offsets)
    text = column.data.decode()
    if len(text) == len(column.data):
        values: List[Any] = [text[start:end] for start, end in pairwise(ends)]
    else:
        data = column.data
        values = [data[start:end].decode() for start, end in pairwise(ends)]
    if column.validity:
        bits = unpack_bits(column.validity, len(values))
        values = [value if bit else None for value, bit in zip(values, bits)]
    return values


def row_count(column: Any) -> int:
    return max(len(column.offsets) // 4 - 1, 0)
