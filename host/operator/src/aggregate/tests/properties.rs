//! Aggregates against what is computed from all records at once, however these were split, ordered and merged.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A record with an amount in thousandths, written in one of several ways, and a value to be counted or kept.
#[derive(Clone, Debug)]
struct Payment {
    time_ms: i64,
    /// Thousandths.
    amount: Option<i64>,
    exponent: bool,
    merchant: Option<u8>,
}

impl Payment {
    fn json(&self) -> String {
        let mut object = serde_json::Map::new();
        if let Some(merchant) = self.merchant {
            object.insert("m".into(), merchant_of(merchant));
        }
        let mut text = Value::from(object).to_string();
        if let Some(amount) = self.amount {
            let (sign, magnitude) = (if amount < 0 { "-" } else { "" }, amount.unsigned_abs());
            let amount = if self.exponent {
                format!("{sign}{magnitude}0E-4")
            } else {
                format!("{sign}{}.{:03}", magnitude / 1_000, magnitude % 1_000)
            };
            let comma = if self.merchant.is_some() { "," } else { "" };
            text.truncate(text.len() - 1);
            text.push_str(&format!(r#"{comma}"a":{amount}}}"#));
        }
        text
    }

    fn float(&self) -> Option<f64> {
        self.amount.map(|amount| amount as f64 / 1_000.0)
    }
}

fn merchant_of(merchant: u8) -> Value {
    if merchant.is_multiple_of(2) { Value::from(merchant) } else { Value::from(format!("m{merchant}\n")) }
}

fn payment() -> impl Strategy<Value = Payment> {
    let amount = prop_oneof![-100_000_i64..100_000, any::<i64>().prop_map(|amount| amount / 1_000), Just(0)];
    let time_ms = prop_oneof![9 => -50..50_i64, 1 => any::<i64>()];
    (time_ms, prop::option::weighted(0.9, amount), any::<bool>(), prop::option::weighted(0.9, 0_u8..12))
        .prop_map(|(time_ms, amount, exponent, merchant)| Payment { time_ms, amount, exponent, merchant })
}

/// Payments, no two of the same time.
fn payments() -> impl Strategy<Value = Vec<Payment>> {
    prop::collection::vec(payment(), 0..40).prop_map(|payments| {
        let by_time: BTreeMap<i64, Payment> = payments.into_iter().map(|payment| (payment.time_ms, payment)).collect();
        by_time.into_values().collect()
    })
}

const DECLARED: [(&str, &str); 16] = [
    ("n", "count()"),
    ("amounts", "count(/a)"),
    ("sum", "sum(/a)"),
    ("avg", "avg(/a)"),
    ("min", "min(/a)"),
    ("max", "max(/a)"),
    ("var", "var(/a)"),
    ("dev", "stddev_sample(/a)"),
    ("median", "quantile(/a, 0.5)"),
    ("first", "first(/m)"),
    ("last", "last(/m)"),
    ("distinct", "distinct(/m)"),
    ("top", "top(/m, 3)"),
    ("list", "collect(/m)"),
    ("set", "collect_distinct(/m)"),
    ("some", "sum(/a) where /m == 4"),
];

/// The members but for those that are not exact, which are compared here.
fn expected(payments: &[Payment], members: &Value) -> Value {
    let amounts: Vec<i64> = payments.iter().filter_map(|payment| payment.amount).collect();
    let floats: Vec<f64> = payments.iter().filter_map(Payment::float).collect();
    let count = floats.len() as f64;
    let mean = floats.iter().sum::<f64>() / count;
    let squares: f64 = floats.iter().map(|float| (float - mean).powi(2)).sum();
    let close = |name: &str, wanted: f64, scale: f64| {
        let found = members[name].as_f64().unwrap_or(f64::NAN);
        assert!((found - wanted).abs() <= 1e-9 * scale.max(1e-9), "{name} is {found} and not {wanted}");
    };
    let scale = floats.iter().fold(0.0, |most: f64, float| most.max(float.abs()));
    if !amounts.is_empty() {
        close("avg", mean, scale);
        close("var", squares / count, scale * scale);
        let mut sorted = floats.clone();
        sorted.sort_by(f64::total_cmp);
        let median = sorted[(sorted.len() - 1) / 2];
        let found = members["median"].as_f64().expect("a number");
        assert!((found - median).abs() <= median.abs() * 0.010_001, "the median is {found} and not {median}");
    }
    if amounts.len() > 1 {
        close("dev", (squares / (count - 1.0)).sqrt(), scale);
    }
    let mut by_time: Vec<_> = payments.iter().collect();
    by_time.sort_by_key(|payment| payment.time_ms);
    let merchants: Vec<u8> = by_time.iter().filter_map(|payment| payment.merchant).collect();
    let mut set: Vec<Value> = merchants.iter().collect::<BTreeSet<_>>().into_iter().map(|m| merchant_of(*m)).collect();
    set.sort_by_key(Value::to_string);
    let mut top: Vec<(i64, String, Value)> = set
        .iter()
        .map(|value| {
            let count = merchants.iter().filter(|merchant| merchant_of(**merchant) == *value).count() as i64;
            (-count, value.to_string(), json!({ "value": value, "count": count }))
        })
        .collect();
    top.sort_by(|left, right| (left.0, &left.1).cmp(&(right.0, &right.1)));
    let list: Vec<Value> = merchants.iter().map(|merchant| merchant_of(*merchant)).collect();
    let thousandths = |amount: Option<i128>| amount.map_or("null".into(), decimal);
    let some = payments.iter().filter(|payment| payment.merchant == Some(4)).filter_map(|payment| payment.amount);
    json!({
        "n": payments.len().to_string(),
        "amounts": amounts.len().to_string(),
        "sum": decimal(amounts.iter().map(|amount| i128::from(*amount)).sum()),
        "min": thousandths(amounts.iter().min().map(|amount| i128::from(*amount))),
        "max": thousandths(amounts.iter().max().map(|amount| i128::from(*amount))),
        "first": list.first().map_or("null".into(), Value::to_string),
        "last": list.last().map_or("null".into(), Value::to_string),
        "distinct": set.len().to_string(),
        "top": Value::from(top.into_iter().take(3).map(|(.., value)| value).collect::<Vec<_>>()).to_string(),
        "list": Value::from(list).to_string(),
        "set": Value::from(set).to_string(),
        "some": decimal(some.map(i128::from).sum()),
    })
}

/// Thousandths as a decimal number without zeros at its end.
fn decimal(thousandths: i128) -> String {
    let sign = if thousandths < 0 { "-" } else { "" };
    let magnitude = thousandths.unsigned_abs();
    let text = format!("{sign}{}.{:03}", magnitude / 1_000, magnitude % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The texts of all members.
fn texts(
    aggregates: &mut Aggregates,
    accumulator: Option<&[u8]>,
) -> BTreeMap<String, Box<serde_json::value::RawValue>> {
    let object = format!("{{{}}}", members(aggregates, accumulator));
    serde_json::from_str(&object).unwrap_or_else(|error| panic!("{error}: {object}"))
}

fn check(aggregates: &mut Aggregates, accumulator: Option<&[u8]>, payments: &[Payment]) -> Result<(), TestCaseError> {
    let texts = texts(aggregates, accumulator);
    let values = Value::from_iter(
        texts.iter().map(|(name, raw)| (name.clone(), serde_json::from_str::<Value>(raw.get()).expect("JSON"))),
    );
    let expected = expected(payments, &values);
    for (name, wanted) in expected.as_object().expect("an object") {
        prop_assert_eq!(texts[name].get(), wanted.as_str().expect("text"), "{}", name);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Records come in any order, in batches, into several accumulators, which are merged in any order.
    #[test]
    fn every_aggregate_is_that_of_all_records(
        payments in payments(),
        parts in prop::collection::vec(0_u32..6, 40),
        shuffle in prop::collection::vec(any::<u32>(), 40),
        merges in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 5),
        size in 1_usize..20,
    ) {
        let mut aggregates = aggregates(&DECLARED);
        let mut arrived: Vec<_> = payments.iter().zip(&parts).zip(&shuffle).map(|((payment, part), at)| (at, part, payment)).collect();
        arrived.sort_by_key(|(at, ..)| **at);
        let mut accumulators = BytesColumn::nulls(6);
        for chunk in arrived.chunks(size) {
            let records: Vec<_> = chunk.iter().map(|(.., payment)| (payment.time_ms, payment.json())).collect();
            let records: Vec<_> = records.iter().map(|(time_ms, json)| (*time_ms, json.as_str())).collect();
            let targets: Vec<u32> = chunk.iter().map(|(_, part, _)| **part).collect();
            let rows: Vec<u32> = (0..chunk.len() as u32).collect();
            let batch = batch(&records);
            let added = aggregates.add(&Additions { batch: &batch, rows: &rows, targets: &targets }, &accumulators).expect("added");
            prop_assert_eq!(added.failures, vec![]);
            accumulators = added.accumulators;
        }
        for (one, other) in merges {
            let count = accumulators.len();
            let (one, other) = (one.index(count) as u32, other.index(count) as u32);
            // The one goes where the other is; who follows moves up.
            let place = |at: u32| if at == one { other } else { at };
            let groups: Vec<u32> = (0..count as u32).map(|at| if one == other { at } else { place(at) - u32::from(place(at) > one) }).collect();
            accumulators = aggregates.merge(&accumulators, &groups, if one == other { count } else { count - 1 }).expect("merged");
        }
        let merged = aggregates.merge(&accumulators, &vec![0; accumulators.len()], 1).expect("merged");
        check(&mut aggregates, merged.get(0), &payments)?;
    }

    /// Records of the same time count in the order in which they arrived.
    #[test]
    fn ties_are_in_order_of_arrival(mut payments in prop::collection::vec(payment(), 0..30), size in 1_usize..10) {
        for payment in &mut payments {
            payment.time_ms %= 3;
        }
        let mut aggregates = aggregates(&DECLARED);
        let mut accumulator: Option<Vec<u8>> = None;
        for chunk in payments.chunks(size) {
            let records: Vec<_> = chunk.iter().map(|payment| (payment.time_ms, payment.json())).collect();
            let records: Vec<_> = records.iter().map(|(time_ms, json)| (*time_ms, json.as_str())).collect();
            let added = add_all(&mut aggregates, &batch(&records), accumulator.as_deref());
            accumulator = added.accumulators.get(0).map(<[u8]>::to_vec);
        }
        // Sorting by time keeps the order of arrival.
        check(&mut aggregates, accumulator.as_deref(), &payments)?;
    }

    /// Merging is commutative and associative to the byte, but for averages of floating-point numbers.
    #[test]
    fn merges_do_not_depend_on_their_order(payments in prop::collection::vec(payment(), 3..30), cuts in (1_usize..28, 1_usize..28)) {
        let declared: Vec<_> = DECLARED.into_iter().filter(|(name, _)| !["var", "dev"].contains(name)).collect();
        let mut aggregates = aggregates(&declared);
        let (low, high) = (cuts.0.min(cuts.1).min(payments.len()), cuts.0.max(cuts.1).min(payments.len()));
        let mut parts = BytesColumn::new();
        for part in [&payments[..low], &payments[low..high], &payments[high..]] {
            let records: Vec<_> = part.iter().map(|payment| (payment.time_ms % 3, payment.json())).collect();
            let records: Vec<_> = records.iter().map(|(time_ms, json)| (*time_ms, json.as_str())).collect();
            parts.extend_from(&add_all(&mut aggregates, &batch(&records), None).accumulators);
        }
        let mut merge = |order: &[u32], groups: &[u32]| {
            let merged = aggregates.merge(&parts.take(order), groups, 2).expect("merged");
            aggregates.merge(&merged, &[0, 0], 1).expect("merged")
        };
        let merged = merge(&[0, 1, 2], &[0, 0, 1]);
        prop_assert_eq!(&merge(&[1, 2, 0], &[0, 0, 1]), &merged);
        prop_assert_eq!(&merge(&[2, 1, 0], &[1, 0, 0]), &merged);
        prop_assert_eq!(&merge(&[0, 2, 1], &[0, 1, 0]), &merged);
    }

    /// What is taken out was never there.
    #[test]
    fn records_are_taken_out_again(payments in prop::collection::vec(payment(), 0..30), kept in prop::collection::vec(any::<bool>(), 30)) {
        let declared = [("n", "count()"), ("amounts", "count(/a)"), ("sum", "sum(/a)"), ("avg", "avg(/a)"), ("some", "sum(/a) where /m == 4"), ("float", "sum(float(/a))")];
        let mut aggregates = aggregates(&declared);
        let part = |wanted: Option<bool>| {
            let kept = payments.iter().zip(&kept).filter(|(_, kept)| wanted.is_none_or(|wanted| wanted == **kept));
            let records: Vec<_> = kept.map(|(payment, _)| (payment.time_ms, payment.json())).collect();
            batch(&records.iter().map(|(time_ms, json)| (*time_ms, json.as_str())).collect::<Vec<_>>())
        };
        let all = add_all(&mut aggregates, &part(None), None).accumulators;
        let gone = part(Some(false));
        let rows: Vec<u32> = (0..gone.len() as u32).collect();
        let rest = aggregates.retract(&Additions { batch: &gone, rows: &rows, targets: &vec![0; rows.len()] }, &all).expect("taken out");
        prop_assert_eq!(rest.failures, vec![]);
        let direct = add_all(&mut aggregates, &part(Some(true)), None).accumulators;
        let (rest, direct) = (texts(&mut aggregates, rest.accumulators.get(0)), texts(&mut aggregates, direct.get(0)));
        for (name, text) in &direct {
            if name == "float" {
                let float = |text: &str| text.parse::<f64>().expect("a number");
                prop_assert!((float(text.get()) - float(rest[name].get())).abs() <= 1e-12 * 1e16, "{} {}", text, rest[name]);
            } else {
                prop_assert_eq!(text.get(), rest[name].get(), "{}", name);
            }
        }
    }

    /// The variance of what is left, and of what was added and taken out.
    #[test]
    fn variances_are_taken_out_again(kept in prop::collection::vec(-1_000_i32..1_000, 1..20), gone in prop::collection::vec(-1_000_i32..1_000, 0..20)) {
        let mut aggregates = aggregates(&[("var", "var(/a)")]);
        let records = |numbers: &[i32]| {
            let records: Vec<_> = numbers.iter().map(|number| format!(r#"{{"a":{number}}}"#)).collect();
            batch(&records.iter().map(|json| (0, json.as_str())).collect::<Vec<_>>())
        };
        let all = add_all(&mut aggregates, &records(&[&kept[..], &gone[..]].concat()), None).accumulators;
        let rows: Vec<u32> = (0..gone.len() as u32).collect();
        let rest = aggregates.retract(&Additions { batch: &records(&gone), rows: &rows, targets: &vec![0; rows.len()] }, &all).expect("taken out");
        let found: f64 = texts(&mut aggregates, rest.accumulators.get(0))["var"].get().parse().expect("a number");
        let mean = f64::from(kept.iter().sum::<i32>()) / kept.len() as f64;
        let wanted = kept.iter().map(|number| (f64::from(*number) - mean).powi(2)).sum::<f64>() / kept.len() as f64;
        prop_assert!((found - wanted).abs() < 1e-6, "{} {}", found, wanted);
    }
}

#[test]
fn what_was_never_added_cannot_be_taken_out() {
    let mut aggregates = aggregates(&[("n", "count(/a)")]);
    let batch = batch(&[(0, r#"{"a":1}"#)]);
    let additions = Additions { batch: &batch, rows: &[0], targets: &[0] };
    let error = aggregates.retract(&additions, &BytesColumn::nulls(1)).expect_err("refused").to_string();
    assert!(error.contains("taken out of an accumulator that it is not in"), "{error}");
    assert!(aggregates.can_retract());
    let mut aggregates = super::aggregates(&[("n", "min(/a)")]);
    assert!(!aggregates.can_retract());
    aggregates.retract(&additions, &BytesColumn::nulls(1)).expect_err("refused");
}
