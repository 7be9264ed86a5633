use millstream_guest::testing::{Harness, Input};
use serde_json::{Value, json};

use super::Score;

/// A payment of a user who paid `usual` each of `count` times in the hour, `lately` of them in 5 minutes.
fn scored(amount: f64, usual: f64, count: u32, lately: u32) -> Value {
    scored_after(amount, usual, count, lately, json!({}))
}

/// The same with features of the last 7 days.
fn scored_after(amount: f64, usual: f64, count: u32, lately: u32, week: Value) -> Value {
    let spend = usual * f64::from(count - 1) + amount;
    let mut payment = json!({
        "payment_id": 9, "user_id": "u1", "merchant_id": "m1", "amount": amount, "currency": "EUR", "ts": 7,
        "features": {
            "count_5m": lately, "spend_5m": amount, "count_1h": count, "spend_1h": spend,
            "since_last_ms": 100, "country_changed": false,
        },
    });
    payment.as_object_mut().unwrap().extend(week.as_object().unwrap().clone());
    let mut score = Harness::<Score>::new("{}").unwrap();
    score.send(Input::json(&payment).key("u1")).unwrap().only().json()
}

fn score(amount: f64, usual: f64, count: u32, lately: u32) -> f64 {
    scored(amount, usual, count, lately)["score"].as_f64().unwrap()
}

#[test]
fn a_payment_keeps_its_id_and_gets_a_score_and_the_model_s_name() {
    let scored = scored(20.0, 20.0, 10, 1);
    assert_eq!((&scored["payment_id"], &scored["model"]), (&json!(9), &json!("score@2.0.0")));
    assert_eq!(scored["flagged"], false);
}

#[test]
fn only_what_is_unlike_the_user_scores_high() {
    assert!(score(300.0, 300.0, 60, 5) < 0.3, "someone who always pays a lot");
    assert!(score(300.0, 10.0, 60, 5) > 0.5, "someone who never does");
    assert!(score(30.0, 30.0, 60, 50) > score(30.0, 30.0, 60, 5), "a burst");
    assert!(score(5_000.0, 0.0, 1, 1).is_finite(), "a first payment");
}

#[test]
fn the_habit_is_that_of_the_week_where_it_is_known() {
    let after = |week| scored_after(300.0, 10.0, 3, 1, week);
    let of = |scored: &Value| scored["score"].as_f64().unwrap();
    let often_as_much = after(json!({ "count_7d": 100, "spend_7d": 30_000, "largest_7d": 900 }));
    let never = after(json!({ "count_7d": 100, "spend_7d": 1_290, "largest_7d": 300 }));
    assert!(of(&often_as_much) < 0.3 && of(&never) > 0.5, "{often_as_much} {never}");
    assert_eq!(never["features"]["largest_7d"], 300.0);
    let late = after(json!({ "count_7d": null, "spend_7d": null, "largest_7d": null }));
    assert_eq!((of(&late), late["features"].get("count_7d")), (of(&after(json!({}))), None));
}
