"""Operators around their records: configuration, timers, metrics, log, randomness, whole columns."""

import json
import logging
import random
import unittest
from array import array
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Dict, List, Literal, Optional

import millstream as ms
from millstream import log
from millstream.testing import Harness, Input


class Mode(Enum):
    FAST = "fast"
    SLOW = "slow"


@dataclass
class Rule:
    name: str
    limit: float = 1.0


@dataclass
class Config:
    goal: int
    mode: Mode = Mode.FAST
    kind: Literal["a", "b"] = "a"
    rules: List[Rule] = field(default_factory=list)
    names: Dict[str, int] = field(default_factory=dict)
    note: Optional[str] = None

    def __post_init__(self) -> None:
        if self.goal < 1:
            raise ValueError("`goal` must be at least 1")


class Configuration(unittest.TestCase):
    def configured(self, config: Any) -> Any:
        app = ms.Operator(config=Config)

        @app.process
        def process(message: ms.Message) -> None: ...

        Harness(app, config)
        return app

    def test_a_configuration_is_read_into_a_dataclass(self) -> None:
        config = self.configured({"goal": 2, "mode": "slow", "rules": [{"name": "x", "limit": 2}], "names": {"n": 1}}).config
        self.assertEqual(config, Config(2, Mode.SLOW, "a", [Rule("x", 2.0)], {"n": 1}))

    def test_what_is_wrong_is_told_with_its_path(self) -> None:
        cases = {
            "missing field `goal`": {}, "/goal: an integer is wanted, not a text ('x')": {"goal": "x"},
            "/rules/1: missing field `name`": {"goal": 1, "rules": [{"name": "a"}, {}]},
            "/mode: one of 'fast', 'slow' is wanted, not 'no'": {"goal": 1, "mode": "no"},
            "/kind: one of 'a', 'b' is wanted, not 'c'": {"goal": 1, "kind": "c"},
            "unknown field `gaol`, expected one of `goal`, `mode`, `kind`, `rules`, `names`, `note`": {"goal": 1, "gaol": 1},
        }
        for message, config in cases.items():
            with self.subTest(message), self.assertRaises(ms.Failure) as raised:
                self.configured(config)
            self.assertEqual(str(raised.exception), f"the configuration is refused: {message}")
        with self.assertRaises(ms.Failure) as raised:
            self.configured({"goal": 0})
        self.assertEqual(str(raised.exception), "`goal` must be at least 1")

    def test_the_schema_is_that_of_the_dataclass(self) -> None:
        schema = json.loads(self.configured({"goal": 1})._describe().config_schema)
        self.assertEqual(schema["required"], ["goal"])
        self.assertEqual(schema["properties"]["mode"], {"enum": ["fast", "slow"]})
        self.assertEqual(schema["properties"]["note"], {"anyOf": [{"type": "string"}, {"type": "null"}]})

    def test_an_operator_without_one_refuses_any(self) -> None:
        app = ms.Operator()

        @app.process
        def process(message: ms.Message) -> None: ...

        with self.assertRaisesRegex(ms.Failure, "no configuration to set"):
            Harness(app, {"a": 1})


class Timers(unittest.TestCase):
    def test_timers_fire_in_order_and_may_set_others(self) -> None:
        app = ms.Operator()
        fired_count = app.value("fired", int)

        @app.process
        def process(text: str, ctx: ms.Context) -> None:
            name, time_ms = text.split()
            ctx.set_event_timer(name, int(time_ms))
            if name == "bad":
                ctx.fail("no")

        @app.on_timer
        def fired(timer: ms.Timer, ctx: ms.Context) -> str:
            fired_count.set(fired_count.get(0) + 1)
            if timer.name == "first":
                ctx.set_event_timer("again", timer.time_ms + 1)
            return f"{timer.name} {timer.time_ms} {fired_count.get()}"

        harness = Harness(app)
        harness.send_all([Input(text, "k") for text in ("second 20", "first 10", "bad 5", "late 99")])
        told = harness.advance_watermark_ms(50).emitted
        self.assertEqual([emitted.text for emitted in told], ["first 10 1", "again 11 2", "second 20 3"])
        self.assertEqual([(emitted.key, emitted.timestamp_ms) for emitted in told[:1]], [(b"k", 10)])

    def test_timers_need_a_key_and_a_function(self) -> None:
        app = ms.Operator()

        @app.process
        def process(message: ms.Message, ctx: ms.Context) -> None:
            ctx.set_processing_timer("t", 1)

        self.assertIn("@app.on_timer", Harness(app).send("x", "k").failed[0].reason)
        app.on_timer(lambda timer, ctx: None)
        self.assertIn("timers belong to a key", Harness(app).send("x").failed[0].reason)


class Surroundings(unittest.TestCase):
    def test_time_metrics_and_log_are_the_hosts(self) -> None:
        app = ms.Operator()

        @app.process
        def process(text: str, ctx: ms.Context) -> Any:
            ctx.count("seen", 2)
            ctx.gauge("size", len(text))
            ctx.observe("sizes", len(text))
            log.info("saw %s", text)
            log.debug("not kept")
            return [ctx.now_ms, ctx.random_u64(), ctx.watermark_ms]

        harness = Harness(app)
        harness.set_now_ms(7)
        harness.set_log_level(log.INFO)
        first = harness.send("abc").only().json()
        harness.set_seed(0)
        self.assertEqual(harness.send("ab").only().json(), first)
        self.assertEqual((first[0], first[2]), (7, None))
        self.assertEqual((harness.counter("seen"), harness.gauge("size"), harness.histogram("sizes")), (4, 2.0, [3.0, 2.0]))
        self.assertEqual(harness.log, [("info", "saw abc"), ("info", "saw ab")])

    def test_logging_goes_to_the_log(self) -> None:
        app = ms.Operator()
        logger = logging.Logger("own")
        logger.addHandler(log.Handler())

        @app.process
        def process(text: str) -> None:
            logger.warning("careful: %s", text)

        harness = Harness(app)
        harness.send("x")
        self.assertEqual(harness.log, [("warn", "careful: x")])


class Payment(ms.Record):
    user: str
    amount: float
    n: Optional[int]


class Total(ms.Record):
    user: str
    total: float
    n: Optional[int]


class Columns(unittest.TestCase):
    def test_whole_columns_are_read_and_written(self) -> None:
        app = ms.Operator(outputs=["main", "some"], writes=Total)
        total = app.value("total", float)

        @app.columns
        def process(batch: ms.Batch[Payment]) -> None:
            sums, totals = total.load(0.0), array("d")
            for row, (group, amount) in enumerate(zip(batch.groups, batch.amount.view)):
                if group == ms.NO_GROUP:
                    batch.fail(row, "no key")
                    totals.append(0.0)
                    continue
                sums[group] += amount
                totals.append(sums[group])
            total.store(sums)
            batch.emit({"user": batch.user, "total": totals, "n": batch.n})
            batch.emit({"user": ["x"], "total": [1], "n": [None]}, to="some", sources=[1], keys=["other"])

        harness = Harness(app)
        outcome = harness.send_all([
            Input({"user": "ö", "amount": 1, "n": 5}, "a", 3, {"h": "1"}), Input({"user": "b", "amount": 2}, "b", 4),
            Input({"user": "c", "amount": 9}), Input({"user": "c"}, "a"), Input({"user": "d", "amount": 4}, "a"),
        ])
        self.assertEqual([emitted.text for emitted in outcome.of("main")], [
            '{"user":"ö","total":1.0,"n":5}', '{"user":"b","total":2.0}', '{"user":"d","total":5.0}',
        ])
        self.assertEqual(outcome.emitted[0].headers, [("h", b"1")])
        self.assertEqual([(f.record, f.reason) for f in outcome.failed], [(2, "no key"), (3, "/amount is missing")])
        (some,) = outcome.of("some")
        self.assertEqual((some.key, some.timestamp_ms, some.source), (b"other", 4, 1))
        with harness.key("a"):
            self.assertEqual(total.get(), 5.0)

    def test_whole_values_are_read_and_written(self) -> None:
        app = ms.Operator()

        @app.columns
        def process(batch: ms.Batch[Any]) -> None:
            batch.emit([value and value.upper() for value in batch.values])

        outcome = Harness(app).send_all([Input("a", "k"), Input(None, "k")])
        self.assertEqual([emitted.value for emitted in outcome.emitted], [b"A", None])

    def test_columns_of_another_length_or_type_are_refused(self) -> None:
        for columns, message in (
            ({"user": ["a", "b"], "total": [1.0], "n": [1]}, "a column of 2 values for 1 records"),
            ({"user": ["a"], "total": ["x"], "n": [1]}, "takes a number"), ({"user": ["a"]}, "the operator writes user, total, n"),
        ):
            app = ms.Operator(writes=Total)
            app.columns(lambda batch: batch.emit(columns))
            with self.subTest(message), self.assertRaisesRegex(Exception, message):
                Harness(app).send({"user": "a", "amount": 1}, "k")


class Seeded(unittest.TestCase):
    def test_the_module_random_is_seeded_by_the_host(self) -> None:
        from millstream import _seeded

        app = ms.Operator()

        @app.process
        def process(text: str) -> Any:
            return [_seeded._instance.random(), _seeded._instance.choice(range(100))]

        harness = Harness(app)
        drawn = []
        for _ in range(2):
            _seeded.begin()
            harness.set_seed(1)
            drawn.append(harness.send("x").only().json())
        self.assertEqual(drawn[0], drawn[1])
        self.assertIsNot(random.random, _seeded._instance.random)


if __name__ == "__main__":
    unittest.main()
