use millstream_guest::testing::{Harness, Input};
use serde_json::{Value, json};

use super::Velocity;

const START_MS: i64 = 1_700_000_040_000;

fn payment(user: &str, ts: i64, amount: f64, country: &str) -> Input {
    let payment = json!({
        "payment_id": ts, "user_id": user, "merchant_id": "m1", "amount": amount, "currency": "EUR",
        "card_country": country, "ts": ts,
    });
    Input::json(&payment).key(user).timestamp_ms(ts)
}

fn velocity() -> Harness<Velocity> {
    Harness::new("{}").unwrap()
}

#[test]
fn each_payment_comes_out_with_its_user_s_features() {
    let mut velocity = velocity();
    let outcome = velocity.send_all([
        payment("a", START_MS, 10.10, "DE"),
        payment("b", START_MS, 99.0, "DE"),
        payment("a", START_MS + 1_000, 0.20, "BR"),
    ]);
    let emitted: Vec<Value> = outcome.unwrap().emitted.iter().map(|record| record.json()).collect();
    assert_eq!(emitted.len(), 3);
    assert_eq!(emitted[0]["features"]["since_last_ms"], Value::Null);
    assert_eq!(emitted[2]["payment_id"], json!(START_MS + 1_000));
    let features = json!({
        "count_5m": 2, "spend_5m": 10.3, "count_1h": 2, "spend_1h": 10.3, "since_last_ms": 1000, "country_changed": true,
    });
    assert_eq!(emitted[2]["features"], features);
}

#[test]
fn windows_slide_with_the_payments_own_time() {
    let mut velocity = velocity();
    let mut features = |minutes: i64| {
        let record = payment("a", START_MS + minutes * 60_000, 1.0, "DE");
        let features = velocity.send(record).unwrap().only().json::<Value>()["features"].take();
        (features["count_5m"].as_u64().unwrap(), features["count_1h"].as_u64().unwrap())
    };
    assert_eq!(features(0), (1, 1));
    assert_eq!(features(4), (2, 2));
    assert_eq!(features(5), (2, 3));
    assert_eq!(features(3), (2, 2), "out of order: as things stood then");
    assert_eq!(features(59), (1, 5));
    assert_eq!(features(60), (2, 5), "the first one is out");
    assert_eq!(features(500), (1, 1));
}

#[test]
fn what_is_no_payment_leaves_no_trace() {
    let mut velocity = velocity();
    let outcome = velocity.send_all([
        Input::bytes("{}").key("a"),
        payment("a", START_MS, 1.0, "DE"),
        Input::json(&json!({ "payment_id": 1 })),
    ]);
    let outcome = outcome.unwrap();
    assert_eq!(outcome.failed.len(), 2);
    assert_eq!(outcome.emitted[0].json::<Value>()["features"]["count_1h"], json!(1));
}

#[test]
fn a_user_who_is_long_gone_is_forgotten() {
    let mut velocity = velocity();
    velocity.send(payment("a", START_MS, 1.0, "DE")).unwrap();
    velocity.set_now_ms(7_200_000);
    assert!(velocity.with_state("a", |users| users.history.get().unwrap().is_none()).unwrap());
}
