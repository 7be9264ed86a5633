"""Run it with the SDK on the path: `python -m unittest`."""

import unittest
from typing import Any, Dict, List, Tuple

import main
from history import KEPT, MINUTE_MS, History
from millstream.testing import Harness, Input

START_MS = 1_700_000_040_000


def payment(user: str, ts: int, amount: float, country: str = "DE") -> Input:
    value = {
        "payment_id": ts, "user_id": user, "merchant_id": "m1", "amount": amount, "currency": "EUR",
        "card_country": country, "ts": ts,
    }
    return Input(value, user, ts)


class Velocity(unittest.TestCase):
    def setUp(self) -> None:
        self.velocity = Harness(main)

    def features(self, record: Input) -> Dict[str, Any]:
        return self.velocity.send(record).only().json()["features"]  # type: ignore[no-any-return]

    def test_each_payment_comes_out_with_its_users_features(self) -> None:
        outcome = self.velocity.send_all([
            payment("a", START_MS, 10.10), payment("b", START_MS, 99.0), payment("a", START_MS + 1_000, 0.20, "BR"),
        ])
        self.assertEqual(outcome.emitted[0].json()["features"]["since_last_ms"], None)
        self.assertEqual(
            outcome.emitted[2].text,
            '{"payment_id":1700000041000,"user_id":"a","merchant_id":"m1","amount":0.2,"currency":"EUR",'
            '"card_country":"BR","ts":1700000041000,"features":{"count_5m":2,"spend_5m":10.3,"count_1h":2,'
            '"spend_1h":10.3,"since_last_ms":1000,"country_changed":true}}',
        )

    def test_windows_slide_with_the_payments_own_time(self) -> None:
        def counts(minutes: int) -> Tuple[int, int]:
            found = self.features(payment("a", START_MS + minutes * MINUTE_MS, 1.0))
            return found["count_5m"], found["count_1h"]

        self.assertEqual([counts(0), counts(4), counts(5)], [(1, 1), (2, 2), (2, 3)])
        self.assertEqual(counts(3), (2, 2), "out of order: as things stood then")
        self.assertEqual([counts(59), counts(60), counts(500)], [(1, 5), (2, 5), (1, 1)])

    def test_what_is_no_payment_leaves_no_trace(self) -> None:
        outcome = self.velocity.send_all([Input({}, "a"), payment("a", START_MS, 1.0), Input({"payment_id": 1})])
        self.assertEqual([failure.record for failure in outcome.failed], [0, 2])
        self.assertEqual(outcome.emitted[0].json()["features"]["count_1h"], 1)

    def test_a_user_who_is_long_gone_is_forgotten(self) -> None:
        self.velocity.send(payment("a", START_MS, 1.0))
        self.velocity.set_now_ms(7_200_000)
        with self.velocity.key("a"):
            self.assertIsNone(main.histories.get())

    def test_the_stored_form_is_that_of_every_language(self) -> None:
        for ts, cents, country in ((60_000, 1_050, "DE"), (120_001, 200, "DE"), (61_000, 1, "FR")):
            self.velocity.send(payment("a", ts, cents / 100, country))
        stored: List[Any] = list(self.velocity._host._entries["history"][b"a"].values())
        self.assertEqual(stored[0][0], b'{"m":[[1,2,1051],[2,1,200]],"l":120001,"c":"DE"}')

    def test_a_time_far_ahead_does_not_make_the_history_grow(self) -> None:
        history = History()
        history.add(2**62, 1, None)
        for minute in range(KEPT * 10):
            self.assertEqual(history.add(minute * MINUTE_MS, 1, None).count_1h, 0)
        self.assertEqual(len(history.m), 1)


if __name__ == "__main__":
    unittest.main()
