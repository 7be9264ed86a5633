"""Reads the declared fields of records as the host does."""

import json
from typing import Any, Dict, List, Optional, Sequence, Tuple

from .._contract import ColumnType, TypedColumn
from .._fields import Spec
from .._typed import typed_column

_IN_JSON = {
    ColumnType.UTF8: "a string", ColumnType.BOOLEAN: "true or false", ColumnType.INT64: "an integer of 64 bits",
    ColumnType.FLOAT64: "a number", ColumnType.BYTES: "JSON",
}
_MISSING: Any = object()


def read_fields(values: Sequence[Optional[bytes]], specs: Sequence[Spec]) -> Tuple[List[TypedColumn], Dict[int, str]]:
    """The columns of the records that have their fields, and why the others fail."""
    rows: List[List[Any]] = []
    failed: Dict[int, str] = {}
    for index, value in enumerate(values):
        try:
            rows.append(_row(value, specs))
        except ValueError as error:
            failed[index] = str(error)
    return [typed_column(spec, [row[at] for row in rows]) for at, spec in enumerate(specs)], failed


def _row(value: Optional[bytes], specs: Sequence[Spec]) -> List[Any]:
    record: Any = None
    if value is not None:
        try:
            record = json.loads(value)
        except ValueError as error:
            raise ValueError(f"the value is not JSON: {error}") from None
    return [_field(value, record, spec) for spec in specs]


def _field(value: Optional[bytes], record: Any, spec: Spec) -> Any:
    found = record if value is not None else _MISSING
    for step in spec.steps:
        found = found.get(step, _MISSING) if isinstance(found, dict) else _MISSING
    if found is _MISSING or found is None:
        if spec.optional:
            return None
        if value is None:
            raise ValueError(f"{spec.path} is missing: the record is a tombstone and has no value")
        raise ValueError(f"{spec.path} is {'missing' if found is _MISSING else 'null'}")
    kind = spec.kind
    if kind is ColumnType.BYTES:
        return json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()
    if kind is ColumnType.UTF8 and isinstance(found, str) or kind is ColumnType.BOOLEAN and isinstance(found, bool):
        return found
    if kind is ColumnType.INT64 and type(found) is int and -(2**63) <= found < 2**63:
        return found
    if kind is ColumnType.FLOAT64 and type(found) in (int, float):
        return float(found)
    raise ValueError(f"{spec.path}: `{json.dumps(found)}` where {_IN_JSON[kind]} is declared")
