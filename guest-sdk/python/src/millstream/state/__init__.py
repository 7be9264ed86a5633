"""Keyed state: what an operator remembers of each key.

Each access concerns the key of the record in hand. What a record changed is undone when it fails, and everything that
a batch changed goes to the host when the batch is done.
"""

from .codec import F32, F64, I8, I16, I32, I64, JSON, U8, U16, U32, U64, Codec
from .list import List
from .map import Map
from .value import Value

__all__ = ["Codec", "F32", "F64", "I16", "I32", "I64", "I8", "JSON", "List", "Map", "U16", "U32", "U64", "U8", "Value"]
