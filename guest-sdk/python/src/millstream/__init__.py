"""Write operators of Millstream pipelines in Python.

A program makes one `Operator`, or one part of a window step such as an `Aggregator`, and says by decorators what it
does with single records, or with whole columns of them::

    import millstream as ms

    class Payment(ms.Record):
        user_id: str
        amount: float

    app = ms.Operator(outputs=["main", "large"])
    spend = app.value("spend", float, ttl="7d")

    @app.process
    def total(payment: Payment, ctx: ms.Context):
        spend.set(spend.get(0.0) + payment.amount)
        ctx.emit({"user": payment.user_id, "spend": spend.get()})

The guide is `docs/languages/python.md`.
"""

from . import log
from ._batch import Batch, Column
from ._context import SAME, TOMBSTONE, Context, Timer
from ._contract import NO_GROUP
from ._failure import BatchError, Failure, ProgramError
from ._fields import Record, field
from ._message import Message
from ._operator import Operator
from .state import F32, F64, I8, I16, I32, I64, JSON, U8, U16, U32, U64, Codec, List, Map, Value
from .window import (
    Aggregator, FiredPane, Pane, Partition, Trigger, TriggerPane, Verdict, WatermarkGenerator, Window, WindowAssigner,
    WindowFunction, Windows,
)

__version__ = "0.1.0"

__all__ = [
    "Aggregator", "Batch", "BatchError", "Codec", "Column", "Context", "F32", "F64", "Failure", "FiredPane", "I16", "I32",
    "I64", "I8", "JSON", "List", "Map", "Message", "NO_GROUP", "Operator", "Pane", "Partition", "ProgramError", "Record",
    "SAME", "TOMBSTONE", "Timer", "Trigger", "TriggerPane", "U16", "U32", "U64", "U8", "Value", "Verdict",
    "WatermarkGenerator", "Window", "WindowAssigner", "WindowFunction", "Windows", "field", "log",
]
