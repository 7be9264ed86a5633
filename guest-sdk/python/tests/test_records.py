"""Single records: what a function is given, what it emits, and how records fail."""

import unittest
from dataclasses import dataclass
from typing import Any, Dict, Optional

import millstream as ms
from millstream.testing import Harness, Input


class Payment(ms.Record):
    user: str
    amount: float
    retry: Optional[bool]
    id: int = ms.field("/payment/id", default=0)


class Scored(ms.Record):
    user: str
    score: float
    note: Optional[str] = None


class Outputs(unittest.TestCase):
    def test_what_is_not_said_of_a_record_is_as_in_the_input(self) -> None:
        app = ms.Operator(outputs=["main", "copies", "deleted"])

        @app.process
        def process(message: ms.Message, ctx: ms.Context) -> None:
            if message.value is None:
                return ctx.emit(ms.TOMBSTONE, to="deleted")
            ctx.emit({"n": 1.0, "t": "ö"}, key="other", timestamp_ms=7)
            ctx.emit("as it is", key=None, headers={"model": "a"})
            ctx.emit(ms.SAME, to="copies", keep_headers=False)

        harness = Harness(app)
        outcome = harness.send_all([Input(b"x", "k", 3, {"h": "1"}), Input(None, "k")])
        first, second = outcome.of("main")
        self.assertEqual((first.text, first.key, first.timestamp_ms), ('{"n":1.0,"t":"ö"}', b"other", 7))
        self.assertEqual(first.headers, [("h", b"1")])
        self.assertEqual((second.text, second.key, second.timestamp_ms), ("as it is", None, 3))
        self.assertEqual(second.headers, [("h", b"1"), ("model", b"a")])
        (copy,) = outcome.of("copies")
        self.assertEqual((copy.value, copy.key, copy.headers), (b"x", b"k", []))
        (deleted,) = outcome.of("deleted")
        self.assertEqual((deleted.value, deleted.key, deleted.source), (None, b"k", 1))

    def test_a_returned_value_is_emitted_and_a_generator_emits_each(self) -> None:
        one, many = ms.Operator(), ms.Operator()

        @one.process
        def returned(value: Dict[str, Any]) -> Optional[Dict[str, Any]]:
            return value if value["keep"] else None

        @many.process
        def yielded(text: str, ctx: ms.Context) -> Any:
            yield text.upper()
            yield ms.SAME

        outcome = Harness(one).send_all([Input({"keep": True}), Input({"keep": False})])
        self.assertEqual([emitted.json() for emitted in outcome.emitted], [{"keep": True}])
        self.assertEqual([emitted.text for emitted in Harness(many).send("a").emitted], ["A", "a"])

    def test_an_output_that_is_not_declared_fails_the_record(self) -> None:
        app = ms.Operator(outputs=["main", "late"])

        @app.process
        def process(message: ms.Message, ctx: ms.Context) -> None:
            ctx.emit("a")
            ctx.emit("b", to="lat")

        outcome = Harness(app).send("x")
        self.assertEqual(outcome.emitted, [])
        self.assertEqual(outcome.failed[0].reason, "output `lat` is not declared: there are `main`, `late`")

    def test_json_is_read_the_same_wherever_it_is_in_the_batch(self) -> None:
        app = ms.Operator()

        @app.process
        def process(message: ms.Message) -> Any:
            return {"read": message.json()}

        values = ['{"a":1}', " 12 ", "1", "2", '"ö"', "null", "[", '{"a":1', '"b":2}', "1,2", "NaN", "", "true"]
        for batch in (values, [value for value in values if value.isascii()]):
            outcome = Harness(app).send_all([Input(value) for value in batch])
            read = {batch[emitted.source]: emitted.json()["read"] for emitted in outcome.emitted}
            self.assertEqual(read, {v: r for v, r in (
                ('{"a":1}', {"a": 1}), (" 12 ", 12), ("1", 1), ("2", 2), ('"ö"', "ö"), ("null", None), ("true", True)
            ) if v in batch})
            self.assertTrue(all(failure.reason.startswith("the value is not JSON: ") for failure in outcome.failed))

    def test_json_is_read_into_a_type(self) -> None:
        @dataclass
        class Document:
            n: int
            of: Optional[str]

        app = ms.Operator()

        @app.process
        def process(message: ms.Message) -> Any:
            return message.json(Document).n

        outcome = Harness(app).send_all([Input({"n": 1, "more": 2}), Input({"n": "1"}), Input({}), Input(None)])
        self.assertEqual([emitted.text for emitted in outcome.emitted], ["1"])
        reasons = [failure.reason for failure in outcome.failed]
        self.assertEqual(reasons[0], "the value is no Document: /n: an integer is wanted, not a text ('1')")
        self.assertEqual(reasons[1], "the value is no Document: missing field `n`")
        self.assertEqual(reasons[2], "this record has no value: it is a tombstone")


class Typed(unittest.TestCase):
    def operator(self, **options: Any) -> Any:
        app = ms.Operator(writes=Scored, **options)

        @app.process
        def process(payment: Payment, ctx: ms.Context) -> Any:
            if payment.user == "same":
                return ctx.emit(ms.SAME)
            if payment.user == "json":
                return ctx.emit({"other": 1})
            score: Any = "high" if payment.user == "wrong" else float("nan") if payment.user == "nan" else payment.amount
            return Scored(payment.user, score, f"{payment.retry} {payment.id}")

        return Harness(app)

    def test_fields_are_read_and_written(self) -> None:
        outcome = self.operator().send_all([
            Input({"user": "ö", "amount": 1, "payment": {"id": 7}}), Input({"user": "b", "amount": 2.5, "retry": True, "payment": {"id": 1}}),
        ])
        self.assertEqual([emitted.text for emitted in outcome.emitted], [
            '{"user":"ö","score":1.0,"note":"None 7"}', '{"user":"b","score":2.5,"note":"True 1"}',
        ])

    def test_a_record_that_lacks_a_field_fails_before_the_program_sees_it(self) -> None:
        payment = {"user": "a", "amount": 1, "payment": {"id": 1}}
        outcome = self.operator().send_all([
            Input({**payment, "user": None}), Input(payment), Input({**payment, "amount": "1"}), Input(None),
            Input({**payment, "payment": {"id": 1.5}}), Input("nope"),
        ])
        self.assertEqual([(f.record, f.reason.partition(": Exp")[0]) for f in outcome.failed], [
            (0, "/user is null"), (2, '/amount: `"1"` where a number is declared'),
            (3, "/user is missing: the record is a tombstone and has no value"),
            (4, "/payment/id: `1.5` where an integer of 64 bits is declared"), (5, "the value is not JSON"),
        ])
        self.assertEqual(outcome.emitted[0].source, 1)

    def test_what_a_field_does_not_take_fails_its_record_alone(self) -> None:
        users = ["a", "wrong", "nan", "b"]
        outcome = self.operator().send_all([Input({"user": u, "amount": 1, "payment": {"id": 1}}) for u in users])
        self.assertEqual([emitted.source for emitted in outcome.emitted], [0, 3])
        self.assertEqual([failure.reason for failure in outcome.failed], [
            "`score` is 'high', and the field `/score` takes a number", "`score` is nan, and the field `/score` takes a number",
        ])

    def test_typed_records_and_others_go_to_one_output(self) -> None:
        users = ["a", "json", "b", "same"]
        records = [Input({"user": u, "amount": 1, "payment": {"id": 1}}) for u in users]
        outcome = self.operator(raw_values=True).send_all(records)
        self.assertEqual([emitted.json().get("user") for emitted in outcome.emitted], ["a", None, "b", "same"])
        self.assertEqual(outcome.emitted[3].value, records[3]._value())
        with self.assertRaisesRegex(ms.Failure, "raw_values=True"):
            self.operator().send(records[3])

    def test_records_may_be_within_records(self) -> None:
        class User(ms.Record):
            id: str
            age: Optional[int]

        class Visit(ms.Record):
            user: User
            any: dict  # type: ignore[type-arg]
            raw: bytes

        app = ms.Operator()

        @app.process
        def process(visit: Visit) -> Any:
            return [visit.user.id, visit.user.age, visit.any["x"], visit.raw.decode()]

        harness = Harness(app)
        self.assertEqual([r.path for r in app._describe().reads], ["/user/id", "/user/age", "/any", "/raw"])
        record = Input({"user": {"id": "u"}, "any": {"x": [1]}, "raw": {"y": 2}})
        self.assertEqual(harness.send(record).only().json(), ["u", None, [1], '{"y":2}'])


class Failures(unittest.TestCase):
    def test_an_exception_fails_the_record_with_its_place(self) -> None:
        app = ms.Operator()

        def inner(text: str) -> int:
            return int(text)

        @app.process
        def process(text: str) -> int:
            return inner(text)

        outcome = Harness(app).send_all([Input("1"), Input("x"), Input("2")])
        self.assertEqual([emitted.text for emitted in outcome.emitted], ["1", "2"])
        lines = outcome.failed[0].reason.split("\n")
        self.assertEqual(lines[0], "ValueError: invalid literal for int() with base 10: 'x'")
        self.assertRegex(lines[1], r'  File ".*test_records.py", line \d+, in process')
        self.assertIn("return int(text)", outcome.failed[0].reason)
        self.assertNotIn("_rows.py", outcome.failed[0].reason)

    def test_a_failure_is_its_reason_alone(self) -> None:
        app = ms.Operator()

        @app.process
        def process(text: str, ctx: ms.Context) -> None:
            ctx.fail(f"no: {text}")

        self.assertEqual(Harness(app).send("x").failed[0].reason, "no: x")


class Programs(unittest.TestCase):
    def test_mistakes_of_a_program_are_said(self) -> None:
        def twice() -> None:
            app = ms.Operator()
            app.value("a", int)
            app.list("a", int)

        def name() -> None:
            ms.Operator(outputs=["Main"])

        def ttl() -> None:
            ms.Operator().value("a", int, ttl="7 days")

        def coroutine() -> None:
            @ms.Operator().process
            async def process(message: ms.Message) -> None: ...

        def parameter() -> None:
            app = ms.Operator()

            @app.process
            def process(amount: float) -> None: ...
            app._check()

        def optional_record() -> None:
            class Inner(ms.Record):
                a: str

            class Outer(ms.Record):
                inner: Optional[Inner]

            ms.Operator(writes=Outer)

        cases = [
            (twice, "state `a` is declared twice"), (name, "output 'Main'"), (ttl, "'7 days' is no duration"),
            (coroutine, "leave `async` out"), (parameter, "`amount: float`"), (optional_record, "make its fields optional"),
        ]
        for mistake, message in cases:
            with self.subTest(message), self.assertRaisesRegex(ms.ProgramError, message):
                mistake()


if __name__ == "__main__":
    unittest.main()
