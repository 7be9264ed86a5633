"""The types of `wit/window` as they cross to the host."""

from dataclasses import dataclass
from typing import Any, Optional

from .._contract import FailureColumn


@dataclass
class WindowColumn:
    starts: bytes
    ends: bytes


@dataclass
class AggregatorDescription:
    schema_version: int
    retracts: bool
    config_schema: Optional[str]


@dataclass
class Added:
    accumulators: Any
    failures: FailureColumn


@dataclass
class AssignerDescription:
    merges: bool
    config_schema: Optional[str]


@dataclass
class Assigned:
    rows: bytes
    windows: WindowColumn
    failures: FailureColumn


@dataclass
class TriggerDescription:
    schema_version: int
    config_schema: Optional[str]


@dataclass
class Verdicts:
    verdicts: bytes
    states: Any
    event_times: bytes
    processing_times: bytes
    failures: FailureColumn


@dataclass
class FunctionDescription:
    config_schema: Optional[str]


@dataclass
class WatermarkDescription:
    every_ms: Optional[int]
    config_schema: Optional[str]


@dataclass
class Progress:
    state: bytes
    watermark: Optional[int]
    idle: bool
