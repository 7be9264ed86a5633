//! Operators of typed columns, through the harness: JSON in, JSON out.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::borrow::Cow;

use millstream_guest::contract::{BatchInput, BatchOutput, BytesColumn, ColumnType, OutputBatch, RecordBatch};
use millstream_guest::prelude::*;
use millstream_guest::testing::{Harness, Input};
use millstream_guest::{BatchInstance, BatchOperator, ColumnBuilder, FieldColumn, Guest, Instance};

#[derive(Fields)]
struct Payment<'a> {
    user: &'a str,
    amount: f64,
    n: Option<i64>,
    flag: Option<bool>,
    #[field(path = "/more/extra")]
    extra: Option<RawJson<'a>>,
}

#[derive(Fields)]
struct Scored<'a> {
    user: Cow<'a, str>,
    total: f64,
    #[field(path = "/next/n")]
    n: Option<i64>,
    #[field(path = "/next/flag")]
    flag: Option<bool>,
    label: Option<String>,
    extra: Option<RawJson<'a>>,
}

#[derive(State)]
struct Totals {
    total: Value<f64>,
}

#[derive(Default)]
struct Score;

#[operator(reads = Payment<'_>, writes = Scored<'_>, outputs("main", "flagged"))]
impl Operator for Score {
    type State = Totals;

    fn process(&mut self, record: Record<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
        let payment = ctx.fields()?;
        let total = ctx.state.total.get()?.copied().unwrap_or(0.0) + payment.amount;
        ctx.state.total.set(total)?;
        let scored = Scored {
            user: payment.user.into(),
            total,
            n: payment.n,
            flag: payment.flag.map(|flag| !flag),
            label: payment.n.map(|n| format!("n={n}")),
            extra: payment.extra,
        };
        ctx.emit(Output::fields(&scored))?;
        match payment.flag {
            Some(true) => ctx.emit_to("flagged", Output::fields(&scored).key("flagged"))?,
            Some(false) => ctx.emit_to("flagged", Output::tombstone())?,
            None => {}
        }
        ensure!(payment.amount >= 0.0, "{} pays {} at {}", payment.user, payment.amount, record.timestamp_ms());
        Ok(())
    }
}

fn score() -> Harness<Score> {
    Harness::new("").unwrap()
}

fn texts<'a>(records: impl Iterator<Item = &'a millstream_guest::testing::Emitted>) -> Vec<Option<&'a str>> {
    records.map(|record| record.text()).collect()
}

#[test]
fn the_structs_say_what_is_declared() {
    let description = Instance::<Score>::describe();
    let fields: Vec<_> =
        description.reads.iter().map(|field| (field.path.as_str(), field.kind, field.optional)).collect();
    let expected = [
        ("/user", ColumnType::Utf8, false),
        ("/amount", ColumnType::Float64, false),
        ("/n", ColumnType::Int64, true),
        ("/flag", ColumnType::Boolean, true),
        ("/more/extra", ColumnType::Bytes, true),
    ];
    assert_eq!(fields, expected);
    assert_eq!(description.writes.len(), 6);
    assert!(!description.raw_values);
}

#[test]
fn fields_come_from_json_and_go_into_json() {
    let mut score = score();
    let record = r#"{"user":"a\"nn","amount":1.5,"n":-7,"flag":true,"more":{"extra":[1, {"x":null}]}}"#;
    let outcome = score.send(Input::bytes(record).key("a")).unwrap();
    let whole = r#"{"user":"a\"nn","total":1.5,"next":{"n":-7,"flag":false},"label":"n=-7","extra":[1, {"x":null}]}"#;
    assert_eq!(texts(outcome.of("main")), [Some(whole)]);
    assert_eq!(outcome.of("flagged").next().unwrap().key_str(), Some("flagged"));
    let outcome = score.send(Input::bytes(r#"{"amount":2,"user":"ann","n":null}"#).key("a")).unwrap();
    assert_eq!(outcome.only().text(), Some(r#"{"user":"ann","total":3.5}"#));
}

#[test]
fn a_record_without_what_is_read_fails_as_on_the_host() {
    let records = [
        r#"{"user":"a"}"#,
        r#"{"user":"a","amount":1}"#,
        r#"{"user":null,"amount":1}"#,
        r#"{"user":"a","amount":"1"}"#,
        r#"{"user":"a","amount":1,"n":1.5}"#,
        r#"{"user":"a","amount":1,"flag":0}"#,
    ];
    let records = records.map(|record| Input::bytes(record).key("a"));
    let outcome = score().send_all(records.into_iter().chain([Input::tombstone().key("a")])).unwrap();
    let reasons: Vec<_> = outcome.failed.iter().map(|failed| (failed.record, failed.reason.as_str())).collect();
    let expected = [
        (0, "/amount is missing"),
        (2, "/user is null"),
        (3, "/amount: `\"1\"` where a number is declared"),
        (4, "/n: `1.5` where an integer of 64 bits is declared"),
        (5, "/flag: `0` where true or false is declared"),
        (6, "/user is missing: the record is a tombstone and has no value"),
    ];
    assert_eq!(reasons, expected);
    assert_eq!(outcome.emitted[0].source, 1);
}

#[test]
fn a_record_that_fails_takes_its_fields_back() {
    let payment = |amount: &str| Input::bytes(format!(r#"{{"user":"u","amount":{amount},"flag":true}}"#)).key("a");
    let outcome = score().send_all([payment("1"), payment("-1"), payment("2")]).unwrap();
    let totals: Vec<_> = outcome.of("main").map(|record| (record.source, record.json::<serde_json::Value>())).collect();
    assert_eq!((totals[0].0, &totals[0].1["total"]), (0, &serde_json::json!(1.0)));
    assert_eq!((totals[1].0, &totals[1].1["total"]), (2, &serde_json::json!(3.0)));
    assert_eq!(outcome.failed[0].reason, "u pays -1 at 0");
}

#[test]
fn what_json_cannot_hold_fails_its_record_with_the_field() {
    let payment = || Input::bytes(r#"{"user":"u","amount":1e308}"#).key("a");
    let outcome =
        score().send_all([payment(), payment(), Input::bytes(r#"{"user":"u","amount":0}"#).key("b")]).unwrap();
    assert_eq!(outcome.emitted.len(), 2);
    assert_eq!(outcome.failed[0].reason, "/total: inf has no form in JSON");
}

#[test]
fn an_output_may_have_fields_and_values_whatever_comes_first() {
    let payment = |flag: &str| Input::bytes(format!(r#"{{"user":"u","amount":1,"flag":{flag}}}"#)).key("a");
    for flags in [["true", "false", "true"], ["false", "true", "false"], ["true", "true", "false"]] {
        let outcome = score().send_all(flags.map(payment)).unwrap();
        let flagged = texts(outcome.of("flagged"));
        assert_eq!(flagged.len(), 3);
        for (flag, text) in flags.into_iter().zip(flagged) {
            assert_eq!(text.is_some(), flag == "true", "{flags:?}");
            assert!(text.is_none_or(|text| text.starts_with(r#"{"user":"u","total":"#)), "{text:?}");
        }
    }
}

/// Emits the value beside a field of it.
#[derive(Default)]
struct Raw;

#[derive(Fields)]
struct OnlyAmount {
    amount: i64,
}

#[operator(reads = OnlyAmount, raw_values)]
impl Operator for Raw {
    fn process(&mut self, record: Record<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
        let amount = ctx.fields()?.amount.to_string();
        ensure!(record.text()?.contains(&amount), "another record");
        ctx.emit(Output::same().header("amount", &amount))
    }
}

/// Wants what is not passed.
#[derive(Default)]
struct NotRaw;

#[operator(reads = OnlyAmount)]
impl Operator for NotRaw {
    fn process(&mut self, record: Record<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
        match ctx.fields()?.amount {
            1 => ctx.emit(Output::same()),
            _ => record.text().map(|_| ()),
        }
    }
}

#[test]
fn values_are_passed_where_they_are_declared() {
    let mut raw = Harness::<Raw>::new("").unwrap();
    assert!(Instance::<Raw>::describe().raw_values);
    let outcome = raw.send(Input::bytes(r#"{ "amount": 9007199254740993 }"#)).unwrap();
    assert_eq!(outcome.only().text(), Some(r#"{ "amount": 9007199254740993 }"#));
    assert_eq!(outcome.only().headers, [("amount".to_owned(), Some(b"9007199254740993".to_vec()))]);
    let mut not_raw = Harness::<NotRaw>::new("").unwrap();
    let outcome = not_raw.send_all([Input::bytes(r#"{"amount":1}"#), Input::bytes(r#"{"amount":2}"#)]).unwrap();
    assert!(outcome.failed.iter().all(|failed| failed.reason.contains("declare `raw_values`")), "{outcome:?}");
    assert_eq!(outcome.failed.len(), 2);
}

/// Doubles whole columns.
#[derive(Default)]
struct Double;

#[operator(reads = Payment<'_>, writes = Scored<'_>)]
impl BatchOperator for Double {
    fn process(&mut self, input: BatchInput) -> Result<BatchOutput> {
        let rows = input.batch.count as usize;
        let payments = Payment::columns(&input.batch.columns)?;
        let totals: Vec<f64> = payments.amount.iter().map(|amount| amount * 2.0).collect();
        let n: Vec<Option<i64>> = (0..rows).map(|row| payments.n.value(row)).collect();
        let flags: Vec<Option<bool>> = (0..rows).map(|row| payments.flag.value(row)).collect();
        let labels: ColumnBuilder = payments.user.iter().map(|user| user.map(str::as_bytes)).collect();
        let [users, .., extra] = input.batch.columns.as_slice() else { panic!("five columns") };
        let columns = Scored::written(
            rows,
            [users.clone().into(), totals.into(), n.into(), flags.into(), labels.into(), extra.clone().into()],
        )?;
        let sources = (0..rows as u32).flat_map(u32::to_le_bytes).collect();
        let batch = RecordBatch { values: BytesColumn::absent(), columns, ..input.batch };
        Ok(BatchOutput { outputs: vec![OutputBatch { output: 0, sources, batch }], ..BatchOutput::empty() })
    }
}

#[test]
fn whole_columns_go_in_and_come_out() {
    let description = BatchInstance::<Double>::describe();
    assert_eq!((description.reads.len(), description.writes.len()), (5, 6));
    let texts = |texts: [Option<&str>; 2]| -> ColumnBuilder { texts.iter().map(|it| it.map(str::as_bytes)).collect() };
    let columns = Payment::written(
        2,
        [
            texts([Some("ann"), Some("bob")]).into(),
            vec![1.5, -2.0].into(),
            vec![None, Some(7_i64)].into(),
            vec![Some(true), None].into(),
            texts([None, Some("[1]")]).into(),
        ],
    );
    let batch = RecordBatch {
        count: 2,
        keys: [None, None].into_iter().collect::<ColumnBuilder>().finish(),
        values: BytesColumn::absent(),
        timestamps: vec![0; 16],
        columns: columns.unwrap(),
        ..RecordBatch::empty()
    };
    let mut double = BatchInstance::<Double>::configure("").unwrap();
    let (groups, group_keys) = (Vec::new(), BytesColumn::empty());
    let input = BatchInput { batch, groups, group_keys, states: Vec::new(), watermark: 0 };
    let output = double.process(input).unwrap();
    let written = Scored::columns(&output.outputs[0].batch.columns).unwrap();
    assert_eq!(written.total.to_vec(), [3.0, -4.0]);
    assert_eq!((written.n.value(0), written.n.value(1)), (None, Some(7)));
    assert_eq!((written.flag.value(0), written.flag.value(1)), (Some(true), None));
    assert_eq!(written.user.iter().collect::<Vec<_>>(), [Some("ann"), Some("bob")]);
    assert_eq!((written.extra.get(0), written.extra.get(1)), (None, Some(&b"[1]"[..])));
    assert!(output.outputs[0].batch.values.is_absent());
}

/// Emits fields from a timer, which has none of its own.
#[derive(Default)]
struct Later;

#[operator(reads = OnlyAmount, writes = OnlyAmount)]
impl Operator for Later {
    fn process(&mut self, _: Record<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
        ctx.set_event_timer("later", ctx.fields()?.amount)
    }

    fn on_timer(&mut self, timer: Timer<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
        ensure!(ctx.fields().is_err(), "a timer has fields");
        ctx.emit(Output::fields(&OnlyAmount { amount: timer.time_ms() }))
    }
}

#[test]
fn a_timer_writes_fields_and_has_none() {
    let mut later = Harness::<Later>::new("").unwrap();
    later.send(Input::bytes(r#"{"amount":5}"#).key("a")).unwrap();
    assert_eq!(later.advance_watermark_ms(5).unwrap().only().text(), Some(r#"{"amount":5}"#));
}

#[test]
fn columns_that_do_not_fit_are_refused() {
    #[derive(Fields)]
    #[allow(dead_code)]
    struct Two {
        a: f64,
        b: Option<bool>,
    }

    let reason = |columns: [FieldColumn; 2]| Two::written(2, columns).unwrap_err().message().to_owned();
    assert_eq!(reason([vec![1_i64, 2].into(), vec![true, false].into()]), "the column of /a is not of float64");
    assert_eq!(reason([vec![1.0].into(), vec![true, false].into()]), "the column of /a does not have 2 values");
    let nulls = reason([vec![Some(1.0), None].into(), vec![true, false].into()]);
    assert_eq!(nulls, "the column of /a has nulls, and the field is not optional");
    let columns = Two::written(2, [vec![1.0, 2.0].into(), vec![None, Some(true)].into()]).unwrap();
    assert_eq!((columns[1].name.as_str(), &columns[1].data, &columns[1].validity), ("/b", &vec![0b10], &vec![0b10]));
}
