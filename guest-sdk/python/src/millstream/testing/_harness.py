"""Operators under test."""

import json
import types
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from .. import _columns, _load
from .._contract import ABSENT, NO_TIME, BatchInput, FiredTimers, TimeDomain
from .._fields import specs
from .._operator import Operator, group_records
from ._fields import read_fields
from ._records import Failed, Input, Outcome, columns, emitted, failures
from ._simulated import Simulated


def configured(program: Any, kind: Any, config: Any) -> Any:
    """A program of a kind, from itself or the module that makes it, with its configuration."""
    part = _load.program_of(program, f"module `{program.__name__}`") if isinstance(program, types.ModuleType) else program
    if not isinstance(part, kind):
        raise TypeError(f"{program!r} makes no {kind.__name__}")
    part._check()
    part._configure(config if isinstance(config, str) else json.dumps({} if config is None else config))
    return part


class Harness:
    """An operator under test, with the state that it has built up.

    `Harness(operator_module, {"limit": 10})`: the module, or the `Operator` that it makes, and the configuration. An
    error of the configuration is raised as `millstream.Failure`.
    """

    def __init__(self, program: Union[types.ModuleType, Operator[Any]], config: Any = None) -> None:
        self._operator: Operator[Any] = configured(program, Operator, config)
        self._description = self._operator._describe()
        self._host = Simulated(self._description.states)
        self._writes = specs(self._operator._writes) if self._operator._writes else []
        self._timers: Dict[Tuple[TimeDomain, bytes, bytes], int] = {}
        self._watermark = NO_TIME

    def send(self, value: Any = None, key: Any = None, **more: Any) -> Outcome:
        """Processes one record as a batch of its own: a value as in `Input`, or an `Input`."""
        return self.send_all([value if isinstance(value, Input) else Input(value, key, **more)])

    def send_all(self, records: Sequence[Input]) -> Outcome:
        """Processes records as one batch. What fails as a whole is raised; records that fail are in the outcome."""
        batch = columns(records)
        reads = self._operator._rows.reads if self._operator._rows else []
        if not reads:
            return self._run(self._operator._process, batch, range(len(records)))
        # The host makes records fail that lack what is read, before the operator sees them.
        values = _columns.read(batch.values)
        typed, failed = read_fields(values, reads)
        kept = [row for row in range(len(records)) if row not in failed]
        batch = columns([records[row] for row in kept])
        batch.columns = list(typed)
        if not self._description.raw_values:
            batch.values = ABSENT
        outcome = self._run(self._operator._process, batch, kept) if kept else Outcome()
        outcome.failed = sorted(
            outcome.failed + [Failed(row, reason) for row, reason in failed.items()], key=lambda failure: failure.record
        )
        return outcome

    def advance_watermark_ms(self, watermark_ms: int) -> Outcome:
        """Lets event time reach `watermark_ms`, and fires the timers that are due then, in order of time, those
        included that are set meanwhile. Sources and failures count the timers of each moment."""
        self._watermark = max(self._watermark, watermark_ms)
        return self._fire(TimeDomain.EVENT, watermark_ms)

    def advance_now_ms(self, now_ms: int) -> Outcome:
        """Lets processing time reach `now_ms`, and fires the timers that are due then."""
        self._host.now = max(self._host.now, now_ms)
        return self._fire(TimeDomain.PROCESSING, now_ms)

    @contextmanager
    def key(self, key: Union[str, bytes]) -> Iterator[None]:
        """Lets the test look at the state of a key, or change it, as a record with that key would:
        `with harness.key("u1"): assert operator.spend.get() == 5`."""
        operator, ctx = self._operator, self._operator._ctx
        batch = columns([Input(None, key)])
        input = self._input(batch)
        with self._host.entered():
            ctx._enter(batch, self._watermark)
            operator._begin(batch, input)
            ctx.group = 0
            try:
                yield
                output = operator._finish()
            finally:
                ctx._leave()
        self._store(input.group_keys, output.changes)

    def configure(self, config: Any) -> None:
        """Configures the operator anew and keeps the state."""
        configured(self._operator, Operator, config)

    def adopt_state(self, previous: "Harness") -> "Harness":
        """Takes over the state that another operator has built up, as a swap to this one does."""
        self._host.adopt(previous._host)
        self._timers = previous._timers
        return self

    def set_now_ms(self, now_ms: int) -> None:
        """Sets processing time, milliseconds."""
        self._host.now = now_ms

    def set_watermark_ms(self, watermark_ms: int) -> None:
        """Sets the event time that the input has reached, milliseconds."""
        self._watermark = watermark_ms

    def set_seed(self, seed: int) -> None:
        """Starts the random numbers again from a seed."""
        self._host.seed = seed

    def set_log_level(self, level: int) -> None:
        """Sets the lowest level of log lines that is kept, such as `ms.log.INFO`; all are at first."""
        self._host.log_level = level

    @property
    def log(self) -> List[Tuple[str, str]]:
        """The log so far: level and line."""
        return self._host.lines

    def counter(self, name: str) -> int:
        """A counter's sum so far."""
        return self._host.counters.get(name, 0)

    def gauge(self, name: str) -> Optional[float]:
        """A gauge's last value."""
        return self._host.gauges.get(name)

    def histogram(self, name: str) -> List[float]:
        """What a histogram was given so far."""
        return self._host.histograms.get(name, [])

    @property
    def state_calls(self) -> int:
        """State calls to the host so far: what is prefetched needs none."""
        return self._host.calls

    def _input(self, batch: Any) -> BatchInput:
        groups, keys = group_records(_columns.read(batch.keys))
        prefetched = [state.name for state in self._description.states if state.prefetch]
        if not prefetched:
            # The host passes groups only along with prefetched state.
            return BatchInput(batch, b"", _columns.write([]), [], self._watermark)
        states = [self._host.column(name, keys) for name in prefetched]
        return BatchInput(batch, _columns.pack_u32s(groups), _columns.write(keys), states, self._watermark)

    def _run(self, call: Any, batch: Any, rows: Sequence[int]) -> Outcome:
        return self._take(call, self._input(batch), rows)

    def _take(self, call: Any, input: Any, rows: Sequence[int]) -> Outcome:
        with self._host.entered():
            output = call(input)
        self._store(input.group_keys, output.changes)
        for change in output.timers:
            columns_ = _columns.read(change.keys), _columns.read(change.names), _columns.i64s(change.times)
            for key, name, time_ms in zip(*columns_):
                timer = change.domain, key or b"", name or b""
                if time_ms == NO_TIME:
                    self._timers.pop(timer, None)
                else:
                    self._timers[timer] = time_ms
        outcome = Outcome()
        for part in output.outputs:
            sources = [rows[row] for row in _columns.u32s(part.sources)]
            output_name = self._description.outputs[part.output]
            outcome.emitted += emitted(output_name, sources, part.batch, self._writes)
        outcome.failed = [Failed(rows[failure.record], failure.reason) for failure in failures(output.failures)]
        return outcome

    def _store(self, group_keys: Any, changes: Any) -> None:
        prefetched = [state for state in self._description.states if state.prefetch]
        keys = _columns.read(group_keys)
        for change in changes:
            rows = zip(_columns.u32s(change.groups), _columns.read(change.values))
            for group, value in rows:
                self._host.write(prefetched[change.state], keys[group] or b"", b"", value)

    def _fire(self, domain: TimeDomain, up_to_ms: int) -> Outcome:
        outcome = Outcome()
        while True:
            due = [time for (own, _, _), time in self._timers.items() if own is domain and time <= up_to_ms]
            if not due:
                return outcome
            now = [timer for timer, time in self._timers.items() if timer[0] is domain and time == min(due)]
            names = sorted(now, key=lambda timer: timer[1:])
            for timer in names:
                del self._timers[timer]
            batch = columns([Input(None, key, timestamp_ms=min(due)) for _, key, _ in names])
            input = self._input(batch)
            fired = FiredTimers(
                domain, batch.keys, _columns.write([name for _, _, name in names]), batch.timestamps, input.groups,
                input.group_keys, input.states, self._watermark,
            )
            made = self._take(self._operator._on_timer, fired, range(len(names)))
            outcome.emitted += made.emitted
            outcome.failed += made.failed
