"""What a program sees of the record in hand."""

from typing import Any, List, Optional, Tuple, Type, TypeVar, overload

from . import _columns, _host, _json
from ._contract import NO_TIME
from ._convert import Mismatch, convert
from ._failure import Failure
from ._json import scan_once

T = TypeVar("T")
HeaderValue = Optional[bytes]
Header = Tuple[str, HeaderValue]

TOMBSTONE_REASON = "this record has no value: it is a tombstone"


class Message:
    """The record in hand, as it came: key, value, event time, headers.

    There is one for the whole batch, which goes from record to record: take out of it what is to be kept.
    """

    __slots__ = (
        "row", "group", "_batch", "_keys", "_values", "_times", "_headers", "_text", "_starts", "_watermark", "_now",
    )

    def _look_at(self, batch: Any, watermark: int) -> None:
        self.row = 0
        self._batch = batch
        self._keys: Any = None
        self._values: Any = None
        self._times: Any = None
        self._headers: Any = None
        self._text: Any = None
        self._now: Any = None
        self._watermark = watermark

    @property
    def key(self) -> Optional[bytes]:
        """The key, if it has one."""
        if self._keys is None:
            self._keys = _columns.read(self._batch.keys)
        return self._keys[self.row]  # type: ignore[no-any-return]

    @property
    def key_text(self) -> str:
        """The key as text. Fails where there is none, or it is not UTF-8."""
        key = self.key
        if key is None:
            raise Failure("this record has no key")
        try:
            return key.decode()
        except UnicodeDecodeError as error:
            raise Failure(f"the key is not UTF-8: {error}") from None

    @property
    def value(self) -> Optional[bytes]:
        """The value; `None` for a tombstone."""
        if self._values is None:
            if not self._batch.values.offsets:
                raise Failure(
                    "the record's own value is not passed beside typed fields: `ms.Operator(raw_values=True)` has it passed"
                )
            self._values = _columns.read(self._batch.values)
        return self._values[self.row]  # type: ignore[no-any-return]

    @property
    def bytes(self) -> bytes:
        """The value of a record that is no tombstone. Fails where it is one."""
        value = self.value
        if value is None:
            raise Failure(TOMBSTONE_REASON)
        return value

    @property
    def text(self) -> str:
        """The value as text. Fails where there is none, or it is not UTF-8."""
        try:
            return self.bytes.decode()
        except UnicodeDecodeError as error:
            raise Failure(f"the value is not UTF-8: {error}") from None

    @overload
    def json(self) -> Any: ...
    @overload
    def json(self, type: Type[T]) -> T: ...
    def json(self, type: Any = None) -> Any:
        """The value read as JSON, as it comes or as a type, such as a dataclass. Fails where it is neither."""
        text = self._text
        if text is None:
            text = self._text = self._ascii()
        value: Any
        row, starts = self.row, self._starts
        try:
            value, end = scan_once(text, starts[row])
            if end != starts[row + 1]:
                value = _json.loads(self.text)
        except (StopIteration, ValueError, RecursionError):
            value = _json.loads(self.text)
        if type is None:
            return value
        try:
            return convert(value, type)
        except Mismatch as error:
            raise Failure(f"the value is no {getattr(type, '__name__', type)}: {error}") from None

    def _ascii(self) -> str:
        """The values of the batch one after another, where each byte is a character; otherwise nothing."""
        values = self._batch.values
        self._starts = _columns.u32s(values.offsets) or [0] * (self._batch.count + 1)
        return values.data.decode() if values.data.isascii() else ""

    @property
    def timestamp_ms(self) -> int:
        """Event time in milliseconds since 1970-01-01T00:00:00Z."""
        if self._times is None:
            self._times = _columns.i64s(self._batch.timestamps)
        return self._times[self.row]  # type: ignore[no-any-return]

    @property
    def headers(self) -> List[Header]:
        """The headers in order: name and value."""
        if self._headers is None:
            self._headers = _read_headers(self._batch)
        return self._headers[self.row] if self._headers else []

    def header(self, name: str) -> HeaderValue:
        """The value of the last header of this name. Of a repeated header the last one counts, as in Kafka."""
        found = None
        for header, value in self.headers:
            if header == name:
                found = value
        return found

    @property
    def now_ms(self) -> int:
        """Processing time in milliseconds since 1970-01-01T00:00:00Z, as the host gives it: the same for all records
        of a batch, and for a batch that is replayed."""
        if self._now is None:
            self._now = _host.now_ms()
        return self._now  # type: ignore[no-any-return]

    @property
    def watermark_ms(self) -> Optional[int]:
        """The event time that the input has reached, if it is known."""
        return None if self._watermark == NO_TIME else self._watermark


def _read_headers(batch: Any) -> List[List[Header]]:
    headers = batch.headers
    if not headers.offsets:
        return []
    ends = _columns.u32s(headers.offsets)
    names = [(name or b"").decode(errors="replace") for name in _columns.read(headers.names)]
    pairs = list(zip(names, _columns.read(headers.values)))
    return [pairs[start:end] for start, end in zip(ends, ends[1:])]
