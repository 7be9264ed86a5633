use millstream_guest::testing::{Harness, Input};
use serde_json::{Value, json};

use super::Score;

fn payment(amount: f64, count: u32, country_changed: bool) -> Input {
    Input::json(&json!({
        "payment_id": "p1", "user_id": "u1", "merchant_id": "m1", "amount": amount, "currency": "EUR", "ts": 7,
        "features": {
            "count_5m": count, "spend_5m": amount, "count_1h": count, "spend_1h": amount,
            "since_last_ms": null, "country_changed": country_changed,
        },
    }))
    .key("u1")
}

fn scored(amount: f64, count: u32, country_changed: bool) -> Value {
    let mut score = Harness::<Score>::new(r#"{ "threshold": 0.7 }"#).unwrap();
    score.send(payment(amount, count, country_changed)).unwrap().only().json()
}

#[test]
fn a_payment_keeps_its_id_and_gets_a_score_and_the_model_s_name() {
    let scored = scored(20.0, 1, false);
    assert_eq!(scored["payment_id"], "p1");
    assert_eq!(scored["model"], "score@1.0.0");
    assert_eq!(scored["flagged"], false);
    assert_eq!(scored["features"]["count_5m"], 1);
    let score = scored["score"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&score), "{score}");
}

#[test]
fn what_is_larger_faster_or_from_elsewhere_scores_higher() {
    let score = |amount, count, changed| scored(amount, count, changed)["score"].as_f64().unwrap();
    assert!(score(500.0, 1, false) > score(20.0, 1, false));
    assert!(score(20.0, 100, false) > score(20.0, 1, false));
    assert!(score(20.0, 1, true) > score(20.0, 1, false));
    assert_eq!(scored(900.0, 300, true)["flagged"], true);
}

#[test]
fn flagged_payments_are_counted() {
    let mut score = Harness::<Score>::new(r#"{ "threshold": 0 }"#).unwrap();
    score.send_all([payment(1.0, 1, false), payment(2.0, 1, false)]).unwrap();
    assert_eq!(score.counter("flagged"), 2);
}

#[test]
fn a_threshold_that_is_none_is_refused() {
    let error = Harness::<Score>::new(r#"{ "threshold": 1.5 }"#).err().unwrap();
    assert_eq!(error.message(), "`threshold` must be between 0 and 1, and is 1.5");
    assert!(Harness::<Score>::new("").is_ok());
}
