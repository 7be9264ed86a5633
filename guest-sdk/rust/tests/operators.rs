//! Operators as authors write them, through the harness.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::borrow::Cow;

use millstream_guest::prelude::*;
use millstream_guest::testing::{Harness, Input};
use millstream_guest::{Guest, Instance};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    limit: f64,
}

#[derive(Deserialize)]
struct Payment<'a> {
    #[serde(borrow)]
    user: Cow<'a, str>,
    amount: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Spend {
    total: f64,
    payments: u32,
}

#[derive(State)]
struct States {
    #[state(version = 2, ttl = "7d")]
    spend: Value<Spend>,
    #[state(prefetch = false, name = "last-amount")]
    last: Value<f64>,
}

struct Limit {
    limit: f64,
}

#[operator(outputs("main", "over"), schema = r#"{"type":"object"}"#)]
impl Operator for Limit {
    type Config = Config;
    type State = States;

    fn configure(config: Config) -> Result<Self> {
        ensure!(config.limit > 0.0, "`limit` must be positive, and is {}", config.limit);
        Ok(Self { limit: config.limit })
    }

    fn process(&mut self, record: Record<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
        let payment: Payment<'_> = record.json()?;
        let spend = ctx.state.spend.update(|spend| {
            spend.total += payment.amount;
            spend.payments += 1;
            spend.clone()
        })?;
        ctx.emit(Output::json(&spend).header("user", payment.user.as_ref()))?;
        if spend.total > self.limit {
            ctx.counter("over").add(1);
            ctx.emit_to("over", Output::same().timestamp_ms(ctx.now_ms()))?;
        }
        if payment.amount > 1_000.0 {
            ctx.state.last.set(payment.amount)?;
        }
        if payment.amount < 0.0 {
            log::warn!("{} pays {}", payment.user, payment.amount);
            ctx.counter("negative").add(1);
            fail!("amount {} is negative", payment.amount);
        }
        Ok(())
    }
}

fn limit() -> Harness<Limit> {
    Harness::new(r#"{ "limit": 10 }"#).unwrap()
}

fn payment(user: &str, amount: f64) -> Input {
    Input::json(&serde_json::json!({ "user": user, "amount": amount })).key(user)
}

#[test]
fn what_an_operator_declares_is_what_its_types_say() {
    let description = Instance::<Limit>::describe();
    assert_eq!(description.outputs, ["main", "over"]);
    assert_eq!(description.config_schema.as_deref(), Some(r#"{"type":"object"}"#));
    let [spend, last] = description.states.as_slice() else { panic!("two states") };
    assert_eq!((spend.name.as_str(), spend.schema_version, spend.ttl_ms), ("spend", 2, Some(604_800_000)));
    assert_eq!((last.name.as_str(), last.schema_version, last.ttl_ms), ("last-amount", 1, None));
    assert_eq!((spend.prefetch, last.prefetch), (true, false));
}

#[test]
fn a_configuration_is_refused_with_the_reason() {
    let reason = |config| Harness::<Limit>::new(config).err().unwrap().message().to_owned();
    assert_eq!(reason(r#"{"limit":-1}"#), "`limit` must be positive, and is -1");
    assert!(reason(r#"{"limt":1}"#).contains("unknown field `limt`, expected `limit`"));
    assert!(reason("").contains("missing field `limit`"));
}

#[test]
fn state_is_kept_by_key_within_a_batch_and_from_batch_to_batch() {
    let mut limit = limit();
    let outcome = limit.send_all([payment("a", 4.0), payment("b", 1.0), payment("a", 5.0)]).unwrap();
    let totals: Vec<_> = outcome.of("main").map(|record| record.json::<Spend>().total).collect();
    assert_eq!(totals, [4.0, 1.0, 9.0]);
    let outcome = limit.send(payment("a", 2.0)).unwrap();
    assert_eq!(outcome.of("main").next().unwrap().json::<Spend>(), Spend { total: 11.0, payments: 3 });
    assert_eq!(outcome.of("over").count(), 1);
    assert_eq!(limit.counter("over"), 1);
    let stored = limit.with_state("b", |state| state.spend.get().unwrap().cloned()).unwrap();
    assert_eq!(stored, Some(Spend { total: 1.0, payments: 1 }));
}

#[test]
fn a_record_that_fails_leaves_no_state_and_no_output() {
    let mut limit = limit();
    limit.set_log_level(log::Level::Warn);
    let records = [payment("a", 8.0), payment("a", -1.0), Input::bytes("no json").key("a"), payment("a", 1.0)];
    let outcome = limit.send_all(records).unwrap();
    let totals: Vec<_> = outcome.of("main").map(|record| (record.source, record.json::<Spend>())).collect();
    assert_eq!(totals, [(0, Spend { total: 8.0, payments: 1 }), (3, Spend { total: 9.0, payments: 2 })]);
    let [negative, malformed] = outcome.failed.as_slice() else { panic!("two failures") };
    assert_eq!((negative.record, negative.reason.as_str()), (1, "amount -1 is negative"));
    assert_eq!(malformed.record, 2);
    assert!(malformed.reason.contains("line 1 column"), "{}", malformed.reason);
    assert_eq!(limit.counter("negative"), 1, "a metric stays");
    assert_eq!(limit.log(), [(log::Level::Warn, "a pays -1".to_owned())]);
}

#[test]
fn what_is_not_said_of_an_output_is_the_input_s() {
    let mut limit = limit();
    limit.set_now_ms(77);
    let record = payment("a", 20.0).timestamp_ms(5).header("trace", "t1");
    let outcome = limit.send(record).unwrap();
    let [main, over] = outcome.emitted.as_slice() else { panic!("two records") };
    assert_eq!((main.key_str(), main.timestamp_ms), (Some("a"), 5));
    let header = |name: &str, value: &str| (name.to_owned(), Some(value.as_bytes().to_vec()));
    assert_eq!(main.headers, [header("trace", "t1"), header("user", "a")]);
    assert_eq!((over.output, over.timestamp_ms), ("over", 77));
    assert_eq!(over.headers, [header("trace", "t1")]);
    assert_eq!(over.json::<serde_json::Value>(), serde_json::json!({ "user": "a", "amount": 20.0 }));
}

#[test]
fn state_without_a_key_fails_the_record() {
    let outcome = limit().send_all([Input::json(&serde_json::json!({ "user": "a", "amount": 1 }))]).unwrap();
    assert_eq!(outcome.failed[0].reason, "this record has no key, and state is kept by key");
}

#[test]
fn prefetched_state_takes_no_host_call_and_other_state_only_where_it_is_touched() {
    let mut limit = limit();
    limit.send_all((0..100).map(|user| payment(&user.to_string(), 1.0))).unwrap();
    assert_eq!(limit.state_calls(), 0);
    limit.send_all([payment("a", 2_000.0), payment("b", 2_001.0)]).unwrap();
    assert_eq!(limit.state_calls(), 1, "both are written at once");
    let last = limit.with_state("b", |state| state.last.get().unwrap().copied()).unwrap();
    assert_eq!(last, Some(2_001.0));
}

#[test]
fn state_that_does_not_decode_fails_the_record_that_needs_it() {
    #[derive(State)]
    struct Other {
        spend: Value<String>,
    }

    #[derive(Default)]
    struct Write;

    impl Operator for Write {
        type Config = millstream_guest::NoConfig;
        type State = Other;
        type Reads = ();
        type Writes = ();

        fn configure(_: Self::Config) -> Result<Self> {
            Ok(Self)
        }

        fn process(&mut self, record: Record<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
            ctx.state.spend.set(record.text()?.to_owned())
        }
    }

    let mut write = Harness::<Write>::new("").unwrap();
    write.send(Input::bytes("not a spend").key("a")).unwrap();
    let mut limit = limit().adopt_state(write);
    let outcome = limit.send_all([payment("a", 1.0), payment("b", 1.0)]).unwrap();
    assert_eq!(outcome.emitted.len(), 1);
    assert!(outcome.failed[0].reason.starts_with("state `spend`: what is stored does not decode: "));
}

#[test]
fn values_expire_by_the_host_s_clock() {
    let mut limit = limit();
    limit.send(payment("a", 1.0)).unwrap();
    limit.set_now_ms(604_800_000 - 1);
    assert_eq!(limit.send(payment("a", 1.0)).unwrap().only().json::<Spend>().total, 2.0);
    limit.set_now_ms(2 * 604_800_000);
    assert_eq!(limit.send(payment("a", 1.0)).unwrap().only().json::<Spend>().total, 1.0);
}

#[test]
fn a_batch_without_records_is_fine() {
    assert_eq!(limit().send_all([]).unwrap(), millstream_guest::testing::Outcome::default());
}
