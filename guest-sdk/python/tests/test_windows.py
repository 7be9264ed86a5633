"""Parts of windows, and watermark generators."""

import unittest
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

import millstream as ms
from millstream.testing import (
    AggregatorHarness, AssignerHarness, Input, TriggerHarness, WatermarkHarness, WindowFunctionHarness,
)

HOUR = ms.Window(0, 3_600_000)


class Aggregators(unittest.TestCase):
    def test_sums_are_added_merged_and_retracted(self) -> None:
        app = ms.Aggregator(int)
        app.add(lambda total, record: total + int(record.text))
        app.retract(lambda total, record: total - int(record.text))
        app.merge(lambda total, other: total + other)
        app.result(lambda total: str(total))
        sums = AggregatorHarness(app)
        failed = sums.add(Input("5", "a"), Input("x", "a"), Input("7", "a"), Input("1", "b"))
        self.assertEqual([failure.record for failure in failed], [1])
        self.assertEqual(sums.stored("a"), (12).to_bytes(8, "little"))
        sums.retract(Input("2", "a"))
        sums.merge("a", "b")
        self.assertEqual(sums.result("a").text, "11")

    def test_what_is_changed_in_place_is_undone_with_the_record(self) -> None:
        @dataclass
        class Seen:
            users: List[str]

        app = ms.Aggregator(Seen, create=lambda: Seen([]))

        @app.add
        def add(seen: Seen, visit: Dict[str, Any]) -> None:
            seen.users.append(visit["user"])
            if visit["user"] == "bad":
                raise ValueError("bad")

        @app.merge
        def merge(into: Seen, other: Seen) -> None:
            into.users += other.users

        @app.result
        def result(seen: Seen, pane: ms.Pane) -> Any:
            return {"key": pane.key_text, "users": seen.users, "end": pane.window.end_ms}

        harness = AggregatorHarness(app)
        failed = harness.add(*[Input({"user": user}, "k") for user in ("a", "bad", "b")])
        self.assertTrue(failed[0].reason.startswith("ValueError: bad\n"), failed)
        self.assertEqual(harness.result("k", HOUR).json(), {"key": "k", "users": ["a", "b"], "end": 3_600_000})

    def test_an_integer_must_be_returned(self) -> None:
        app = ms.Aggregator(int)
        app.add(lambda total, record: None)
        app.merge(lambda total, other: None)
        app.result(lambda total: total)
        with self.assertRaisesRegex(ms.BatchError, "must return the accumulator"):
            AggregatorHarness(app).add(Input("1", "k"))


class Assigners(unittest.TestCase):
    def test_records_are_in_the_windows_that_are_returned(self) -> None:
        app = ms.WindowAssigner(merges=True)

        @app.assign
        def assign(record: ms.Message) -> ms.Windows:
            start = record.timestamp_ms
            return {"one": ms.Window(start, start + 1), "two": [ms.Window(0, 1), ms.Window(1, 2)], "wrong": ms.Window(1, 1)}.get(
                record.text
            )

        harness = AssignerHarness(app)
        self.assertEqual(harness.assign(Input("one", timestamp_ms=5)), [ms.Window(5, 6)])
        self.assertEqual(len(harness.assign(Input("two"))), 2)
        self.assertEqual(harness.assign(Input("none")), [])
        with self.assertRaisesRegex(ms.Failure, "starts at 1 and ends at 1"):
            harness.assign(Input("wrong"))
        self.assertTrue(app._describe().merges)


class Triggers(unittest.TestCase):
    def test_panes_fire_when_the_trigger_says_so(self) -> None:
        app = ms.Trigger(int)

        @app.on_element
        def on_element(text: str, pane: ms.TriggerPane[int]) -> Optional[ms.Verdict]:
            pane.state += 1
            pane.event_time = pane.window.last_ms
            if text == "bad":
                raise ValueError("bad")
            return ms.Verdict.FIRE if pane.state == 2 else None

        @app.on_event_time
        def on_event_time(time_ms: int, pane: ms.TriggerPane[int]) -> ms.Verdict:
            return ms.Verdict.FIRE_AND_PURGE

        @app.on_merge
        def on_merge(panes: List[ms.TriggerPane[int]], into: ms.TriggerPane[int]) -> None:
            into.state = sum(pane.state for pane in panes)

        harness = TriggerHarness(app)
        self.assertEqual(harness.send(Input("a", "k"), HOUR), ms.Verdict.CONTINUE)
        with self.assertRaisesRegex(ms.Failure, "ValueError: bad"):
            harness.send(Input("bad", "k"), HOUR)
        self.assertEqual(harness.send(Input("b", "k"), HOUR), ms.Verdict.FIRE)
        self.assertEqual(harness.advance_watermark_ms(3_600_000), [(HOUR, ms.Verdict.FIRE_AND_PURGE)])
        self.assertEqual(harness.advance_watermark_ms(9_000_000), [])
        harness.merge("k", [HOUR], ms.Window(0, 9))
        self.assertEqual(harness.send(Input("c", "k"), ms.Window(0, 9)), ms.Verdict.CONTINUE)


class Functions(unittest.TestCase):
    def test_all_records_of_a_pane_are_seen(self) -> None:
        app = ms.WindowFunction(list)

        @app.element
        def element(values: List[float], record: Any, pane: ms.FiredPane) -> None:
            values.append(record)

        @app.end
        def end(values: List[float], pane: ms.FiredPane) -> None:
            mean = sum(values) / pane.elements
            for value in values:
                if value > mean:
                    pane.emit(value)

        told = WindowFunctionHarness(app).fire("k", HOUR, [Input(value) for value in (1, 5, 2)])
        self.assertEqual([(emitted.json(), emitted.timestamp_ms) for emitted in told], [(5, 3_599_999)])


class Watermarks(unittest.TestCase):
    def test_watermarks_follow_records_and_time(self) -> None:
        app = ms.WatermarkGenerator(int, every="1s")

        @app.on_record
        def on_record(record: ms.Message, partition: ms.Partition[int]) -> None:
            partition.state = max(partition.state, record.timestamp_ms)
            partition.watermark_ms = partition.state - 10

        @app.on_time
        def on_time(partition: ms.Partition[int]) -> None:
            partition.is_idle = partition.now_ms > 5_000

        harness = WatermarkHarness(app)
        harness.read(0, Input("a", timestamp_ms=50), Input("b", timestamp_ms=30))
        self.assertEqual((harness.watermark_ms(0), harness.watermark_ms(1)), (40, None))
        harness.advance_now_ms(6_000)
        self.assertTrue(harness.is_idle(0))
        harness.restart()
        harness.read(0, Input("c", timestamp_ms=20))
        self.assertEqual((harness.watermark_ms(0), harness.is_idle(0)), (40, False))


if __name__ == "__main__":
    unittest.main()
