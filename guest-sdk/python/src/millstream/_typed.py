"""Typed columns: the fields that the host reads from the records and writes into them."""

from array import array
from math import isfinite
from typing import Any, List, Optional, Sequence

from . import _columns, _json
from ._contract import ColumnType, TypedColumn
from ._failure import Failure
from ._fields import Spec

_FORMATS: Any = {ColumnType.INT64: "q", ColumnType.FLOAT64: "d"}
_WANTED = {
    ColumnType.UTF8: "a text", ColumnType.BOOLEAN: "true or false", ColumnType.INT64: "an integer of 64 bits",
    ColumnType.FLOAT64: "a number", ColumnType.BYTES: "JSON",
}


def read_typed(spec: Spec, column: Any) -> List[Any]:
    """The values of a field, `None` where it is missing."""
    kind = spec.kind
    if kind is ColumnType.UTF8:
        return _columns.texts(column)
    if kind is ColumnType.BYTES:
        if spec.raw:
            return _columns.read(column)
        return [None if text is None else _json.loads(text) for text in _columns.texts(column)]
    if kind is ColumnType.BOOLEAN:
        count = len(column.validity) * 8 if column.validity else len(column.data) * 8
        values: List[Any] = [bit == 1 for bit in _columns.unpack_bits(column.data, count)]
    else:
        values = memoryview(column.data).cast(_FORMATS[kind]).tolist()
    if column.validity:
        bits = _columns.unpack_bits(column.validity, len(values))
        values = [value if bit else None for value, bit in zip(values, bits)]
    return values


def typed_column(spec: Spec, values: Sequence[Any]) -> TypedColumn:
    """A column of values that are known to be of the field's type."""
    kind = spec.kind
    offsets = validity = b""
    if kind in _FORMATS:
        if isinstance(values, list):
            if None in values:
                validity = _columns.pack_bits([value is not None for value in values])
                values = [0 if value is None else value for value in values]
            values = array(_FORMATS[kind], values)
        data = values.tobytes()  # type: ignore[attr-defined]
    elif kind is ColumnType.BOOLEAN:
        if None in values:
            validity = _columns.pack_bits([value is not None for value in values])
        data = _columns.pack_bits(values)
    else:
        column = _columns.write(values)
        offsets, data, validity = column.offsets, column.data, column.validity
    return TypedColumn(spec.path, kind, offsets, data, validity)


def refuse(spec: Spec, value: Any) -> Any:
    """What is written for a value that is not simply of the field's type, or a failure."""
    kind = spec.kind
    if value is None:
        if spec.optional:
            return None
        raise Failure(f"`{spec.name}` is None, and the field `{spec.path}` is not optional")
    if kind is ColumnType.BYTES:
        if spec.raw:
            if isinstance(value, (bytes, bytearray, memoryview)):
                return bytes(value)
        else:
            return _json.dumps(value).encode()
    elif kind is ColumnType.FLOAT64 and isinstance(value, (int, float)):
        if isfinite(value):
            return float(value)
    elif kind is ColumnType.INT64 and isinstance(value, int) and -(2**63) <= value < 2**63:
        return int(value)
    elif kind is ColumnType.UTF8 and isinstance(value, str):
        return str(value)
    raise Failure(f"`{spec.name}` is {value!r}, and the field `{spec.path}` takes {_WANTED[kind]}")


def column_of(spec: Spec, values: Any) -> TypedColumn:
    """A column of whatever a program gives: a column that it has read, an array, or a list, which is checked."""
    raw: Optional[Any] = getattr(values, "raw", None)
    if raw is not None:
        if raw.kind.value == spec.kind.value and (spec.optional or not raw.validity):
            return TypedColumn(spec.path, spec.kind, raw.offsets, raw.data, raw.validity)
        values = values.tolist()
    format = _FORMATS.get(spec.kind)
    if isinstance(values, (array, memoryview)):
        found = values.typecode if isinstance(values, array) else values.format
        if found == format:
            return TypedColumn(spec.path, spec.kind, b"", values.tobytes(), b"")
    return typed_column(spec, [_checked(spec, value) for value in values])


_EXACT = {ColumnType.UTF8: str, ColumnType.BOOLEAN: bool, ColumnType.FLOAT64: float}


def _checked(spec: Spec, value: Any) -> Any:
    return value if type(value) is _EXACT.get(spec.kind) else refuse(spec, value)
