"""Windows, panes, and the records that come into them."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Union

from .. import _columns, _json
from .._contract import NEVER, NO_TIME, FailureColumn
from .._failure import BatchError, Failure, ProgramError, reason
from .._message import Message
from .._part import annotation
from ..state.codec import Codec, standard
from ._contract import WindowColumn


class Window(NamedTuple):
    """A window of time, the end not included, in milliseconds since 1970-01-01T00:00:00Z."""

    start_ms: int
    end_ms: int

    @property
    def last_ms(self) -> int:
        """Its last moment."""
        return self.end_ms if self.end_ms == NEVER else self.end_ms - 1

    @property
    def starts(self) -> bool:
        """It has a start: the window of everything has none."""
        return self.start_ms != NO_TIME

    @property
    def ends(self) -> bool:
        """It has an end."""
        return self.end_ms != NEVER


class Pane:
    """A window of a key."""

    __slots__ = ("key", "window")

    def __init__(self, key: bytes, window: Window) -> None:
        self.key = key
        self.window = window

    @property
    def key_text(self) -> str:
        """The key as text. Fails where it is not UTF-8."""
        try:
            return self.key.decode()
        except UnicodeDecodeError as error:
            raise Failure(f"the key is not UTF-8: {error}") from None


class Record(Message):
    """A record of a part, with the host's clock as the call says it."""

    __slots__ = ()

    def at(self, batch: Any, now_ms: int = 0, watermark: int = NO_TIME) -> "Record":
        """Looks at a batch."""
        self._look_at(batch, watermark)
        self._now = now_ms
        return self


def windows(column: Any) -> List[Window]:
    """Reads windows."""
    return [Window(*pair) for pair in zip(_columns.i64s(column.starts), _columns.i64s(column.ends))]


def window_column(of: List[Window]) -> WindowColumn:
    return WindowColumn(_columns.pack_i64s(w.start_ms for w in of), _columns.pack_i64s(w.end_ms for w in of))


def failure_column(failures: Dict[int, str]) -> FailureColumn:
    rows = sorted(failures)
    return FailureColumn(_columns.pack_u32s(rows), _columns.write([failures[row] for row in rows]))


def failed(failures: Dict[int, str], row: int, error: Exception) -> None:
    """Takes note of a record's failure. What concerns more than the record is raised again."""
    if isinstance(error, (MemoryError, BatchError)):
        raise error
    failures.setdefault(row, reason(error))


def argument(function: Callable[..., Any], index: int) -> Callable[[Message], Any]:
    """What a function is given for a record, by the type of its parameter."""
    kind = annotation(function, index)
    if kind is None or (isinstance(kind, type) and issubclass(kind, Message)):
        return lambda message: message
    if kind is str:
        return lambda message: message.text
    if kind is bytes:
        return lambda message: message.bytes
    return lambda message: message.json(kind)


def value(emitted: Any) -> Union[str, bytes, None]:
    """The value of a record that is emitted: JSON, or text and bytes as they are; `None` is a tombstone."""
    if emitted is None or isinstance(emitted, (str, bytes)):
        return emitted
    if isinstance(emitted, (bytearray, memoryview)):
        return bytes(emitted)
    return _json.dumps(emitted)


def codec_of(kind: Any, codec: Optional[Codec]) -> Codec:
    if kind is None and codec is None:
        raise ProgramError("say of which type it is")
    return codec or standard(kind)
