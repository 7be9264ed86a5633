"""Parts of window steps, and watermark generators, for what the built-in ones do not do.

Each is a program of its own, with a configuration and a harness in `millstream.testing`, as an `Operator` has. A part
keeps nothing in variables that matters: one instance serves many keys and partitions, and may be replaced by a fresh
one at any time.
"""

from ._assigner import WindowAssigner, Windows
from ._aggregator import Aggregator
from ._function import FiredPane, WindowFunction
from ._pane import Pane, Window
from ._trigger import Trigger, TriggerPane, Verdict
from ._watermark import Partition, WatermarkGenerator

__all__ = [
    "Aggregator", "FiredPane", "Pane", "Partition", "Trigger", "TriggerPane", "Verdict", "WatermarkGenerator", "Window",
    "WindowAssigner", "WindowFunction", "Windows",
]
