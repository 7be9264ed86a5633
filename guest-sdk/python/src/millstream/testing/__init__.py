"""Tests of programs without WebAssembly and without a host.

A `Harness` does what the host does around an operator: it groups records by key, reads the fields that are declared,
passes prefetched state, stores what is changed, and hands back what was emitted. Time and randomness are what the test
sets. Parts of window steps have harnesses of their own, such as `AggregatorHarness`.
"""

from ._harness import Harness
from ._parts import AggregatorHarness, AssignerHarness, TriggerHarness, WatermarkHarness, WindowFunctionHarness
from ._records import Emitted, Failed, Input, Outcome

__all__ = [
    "AggregatorHarness", "AssignerHarness", "Emitted", "Failed", "Harness", "Input", "Outcome", "TriggerHarness",
    "WatermarkHarness", "WindowFunctionHarness",
]
