"""Watermark generators: how far event time has come in a partition of a source."""

from typing import Any, Dict, Generic, Optional, Type, TypeVar, Union

from .._contract import NO_TIME
from .._failure import BatchError, ProgramError
from .._part import F, Part
from ..state._place import duration_ms
from ..state.codec import Codec
from ._contract import Progress, WatermarkDescription
from ._pane import Record, argument, codec_of

C = TypeVar("C")
S = TypeVar("S")


class Partition(Generic[S]):
    """A partition of a source, with what is remembered of it."""

    __slots__ = ("state", "now_ms", "watermark_ms", "is_idle")

    def __init__(self, state: Any, now_ms: int) -> None:
        #: What is remembered of the partition. A restart forgets it; the watermark it does not.
        self.state = state
        #: Processing time in milliseconds, as the host gives it.
        self.now_ms = now_ms
        #: Set it to say that no record with this timestamp or an earlier one is expected any more.
        self.watermark_ms: Optional[int] = None
        #: Set it to say that the partition holds nobody back until records come from it again.
        self.is_idle = False


class WatermarkGenerator(Part[C]):
    """How far event time has come in a partition of a source. `every` is how often `@app.on_time` is called."""

    world = "watermark-generator"

    def __init__(
        self, state: Any = int, *, every: Union[str, int, None] = None, codec: Optional[Codec] = None,
        config: Optional[Type[C]] = None, config_schema: Union[str, Dict[str, Any], None] = None,
    ) -> None:
        super().__init__(config=config, config_schema=config_schema)
        self._create = state
        self._codec = codec_of(state, codec)
        self._every_ms = None if every is None else duration_ms(every)

    def on_record(self, function: F) -> F:
        """Decorates `def on_record(record, partition)`, which is called for each record of a partition."""
        return self._take("on_record", function, 2, 2)

    def on_time(self, function: F) -> F:
        """Decorates `def on_time(partition)`, which is called for each partition as `every` says."""
        return self._take("on_time", function, 1, 1)

    def _check(self) -> None:
        self._need("on_record")
        if ("on_time" in self._functions) != (self._every_ms is not None):
            raise ProgramError("`@on_time` and `every=` go together")

    def _describe(self) -> WatermarkDescription:
        return WatermarkDescription(self._every_ms, self._config_schema())

    def _on_records(self, state: bytes, records: Any, now: int) -> Progress:
        function, partition = self._need("on_record"), self._partition(state, now)
        read, record = argument(function, 0), Record().at(records, now, NO_TIME)
        for row in range(records.count):
            record.row = row
            function(read(record), partition)
        return self._progress(partition)

    def _on_time(self, state: bytes, now: int) -> Progress:
        partition = self._partition(state, now)
        self._need("on_time")(partition)
        return self._progress(partition)

    def _partition(self, state: bytes, now: int) -> Partition[Any]:
        if not state:
            return Partition(self._create(), now)
        try:
            return Partition(self._codec.decode(state), now)
        except ValueError as error:
            raise BatchError(f"the generator's state that is stored does not decode: {error}") from None

    def _progress(self, partition: Partition[Any]) -> Progress:
        blank = partition.state == self._create()
        state = b"" if blank else self._codec.encode(self._codec.check(partition.state))
        return Progress(state, partition.watermark_ms, partition.is_idle)
