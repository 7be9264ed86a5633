use millstream_guest::testing::{Harness, Input};
use serde_json::{Value, json};

use super::ParsePayment;

fn parser() -> Harness<ParsePayment> {
    Harness::new("{}").unwrap()
}

fn payment() -> Value {
    json!({
        "payment_id": 17, "user_id": "u000123", "merchant_id": "m0042", "amount": 12.34, "currency": "EUR",
        "card_country": "DE", "ts": 1_700_000_000_000_i64,
    })
}

#[test]
fn a_payment_comes_out_keyed_by_user_at_its_own_time() {
    let outcome = parser().send(Input::json(&payment()).timestamp_ms(5)).unwrap();
    let parsed = outcome.only();
    assert_eq!(parsed.key_str(), Some("u000123"));
    assert_eq!(parsed.timestamp_ms, 1_700_000_000_000);
    assert_eq!(parsed.json::<Value>(), payment());
}

#[test]
fn amounts_are_brought_to_the_base_currency() {
    let mut dollars = payment();
    dollars["currency"] = json!("USD");
    dollars["amount"] = json!(10.01);
    let parsed = parser().send(Input::json(&dollars)).unwrap().only().json::<Value>();
    assert_eq!((&parsed["amount"], &parsed["currency"]), (&json!(9.21), &json!("EUR")));

    let mut other = Harness::<ParsePayment>::new(r#"{ "base": "USD", "rates": { "EUR": 2 } }"#).unwrap();
    let parsed = other.send(Input::json(&payment())).unwrap().only().json::<Value>();
    assert_eq!((&parsed["amount"], &parsed["currency"]), (&json!(24.68), &json!("USD")));
}

#[test]
fn an_id_is_handed_on_as_it_came() {
    for id in [json!("a-\"quoted\"-id"), json!(u64::MAX), json!(0)] {
        let mut payment = payment();
        payment["payment_id"] = id.clone();
        assert_eq!(parser().send(Input::json(&payment)).unwrap().only().json::<Value>()["payment_id"], id);
    }
}

#[test]
fn what_is_no_payment_fails_with_the_reason() {
    let with = |field: &str, value: Value| {
        let mut payment = payment();
        payment[field] = value;
        Input::json(&payment)
    };
    let mut without_user = payment();
    without_user.as_object_mut().unwrap().remove("user_id");
    let bad = [
        (Input::bytes("{"), "EOF while parsing"),
        (Input::bytes(&b"\xff"[..]), "the value is not UTF-8: invalid utf-8 sequence"),
        (Input::tombstone(), "this record has no value: it is a tombstone"),
        (Input::json(&without_user), "missing field `user_id`"),
        (with("payment_id", json!(null)), "`payment_id` is null"),
        (with("payment_id", json!([1])), "`payment_id` is [1]"),
        (with("user_id", json!("")), "`user_id` is empty"),
        (with("amount", json!(-3)), "`amount` is -3 EUR"),
        (with("amount", json!(1e9)), "`amount` is 1000000000 EUR"),
        (with("amount", json!("12")), "invalid type: string"),
        (with("currency", json!("QQQ")), "no rate is configured for currency \"QQQ\""),
        (with("ts", json!(0)), "`ts` is 0, not milliseconds since 1970"),
    ];
    let reasons: Vec<_> = bad.iter().map(|(_, reason)| *reason).collect();
    let outcome = parser().send_all(bad.map(|(input, _)| input)).unwrap();
    assert_eq!(outcome.emitted, []);
    assert_eq!(outcome.failed.len(), reasons.len());
    for (failed, reason) in outcome.failed.iter().zip(reasons) {
        assert!(failed.reason.starts_with(reason), "{:?} does not begin with {reason:?}", failed.reason);
    }
}

#[test]
fn a_senseless_configuration_is_refused() {
    let reason = |config| Harness::<ParsePayment>::new(config).err().unwrap().message().to_owned();
    assert_eq!(reason(r#"{ "rates": { "USD": 0 } }"#), "the rate of USD must be positive, and is 0");
    assert!(reason(r#"{ "rate": {} }"#).contains("unknown field `rate`"));
}
