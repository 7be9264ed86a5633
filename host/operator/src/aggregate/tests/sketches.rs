//! How far approximations are from what they approximate.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A sequence of numbers that look random.
fn scattered(seed: u64) -> impl Iterator<Item = u64> {
    (1..).map(move |at: u64| {
        let mixed = (seed ^ at.wrapping_mul(0x9E37_79B9_7F4A_7C15)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed ^ mixed >> 29
    })
}

fn add_values(aggregates: &mut Aggregates, values: impl Iterator<Item = String>, parts: u32) -> BytesColumn {
    let values: Vec<_> = values.collect();
    let records: Vec<_> = values.iter().map(|value| (0, value.as_str())).collect();
    let batch = batch(&records);
    let rows: Vec<u32> = (0..batch.len() as u32).collect();
    let targets: Vec<u32> = rows.iter().map(|row| row % parts).collect();
    let additions = Additions { batch: &batch, rows: &rows, targets: &targets };
    let added = aggregates.add(&additions, &BytesColumn::nulls(parts as usize)).expect("added");
    aggregates.merge(&added.accumulators, &vec![0; parts as usize], 1).expect("merged")
}

#[test]
fn distinct_values_are_estimated_within_five_percent() {
    let mut aggregates = aggregates(&[("n", "approx_distinct(/v)")]);
    let mut squares = 0.0;
    let mut runs = 0.0;
    for (count, seed) in [
        (1, 1),
        (10, 2),
        (100, 3),
        (900, 4),
        (1_500, 5),
        (5_000, 6),
        (20_000, 7),
        (100_000, 8),
        (100_000, 9),
        (300_000, 10),
    ] {
        // Each value twice, in parts that share values.
        let values = scattered(seed).take(count).chain(scattered(seed).take(count));
        let merged = add_values(&mut aggregates, values.map(|value| format!(r#"{{"v":"{value:x}"}}"#)), 3);
        let estimate: f64 = members(&mut aggregates, merged.get(0))["\"n\":".len()..].parse().expect("a number");
        let error = estimate / count as f64 - 1.0;
        assert!(error.abs() < 0.05, "{estimate} for {count}");
        squares += error * error;
        runs += 1.0;
        // However it was put together, it is the same.
        let at_once =
            add_values(&mut aggregates, scattered(seed).take(count).map(|value| format!(r#"{{"v":"{value:x}"}}"#)), 1);
        assert_eq!(at_once, merged);
        assert!(merged.data().len() <= 3_074, "{} bytes", merged.data().len());
    }
    // Three standard errors.
    assert!((squares / runs).sqrt() < 3.0 * 0.016_25);
}

#[test]
fn a_sketch_in_hand_is_merged_as_it_is_decoded() {
    // Beside other cells, before and after the sketch.
    let mut aggregates = aggregates(&[("c", "count()"), ("n", "approx_distinct(/v)"), ("last", "last(/v)")]);
    let mut sketch = |seed: u64, count: usize| {
        let values = scattered(seed).take(count).map(|value| format!(r#"{{"v":"{value:x}"}}"#));
        add_values(&mut aggregates, values, 1).get(0).expect("an accumulator").to_vec()
    };
    let pairs: Vec<_> =
        [(2, 1), (5, 1), (900, 200), (1_500, 1), (1_500, 300), (20_000, 900), (20_000, 5_000), (3, 9_000)]
            .into_iter()
            .map(|(count, held)| (sketch(7, count), sketch(8, held)))
            .collect();
    for (sketch, held) in pairs {
        let both = [Some(&sketch[..]), Some(&held[..])].into_iter().collect();
        let merged = aggregates.merge(&both, &[0, 0], 1).expect("merged");
        let mut into = sketch.clone();
        aggregates.hold(&held).expect("whole");
        aggregates.merge_held(&mut into).expect("merged");
        assert_eq!(merged.get(0), Some(&into[..]), "{} and {} bytes", sketch.len(), held.len());
        for cut in [1, into.len() / 2, into.len() - 1] {
            let mut damaged = into[..cut].to_vec();
            assert!(aggregates.merge_held(&mut damaged).is_err(), "{cut} of {} bytes", into.len());
            assert_eq!(damaged, into[..cut]);
        }
    }
}

#[test]
fn quantiles_are_within_one_percent() {
    let declared = [
        ("a", "quantile(/v, 0.01)"),
        ("b", "quantile(/v, 0.5)"),
        ("c", "quantile(/v, 0.9)"),
        ("d", "quantile(/v, 0.999)"),
    ];
    let mut aggregates = aggregates(&declared);
    for seed in 0..4 {
        // Over many orders of magnitude, below and above zero.
        let numbers: Vec<f64> = scattered(seed)
            .take(10_000)
            .map(|bits| {
                let magnitude = ((bits % 4_000) as f64 / 100.0 - 20.0).exp();
                if bits % 7 == 0 {
                    -magnitude
                } else if bits % 11 == 0 {
                    0.0
                } else {
                    magnitude
                }
            })
            .collect();
        let merged = add_values(&mut aggregates, numbers.iter().map(|number| format!(r#"{{"v":{number:e}}}"#)), 5);
        let object: BTreeMap<String, f64> =
            serde_json::from_str(&format!("{{{}}}", members(&mut aggregates, merged.get(0)))).expect("numbers");
        let mut sorted = numbers.clone();
        sorted.sort_by(f64::total_cmp);
        for (name, rank) in [("a", 0.01), ("b", 0.5), ("c", 0.9), ("d", 0.999)] {
            let exact = sorted[(rank * 9_999.0) as usize];
            assert!(
                (object[name] - exact).abs() <= exact.abs() * 0.010_001,
                "{} at {rank} and not {exact}",
                object[name]
            );
        }
        let at_once =
            add_values(&mut aggregates, numbers.iter().rev().map(|number| format!(r#"{{"v":{number:e}}}"#)), 1);
        assert_eq!(at_once, merged);
    }
}

#[test]
fn numbers_of_all_sizes_have_bounded_sketches() {
    let mut aggregates = aggregates(&[("max", "quantile(/v, 1)"), ("high", "quantile(/v, 0.999)"), ("n", "count(/v)")]);
    let numbers = || (-320..=308).flat_map(|exponent| [format!("1e{exponent}"), format!("-1.7e{exponent}")]);
    let merged = add_values(&mut aggregates, numbers().map(|number| format!(r#"{{"v":{number}}}"#)), 7);
    let backwards: Vec<_> = numbers().collect();
    let again = add_values(&mut aggregates, backwards.iter().rev().map(|number| format!(r#"{{"v":{number}}}"#)), 2);
    assert_eq!(merged, again);
    assert!(merged.data().len() < 2 * 4_096 * 3, "{} bytes", merged.data().len());
    assert!(members(&mut aggregates, merged.get(0)).starts_with(r#""max":1e+308,"high":"#));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    /// Counters that had to give way leave counts that are too large by at most their error.
    #[test]
    fn frequent_values_have_bounded_errors(
        common in prop::collection::vec(0_u32..30, 0..1_500),
        rare in 0_u32..1_200,
        parts in 1_u32..5,
        interleave in 1_usize..5,
    ) {
        let mut aggregates = aggregates(&[("top", "top(/v, 16)")]);
        let mut values = Vec::new();
        let mut rare_values = 1_000..1_000 + rare;
        for value in common {
            values.push(value);
            values.extend(rare_values.by_ref().take(interleave));
        }
        values.extend(rare_values);
        let merged = add_values(&mut aggregates, values.iter().map(|value| format!(r#"{{"v":{value}}}"#)), parts);
        let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
        values.iter().for_each(|value| *counts.entry(u64::from(*value)).or_default() += 1);
        let text = members(&mut aggregates, merged.get(0));
        let top: serde_json::Value = serde_json::from_str(&text["\"top\":".len()..]).expect("JSON");
        let top = top.as_array().expect("an array");
        let bound = values.len() as u64 / 256;
        let mut shown = Vec::new();
        for entry in top {
            let number = |name: &str| entry.get(name).map_or(0, |number| number.as_u64().expect("a number"));
            let (value, count, error) = (number("value"), number("count"), number("error"));
            shown.push(value);
            prop_assert!(counts[&value] <= count && count - error <= counts[&value] && error <= bound, "{} of {:?}", entry, counts[&value]);
        }
        // What is left out came no more often than the rarest that is shown.
        let least = top.last().map_or(0, |entry| entry["count"].as_u64().expect("a number"));
        prop_assert!(counts.iter().all(|(value, count)| shown.contains(value) || *count <= least));
        if counts.len() <= 256 {
            prop_assert!(!text.contains("error"));
        }
    }
}
