"""The types of the contract as they cross to the host: `wit/types.wit` and `wit/operator.wit`.

What comes from the host has the same attributes, whatever its class. `list<u8>` is `bytes`, and nothing else.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, List, Optional

#: The group of a record without a key.
NO_GROUP = 0xFFFF_FFFF
#: The watermark that is not known, and the time that deletes a timer.
NO_TIME = -(2**63)
#: The time that is never.
NEVER = 2**63 - 1


class ColumnType(Enum):
    BYTES = 0
    UTF8 = 1
    BOOLEAN = 2
    INT64 = 3
    FLOAT64 = 4


class StateKind(Enum):
    VALUE = 0
    MAP = 1
    LIST = 2


class TimeDomain(Enum):
    EVENT = 0
    PROCESSING = 1


@dataclass
class BytesColumn:
    offsets: bytes = b"\0\0\0\0"
    data: bytes = b""
    validity: bytes = b""


#: A column that is not there: `values` of a batch whose fields are typed columns.
ABSENT = BytesColumn(b"", b"", b"")


@dataclass
class HeaderColumn:
    offsets: bytes = b""
    names: Any = field(default_factory=BytesColumn)
    values: Any = field(default_factory=BytesColumn)


@dataclass
class TypedColumn:
    name: str
    kind: ColumnType
    offsets: bytes
    data: bytes
    validity: bytes


@dataclass
class RecordBatch:
    count: int
    keys: Any
    values: Any
    headers: Any
    timestamps: bytes
    columns: List[Any]


@dataclass
class StateDeclaration:
    name: str
    kind: StateKind
    schema_version: int
    ttl_ms: Optional[int]
    prefetch: bool


@dataclass
class FieldDeclaration:
    path: str
    kind: ColumnType
    optional: bool


@dataclass
class Description:
    outputs: List[str]
    states: List[StateDeclaration]
    reads: List[FieldDeclaration]
    writes: List[FieldDeclaration]
    raw_values: bool
    timers: bool
    config_schema: Optional[str]


@dataclass
class BatchInput:
    batch: Any
    groups: bytes
    group_keys: Any
    states: List[Any]
    watermark: int


@dataclass
class OutputBatch:
    output: int
    sources: bytes
    batch: RecordBatch


@dataclass
class StateChange:
    state: int
    groups: bytes
    values: BytesColumn


@dataclass
class FailureColumn:
    records: bytes
    reasons: BytesColumn


@dataclass
class TimerChanges:
    domain: TimeDomain
    keys: BytesColumn
    names: BytesColumn
    times: bytes


@dataclass
class BatchOutput:
    outputs: List[OutputBatch]
    changes: List[StateChange]
    failures: FailureColumn
    timers: List[TimerChanges]


@dataclass
class FiredTimers:
    domain: Any
    keys: Any
    names: Any
    times: bytes
    groups: bytes
    group_keys: Any
    states: List[Any]
    watermark: int


@dataclass
class MapPage:
    fields: Any
    values: Any
    more: bool
