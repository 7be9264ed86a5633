"""State: kept by key, undone with records that fail, stored as every SDK stores it."""

import unittest
from dataclasses import dataclass, field
from typing import Any, List

import millstream as ms
from millstream.testing import Harness, Input


@dataclass
class Basket:
    items: List[str] = field(default_factory=list)
    total: float = 0.0


def operator(**states: Any) -> Any:
    """An operator that runs `call` of each record's text, with its states by name."""
    app = ms.Operator()
    made = {name: declare(app) for name, declare in states.items()}

    @app.process
    def process(text: str, ctx: ms.Context) -> Any:
        found = eval(text, {**made, "ctx": ctx, "Basket": Basket})
        if ctx.header("fail"):
            ctx.fail("asked to")
        return ms.TOMBSTONE if found is None else {"is": found}

    return Harness(app), made


def read(outcome: Any) -> List[Any]:
    assert not outcome.failed, outcome.failed
    return [None if emitted.value is None else emitted.json()["is"] for emitted in outcome.emitted]


FAIL = {"fail": "1"}


class Values(unittest.TestCase):
    def test_values_are_kept_by_key_and_undone_with_the_record(self) -> None:
        for prefetch in (True, False):
            with self.subTest(prefetch=prefetch):
                harness, _ = operator(n=lambda app: app.value("n", int, prefetch=prefetch))
                outcome = harness.send_all([
                    Input("n.set(1)", "a"), Input("n.set(2)", "b"), Input("n.set(9)", "a", headers=FAIL),
                    Input("(n.set(8), n.delete())", "b", headers=FAIL),
                    Input("(n.delete(), n.set(8), n.set(7))", "b", headers=FAIL), Input("n.get()", "a"), Input("n.get()", "b"),
                ])
                self.assertEqual([emitted.json()["is"] for emitted in outcome.emitted[2:]], [1, 2])
                self.assertEqual(read(harness.send_all([Input("n.get()", key) for key in "abc"])), [1, 2, None])
                self.assertEqual(harness.state_calls == 0, prefetch)

    def test_what_is_changed_in_place_is_kept_only_where_it_is_set(self) -> None:
        for prefetch in (True, False):
            with self.subTest(prefetch=prefetch):
                harness, _ = operator(b=lambda app: app.value("b", Basket, prefetch=prefetch))
                put = "[b.get(Basket()), b.get() or b.set(Basket()), (lambda x: (x.items.append('%s'), b.set(x)))(b.get())] and None"
                look = "b.get() and b.get().items"
                records = [
                    Input(put % 1, "a"), Input(put % 2, "a"), Input(put % 3, "a", headers=FAIL), Input(look, "a"),
                    Input("b.get().items.append('lost') and None", "a"), Input(look, "a"), Input(put % 4, "a"),
                    Input("b.get().items.append('lost') and None", "a", headers=FAIL), Input(look, "a"),
                    Input("b.delete()", "a", headers=FAIL), Input(look, "a"),
                ]
                outcome = harness.send_all(records)
                found = [emitted.json()["is"] for emitted in outcome.emitted if emitted.value is not None]
                self.assertEqual(found, [["1", "2"], ["1", "2"], ["1", "2", "4"], ["1", "2", "4"]])
                # The same in batches of one record.
                other, _ = operator(b=lambda app: app.value("b", Basket, prefetch=prefetch))
                single = [emitted for record in records for emitted in other.send(record).emitted]
                self.assertEqual([e.json()["is"] for e in single if e.value is not None], found)

    def test_the_stored_form_is_that_of_every_sdk(self) -> None:
        cases = [
            (int, "-2", b"\xfe" + b"\xff" * 7), (float, "1", b"\0\0\0\0\0\0\xf0\x3f"), (bool, "True", b"\1"),
            (str, "'pä'", "pä".encode()), (bytes, "b'\\x00\\xff'", b"\0\xff"), (list, "[1, 2]", b"[1,2]"),
            (Basket, "Basket(['a'], 1.5)", b'{"items":["a"],"total":1.5}'),
        ]
        for kind, value, stored in cases:
            with self.subTest(kind):
                harness, _ = operator(v=lambda app: app.value("v", kind))
                read(harness.send(f"v.set({value})", "k"))
                self.assertEqual(harness._host._live("v", b"k"), {b"": stored})
                read(harness.send("(v.set(v.get()), v.get() == %s)[1] or 1/0" % value, "k"))
        harness, _ = operator(v=lambda app: app.value("v", int, codec=ms.U16))
        read(harness.send("v.set(258)", "k"))
        self.assertEqual(harness._host._live("v", b"k"), {b"": b"\2\1"})
        self.assertIn("does not fit", harness.send("v.set(65536)", "k").failed[0].reason)

    def test_what_cannot_be_stored_fails_the_record(self) -> None:
        harness, _ = operator(n=lambda app: app.value("n", int), t=lambda app: app.value("t", str))
        outcome = harness.send_all([Input("n.set('x')", "k"), Input("n.set(2**63)", "k"), Input("t.set(1)", "k"), Input("n.set(1)")])
        reasons = [failure.reason.split("\n")[0] for failure in outcome.failed]
        self.assertEqual(reasons[0], "TypeError: state `n`: an integer of 64 bits is wanted, not str")
        self.assertEqual(reasons[1], "ValueError: state `n`: 9223372036854775808 does not fit into an integer of 64 bits")
        self.assertEqual(reasons[2], "TypeError: state `t`: str is wanted, not int")
        self.assertEqual(reasons[3], "this record has no key, and state is kept by key")

    def test_values_expire(self) -> None:
        harness, _ = operator(n=lambda app: app.value("n", int, ttl="1h30m"))
        read(harness.send("n.set(1)", "k"))
        harness.set_now_ms(5_399_999)
        self.assertEqual(read(harness.send("n.get()", "k")), [1])
        harness.set_now_ms(5_400_000)
        self.assertEqual(read(harness.send("n.get()", "k")), [None])

    def test_a_swap_takes_the_state_over(self) -> None:
        before, _ = operator(n=lambda app: app.value("n", int), gone=lambda app: app.value("gone", int))
        read(before.send("(n.set(5), gone.set(1))", "k"))
        after, _ = operator(new=lambda app: app.value("new", str), n=lambda app: app.value("n", int))
        self.assertEqual(read(after.adopt_state(before).send("n.get()", "k")), [5])


class Maps(unittest.TestCase):
    def test_maps_are_ordered_and_undone(self) -> None:
        harness, _ = operator(m=lambda app: app.map("m", int, str))
        setting = "[m.__setitem__(n, str(n)) for n in (300, -1, 0, 255)] and None"
        listing = "list(m.items())"
        outcome = harness.send_all([
            Input(setting, "a"), Input("[m.set(7, 'x'), m.delete(0), m.set(300, 'y')]", "a", headers=FAIL),
            Input(listing, "a"), Input("m.clear()", "a", headers=FAIL), Input("m[-1]", "a"), Input("list(m.items(0, 300))", "a"),
        ])
        self.assertEqual(outcome.emitted[1].json()["is"], [[-1, "-1"], [0, "0"], [255, "255"], [300, "300"]])
        self.assertEqual([emitted.json()["is"] for emitted in outcome.emitted[2:]], ["-1", [[0, "0"], [255, "255"]]])
        self.assertEqual(read(harness.send_all([
            Input("m.delete(0)", "a"), Input("m.clear()", "b"), Input("[0 in m, m.get(0, 'none'), m.get(255)]", "a"),
            Input("(m.clear(), m.set(5, 'five')) and None", "a"), Input(listing, "a"),
        ]))[2:], [[False, "none", "255"], None, [[5, "five"]]])
        self.assertEqual(read(harness.send(listing, "a")), [[[5, "five"]]])

    def test_a_long_map_is_read_page_by_page(self) -> None:
        harness, _ = operator(m=lambda app: app.map("m", str, int))
        read(harness.send("[m.set(f'{n:04}', n) for n in range(1000)] and None", "k"))
        self.assertEqual(read(harness.send("[m.delete('0300'), m.set('0256x', 1), sum(1 for _ in m.items())][2]", "k")), [1000])

    def test_a_field_that_is_not_there_is_a_key_error(self) -> None:
        harness, _ = operator(m=lambda app: app.map("m", str, int))
        self.assertTrue(harness.send("m['x']", "k").failed[0].reason.startswith("KeyError: 'x'"))


class Lists(unittest.TestCase):
    def test_lists_keep_order_and_are_undone(self) -> None:
        harness, _ = operator(l=lambda app: app.list("l", int))
        outcome = harness.send_all([
            Input("[l.append(n) for n in range(3)] and None", "a"), Input("[l.append(9), l.clear(), l.append(8)]", "a", headers=FAIL),
            Input("[len(l), list(l)]", "a"), Input("l.append(3)", "a"),
        ])
        self.assertEqual(outcome.emitted[1].json()["is"], [3, [0, 1, 2]])
        self.assertEqual(read(harness.send("list(l.elements(2))", "a")), [[2, 3]])
        self.assertEqual(read(harness.send_all([Input("l.clear()", "a"), Input("l.append(5)", "a"), Input("list(l)", "a")]))[2], [5])
        read(harness.send("[l.append(n) for n in range(999)] and None", "a"))
        self.assertEqual(read(harness.send("[len(l), sum(l)]", "a")), [[1000, 5 + 999 * 998 // 2]])


if __name__ == "__main__":
    unittest.main()
