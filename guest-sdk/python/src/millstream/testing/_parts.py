"""Parts of window steps under test."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

from .. import _columns
from .._contract import NEVER, NO_TIME, TimeDomain
from .._failure import Failure
from ..window import Aggregator, Trigger, Verdict, WatermarkGenerator, Window, WindowAssigner, WindowFunction
from ..window._contract import WindowColumn
from ..window._pane import window_column, windows
from ._harness import configured
from ._records import Emitted, Failed, Input, as_bytes, columns, failures, told
from ._simulated import Simulated


class _Struct:
    """What the host passes, with the attributes that the contract says."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class _Hosted:
    _kind: Any

    def __init__(self, program: Any, config: Any = None) -> None:
        self._part = configured(program, self._kind, config)
        self._host = Simulated([])
        self._now_ms = 0
        self._watermark = NO_TIME

    def _call(self, call: Any, *arguments: Any) -> Any:
        with self._host.entered():
            return call(*arguments)

    @property
    def log(self) -> List[Tuple[str, str]]:
        """The log so far: level and line."""
        return self._host.lines

    def set_now_ms(self, now_ms: int) -> None:
        """Sets processing time, milliseconds."""
        self._now_ms = now_ms

    def set_watermark_ms(self, watermark_ms: int) -> None:
        """Sets the event time that the input has reached, milliseconds."""
        self._watermark = watermark_ms


class AggregatorHarness(_Hosted):
    """An aggregator under test, with an accumulator for each key, stored as the host stores it."""

    _kind = Aggregator

    def __init__(self, program: Any, config: Any = None) -> None:
        super().__init__(program, config)
        self._accumulators: Dict[bytes, bytes] = {}

    def add(self, *records: Input) -> List[Failed]:
        """Adds records, in one batch, each to the accumulator of its key, and returns those that failed."""
        return self._change(self._part._add, records)

    def retract(self, *records: Input) -> List[Failed]:
        """Takes records out of the accumulators of their keys."""
        return self._change(self._part._retract, records)

    def merge(self, into: str, *others: str) -> None:
        """Merges the accumulators of other keys into the one of `into`, in this order, and forgets them."""
        keys = [key.encode() for key in (into, *others)]
        stored = [self._accumulators.pop(key) for key in keys if key in self._accumulators]
        if stored:
            merged = self._call(self._part._merge, _columns.write(stored), bytes(4 * len(stored)), 1)
            self._accumulators[keys[0]] = _columns.read(merged)[0] or b""

    def result(self, key: str, window: Window = Window(0, 1000)) -> Emitted:
        """The record that tells what the accumulator of a key has, for a window that fires."""
        stored = self._accumulators.get(key.encode())
        if stored is None:
            stored = self._part._encode(self._part._create())
        panes = _Struct(keys=_columns.write([key.encode()]), windows=window_column([window]))
        values = self._call(self._part._results, _columns.write([stored]), panes)
        return told(key.encode(), window.last_ms, _columns.read(values)[0])

    def accumulator(self, key: str) -> Any:
        """The accumulator of a key; one that is created where nothing was added to it."""
        return self._part._read(self._accumulators.get(key.encode()))

    def stored(self, key: str) -> Optional[bytes]:
        """The accumulator of a key as it is stored."""
        return self._accumulators.get(key.encode())

    def _change(self, change: Any, records: Sequence[Input]) -> List[Failed]:
        keys = [as_bytes(record.key) or b"" for record in records]
        distinct = list(dict.fromkeys(keys))
        additions = _Struct(
            batch=columns(records), rows=_columns.pack_u32s(range(len(records))),
            targets=_columns.pack_u32s(distinct.index(key) for key in keys),
        )
        added = self._call(change, additions, _columns.write([self._accumulators.get(key) for key in distinct]))
        for key, accumulator in zip(distinct, _columns.read(added.accumulators)):
            if accumulator is not None:
                self._accumulators[key] = accumulator
        return failures(added.failures)


class AssignerHarness(_Hosted):
    """A window assigner under test."""

    _kind = WindowAssigner

    def assign(self, record: Input) -> List[Window]:
        """The windows that a record is in. Raises `Failure` where it fails."""
        assigned = self._call(self._part._assign, columns([record]), self._now_ms)
        for failure in failures(assigned.failures):
            raise Failure(failure.reason)
        return windows(assigned.windows)


class WindowFunctionHarness(_Hosted):
    """A window function under test."""

    _kind = WindowFunction

    def fire(self, key: str, window: Window, records: Sequence[Input]) -> List[Emitted]:
        """Fires a pane with these records, passed two at a time, and returns what is emitted."""
        pane = _Struct(
            key=key.encode(), start=window.start_ms, end=window.end_ms, elements=len(records), now=self._now_ms,
            watermark=self._watermark,
        )
        self._call(self._part._begin, pane)
        values = []
        for at in range(0, len(records), 2):
            values += _columns.read(self._call(self._part._elements, columns(records[at:at + 2])))
        values += _columns.read(self._call(self._part._end))
        return [told(key.encode(), window.last_ms, value) for value in values]


class TriggerHarness(_Hosted):
    """A trigger under test, with what it remembers of each pane."""

    _kind = Trigger

    def __init__(self, program: Any, config: Any = None) -> None:
        super().__init__(program, config)
        #: State, event time and processing time by key and window.
        self._panes: Dict[Tuple[bytes, Window], Tuple[Any, Any, Any]] = {}

    def send(self, record: Input, window: Window) -> Verdict:
        """Lets a record come into a window of its key. Raises `Failure` where it fails."""
        name = as_bytes(record.key) or b"", window
        elements = _Struct(batch=columns([record]), rows=bytes(4), panes=bytes(4), windows=window_column([window]))
        answer = self._call(self._part._on_elements, self._columns([name]), elements)
        for failure in failures(answer.failures):
            raise Failure(failure.reason)
        return self._keep([name], answer)[0]

    def advance_watermark_ms(self, watermark_ms: int) -> List[Tuple[Window, Verdict]]:
        """Lets event time reach `watermark_ms`, and asks about the panes whose time has come, in order of time."""
        self._watermark = max(self._watermark, watermark_ms)
        return self._ask(TimeDomain.EVENT, watermark_ms)

    def advance_now_ms(self, now_ms: int) -> List[Tuple[Window, Verdict]]:
        """Lets processing time reach `now_ms`, and asks about the panes whose time has come."""
        self._now_ms = max(self._now_ms, now_ms)
        return self._ask(TimeDomain.PROCESSING, now_ms)

    def merge(self, key: str, of: Sequence[Window], into: Window) -> Verdict:
        """Lets windows of a key become one."""
        names = [(key.encode(), window) for window in of]
        panes = self._columns(names)
        answer = self._call(self._part._on_merge, panes, bytes(4 * len(names)), window_column([into]))
        for name in names:
            self._panes.pop(name, None)
        return self._keep([(key.encode(), into)], answer)[0]

    def _ask(self, domain: TimeDomain, up_to_ms: int) -> List[Tuple[Window, Verdict]]:
        asked: List[Tuple[Window, Verdict]] = []
        clock = 1 + domain.value
        while True:
            times = [kept[clock] for kept in self._panes.values() if kept[clock] <= min(up_to_ms, NEVER - 1)]
            if not times:
                return asked
            due = [name for name, kept in self._panes.items() if kept[clock] == min(times)]
            times_column = _columns.pack_i64s([min(times)] * len(due))
            answer = self._call(self._part._on_time, self._columns(due), domain, times_column)
            asked += [(name[1], verdict) for name, verdict in zip(due, self._keep(due, answer))]

    def _columns(self, names: Sequence[Tuple[bytes, Window]]) -> Any:
        kept = [self._panes.get(name, (None, NEVER, NEVER)) for name in names]
        own: WindowColumn = window_column([window for _, window in names])
        return _Struct(
            keys=_columns.write([key for key, _ in names]), windows=own, states=_columns.write([k[0] for k in kept]),
            event_times=_columns.pack_i64s(k[1] for k in kept), processing_times=_columns.pack_i64s(k[2] for k in kept),
            now=self._now_ms, watermark=self._watermark,
        )

    def _keep(self, names: Sequence[Tuple[bytes, Window]], answer: Any) -> List[Verdict]:
        states, event = _columns.read(answer.states), _columns.i64s(answer.event_times)
        for at, (name, processing) in enumerate(zip(names, _columns.i64s(answer.processing_times))):
            self._panes[name] = states[at], event[at], processing
        return [Verdict(verdict) for verdict in answer.verdicts]


class WatermarkHarness(_Hosted):
    """A watermark generator under test, with the partitions that it has seen records of."""

    _kind = WatermarkGenerator

    def __init__(self, program: Any, config: Any = None) -> None:
        super().__init__(program, config)
        self._states: Dict[int, bytes] = {}
        self._watermarks: Dict[int, int] = {}
        self._idle: Dict[int, bool] = {}

    def read(self, partition: int, *records: Input) -> None:
        """Reads records from a partition, in one batch."""
        self._idle[partition] = False
        state = self._states.get(partition, b"")
        self._follow(partition, self._call(self._part._on_records, state, columns(records), self._now_ms))

    def advance_now_ms(self, now_ms: int) -> None:
        """Lets processing time reach `now_ms`, and tells the generator for each partition, if it wants to be told."""
        self._now_ms = max(self._now_ms, now_ms)
        if self._part._describe().every_ms is not None:
            for partition, state in list(self._states.items()):
                self._follow(partition, self._call(self._part._on_time, state, self._now_ms))

    def watermark_ms(self, partition: int) -> Optional[int]:
        """How far event time has come in a partition, if that is known."""
        return self._watermarks.get(partition)

    def is_idle(self, partition: int) -> bool:
        """Whether a partition holds nobody back."""
        return self._idle.get(partition, False)

    def restart(self) -> None:
        """Forgets what is remembered of the partitions, as a restart does; watermarks stay."""
        self._states = {partition: b"" for partition in self._states}

    def _follow(self, partition: int, progress: Any) -> None:
        self._states[partition] = progress.state
        if progress.watermark is not None:
            self._watermarks[partition] = max(self._watermarks.get(partition, NO_TIME), progress.watermark)
        self._idle[partition] = self._idle.get(partition, False) or progress.idle
