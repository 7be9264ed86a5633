"""What the states share: the declaration, and the batch in hand."""

import re
from typing import TYPE_CHECKING, Any, Generic, Optional, TypeVar, Union

from .._contract import StateDeclaration, StateKind
from .._failure import NO_KEY, BatchError, Failure, ProgramError
from .codec import Codec, standard

if TYPE_CHECKING:
    from .._context import Context

T = TypeVar("T")
_DURATION = re.compile(r"(\d+)(ms|s|m|h|d)")
_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def duration_ms(text: Union[str, int]) -> int:
    """Milliseconds of `90s`, `1h30m`, or of a number of them."""
    if isinstance(text, int):
        return text
    if not text or _DURATION.sub("", text):
        raise ProgramError(f"{text!r} is no duration: 500ms, 90s, 1h30m and 7d are some")
    return sum(int(number) * _UNITS_MS[unit] for number, unit in _DURATION.findall(text))


class State(Generic[T]):
    """A declared state."""

    kind: StateKind

    def __init__(
        self, at: "Context", index: int, name: str, type: Any, ttl: Union[str, int, None], version: int,
        codec: Optional[Codec],
    ) -> None:
        self._at = at
        self._index = index
        self.name = name
        self._codec = codec or standard(type)
        self._ttl_ms = None if ttl is None else duration_ms(ttl)
        self._version = version
        self._prefetch = False

    def _declaration(self) -> StateDeclaration:
        return StateDeclaration(self.name, self.kind, self._version, self._ttl_ms, self._prefetch)

    def _key(self) -> bytes:
        """The key of the record in hand."""
        group = self._at.group
        try:
            return self._at.group_keys[group]
        except IndexError:
            raise self._no_key() from None

    def _no_key(self) -> Exception:
        return Failure(NO_KEY) if self._at.running else BatchError(f"state `{self.name}` is reached outside of a batch")

    def _decode(self, data: bytes) -> Any:
        try:
            return self._codec.decode(data)
        except ValueError as error:
            raise Failure(f"state `{self.name}`: what is stored does not decode: {error}") from None

    def _encode(self, value: Any) -> bytes:
        return self._codec.encode(self._check(value))

    def _check(self, value: Any) -> Any:
        try:
            return self._codec.check(value)
        except (TypeError, ValueError) as error:
            raise type(error)(f"state `{self.name}`: {error}") from None

    def _ask(self, call: Any, *arguments: Any) -> Any:
        """Calls the host. What it refuses fails the batch, also where the program swallows the error."""
        try:
            return call(self._index, *arguments)
        except Exception as error:
            refusal = getattr(error, "value", error)
            message = f"state `{self.name}`: {getattr(refusal, 'value', refusal)}"
            self._at.broken = message
            raise BatchError(message) from None

    # What follows is called by the runner, once a batch or for a record that failed.

    def _begin(self, column: Any) -> None:
        """A batch begins; `column` has the stored values of its keys where they are prefetched."""

    def _undo(self, row: int) -> None:
        """The record in hand has failed."""

    def _finish(self) -> Any:
        """The batch is done: groups and values that changed, where they are prefetched."""
