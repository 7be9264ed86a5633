"""Triggers: when windows fire."""

import copy
from enum import IntEnum
from typing import Any, Dict, Generic, List, Optional, Type, TypeVar, Union

from .. import _columns
from .._contract import NEVER, NO_TIME
from .._failure import BatchError
from .._part import F, Part
from ..state.codec import Codec
from ._contract import TriggerDescription, Verdicts
from ._pane import Pane, Record, argument, codec_of, failed, failure_column, windows

C = TypeVar("C")
S = TypeVar("S")


class Verdict(IntEnum):
    """What becomes of a pane."""

    #: Nothing.
    CONTINUE = 0
    #: It fires: its result is emitted.
    FIRE = 1
    #: What it has is forgotten.
    PURGE = 2
    #: It fires, then what it has is forgotten.
    FIRE_AND_PURGE = 3


class TriggerPane(Pane, Generic[S]):
    """A window of a key that a trigger is asked about, with what it remembers of it."""

    __slots__ = ("state", "event_time", "processing_time", "now_ms", "_watermark")

    def __init__(self, key: bytes, window: Any, state: Any, now_ms: int, watermark: int) -> None:
        super().__init__(key, window)
        #: What is remembered of the pane.
        self.state = state
        #: When `@app.on_event_time` will be called, milliseconds; `None`: it will not.
        self.event_time: Optional[int] = None
        #: When `@app.on_processing_time` will be called.
        self.processing_time: Optional[int] = None
        #: Processing time in milliseconds, as the host gives it.
        self.now_ms = now_ms
        self._watermark = watermark

    @property
    def watermark_ms(self) -> Optional[int]:
        """The event time that the input has reached, if it is known."""
        return None if self._watermark == NO_TIME else self._watermark


class Trigger(Part[C]):
    """When windows fire. It takes the place of the window's end: results come when it says so.

    For each pane it has a state, of the type `state`, and two times at which it wants to be asked again, which it sets
    as `pane.event_time` and `pane.processing_time`. What equals a state that was just made is not stored.
    """

    world = "trigger"

    def __init__(
        self, state: Any = int, *, codec: Optional[Codec] = None, version: int = 1, config: Optional[Type[C]] = None,
        config_schema: Union[str, Dict[str, Any], None] = None,
    ) -> None:
        super().__init__(config=config, config_schema=config_schema)
        self._create = state
        self._codec = codec_of(state, codec)
        self._version = version

    def on_element(self, function: F) -> F:
        """Decorates `def on_element(record, pane)`: a record comes into a pane. Returns a `Verdict`; nothing is to go
        on. An exception fails the record."""
        return self._take("on_element", function, 2, 2)

    def on_event_time(self, function: F) -> F:
        """Decorates `def on_event_time(time_ms, pane)`: the watermark has reached the time that was set."""
        return self._take("on_event_time", function, 2, 2)

    def on_processing_time(self, function: F) -> F:
        """Decorates `def on_processing_time(time_ms, pane)`: the host's clock has reached the time that was set."""
        return self._take("on_processing_time", function, 2, 2)

    def on_merge(self, function: F) -> F:
        """Decorates `def on_merge(panes, into)`: panes become one, as those of sessions do."""
        return self._take("on_merge", function, 2, 2)

    def _check(self) -> None:
        self._need("on_element")

    def _describe(self) -> TriggerDescription:
        return TriggerDescription(self._version, self._config_schema())

    def _on_elements(self, panes: Any, elements: Any) -> Verdicts:
        function = self._need("on_element")
        read, record = argument(function, 0), Record().at(elements.batch, panes.now, panes.watermark)
        asked, failures = self._read(panes), {}  # type: ignore[var-annotated]
        verdicts: List[int] = []
        rows = zip(_columns.u32s(elements.rows), _columns.u32s(elements.panes), windows(elements.windows))
        for row, at, window in rows:
            record.row, pane = row, asked[at]
            before = copy.deepcopy(pane.state), pane.event_time, pane.processing_time
            pane.window = window
            try:
                verdicts.append(int(function(read(record), pane) or 0))
            except Exception as error:
                pane.state, pane.event_time, pane.processing_time = before
                failed(failures, row, error)
                verdicts.append(0)
        return self._answer(asked, verdicts, failures)

    def _on_time(self, panes: Any, domain: Any, times: bytes) -> Verdicts:
        is_event = domain.value == 0
        function = self._functions.get("on_event_time" if is_event else "on_processing_time")
        attribute = "event_time" if is_event else "processing_time"
        asked, verdicts = self._read(panes), []
        for pane, time_ms in zip(asked, _columns.i64s(times)):
            setattr(pane, attribute, None)
            verdicts.append(int((function(time_ms, pane) if function else 0) or 0))
            following = getattr(pane, attribute)
            if following is not None and following <= time_ms:
                # It would be asked for ever.
                raise BatchError(
                    f"the trigger is asked at {time_ms}, and wants to be asked again at {following}, which is not later"
                )
        return self._answer(asked, verdicts, {})

    def _on_merge(self, panes: Any, groups: bytes, merged: Any) -> Verdicts:
        function = self._functions.get("on_merge")
        if function is None:
            raise BatchError("the trigger has no function under `@on_merge`, which windows that merge need")
        targets = windows(merged)
        sources: List[List[TriggerPane[Any]]] = [[] for _ in targets]
        for pane, group in zip(self._read(panes), _columns.u32s(groups)):
            sources[group].append(pane)
        into, verdicts = [], []
        for window, own in zip(targets, sources):
            made: TriggerPane[Any] = TriggerPane(own[0].key, window, self._create(), panes.now, panes.watermark)
            verdicts.append(int(function(own, made) or 0))
            into.append(made)
        return self._answer(into, verdicts, {})

    def _read(self, panes: Any) -> List[TriggerPane[Any]]:
        read = []
        rows = zip(
            _columns.read(panes.keys), windows(panes.windows), _columns.read(panes.states),
            _columns.i64s(panes.event_times), _columns.i64s(panes.processing_times),
        )
        for key, window, state, event_time, processing_time in rows:
            decoded = self._create() if state is None else self._decode(state)
            pane: TriggerPane[Any] = TriggerPane(key or b"", window, decoded, panes.now, panes.watermark)
            pane.event_time = None if event_time == NEVER else event_time
            pane.processing_time = None if processing_time == NEVER else processing_time
            read.append(pane)
        return read

    def _decode(self, state: bytes) -> Any:
        try:
            return self._codec.decode(state)
        except ValueError as error:
            raise BatchError(f"the trigger's state that is stored does not decode: {error}") from None

    def _answer(self, panes: List[TriggerPane[Any]], verdicts: List[int], failures: Dict[int, str]) -> Verdicts:
        blank = self._create()
        states = [
            None if pane.state == blank else self._codec.encode(self._codec.check(pane.state)) for pane in panes
        ]
        return Verdicts(
            bytes(verdicts), _columns.write(states),
            _columns.pack_i64s(NEVER if pane.event_time is None else pane.event_time for pane in panes),
            _columns.pack_i64s(NEVER if pane.processing_time is None else pane.processing_time for pane in panes),
            failure_column(failures),
        )
