//! Whole pipelines with windows, over any number of partitions, in any order, with restarts and crashes at any point:
//! what comes out is what looking at all records at once gives, and what is late is told as late, once.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests end where their premises do not hold"
)]

use std::{collections::BTreeMap, sync::Arc};

use millstream_pipeline::{parse, plan};
use millstream_testkit::{NoOperators, Options, Record, TestPipeline};
use proptest::prelude::*;

/// Something that happens to a pipeline.
#[derive(Clone, Debug)]
enum Step {
    Push(Vec<Payment>),
    Restart { crash: bool },
}

#[derive(Clone, Debug)]
struct Payment {
    partition: u32,
    user: char,
    amount: i64,
    at: i64,
}

/// A result: the user, the start and the end of its window, how many records, and what they come to.
type Told = (String, i64, i64, i64, i64);

fn pipeline(window: &str, out_of_order: &str, partitions: u32, shuffled: u32) -> TestPipeline {
    let text = format!(
        "pipeline: spend
sources: {{ payments: {{ topic: payments, watermark: {{ out-of-order: {out_of_order} }} }} }}
steps:
  spend:
    from: payments
    key: /user
    partitions: {shuffled}
    window: {{ {window} }}
    aggregate: {{ n: count(), spend: sum(/amount) }}
sinks:
  told: {{ from: spend, stdout: {{}} }}
  late: {{ from: spend.late, stdout: {{}} }}
"
    );
    let spec = parse("pipeline.yaml", &text).unwrap_or_else(|errors| panic!("{errors}"));
    let plan = plan(&spec, &NoOperators).unwrap_or_else(|errors| panic!("{errors}"));
    let options = Options { partitions, ..Options::default() };
    TestPipeline::new(plan, Arc::new(NoOperators), &options).expect("a pipeline")
}

fn run(test: &mut TestPipeline, steps: &[Step]) -> (Vec<Told>, Vec<Record>) {
    for step in steps {
        match step {
            Step::Push(payments) => {
                let record = |payment: &Payment| {
                    let value = format!("{{\"user\":\"{}\",\"amount\":{}}}", payment.user, payment.amount);
                    let record = Record { value: Some(value.into_bytes()), ..Record::default() };
                    record.at(payment.at).in_partition(payment.partition)
                };
                test.push("payments", &payments.iter().map(record).collect::<Vec<_>>()).expect("pushed");
            }
            Step::Restart { crash } => test.restart(*crash).expect("restarted"),
        }
    }
    test.watermark("payments", None, i64::MAX).expect("the end of input");
    let told = test.read_sink("told").expect("a sink").into_iter().map(|record| {
        let value = record.json();
        let number = |name: &str| value[name].as_i64().expect("a number");
        let user = value["user"].as_str().expect("a user").to_owned();
        (user, number("window_start"), number("window_end"), number("n"), number("spend"))
    });
    let mut told: Vec<Told> = told.collect();
    told.sort();
    (told, test.read_sink("late").expect("a sink"))
}

fn pushed(steps: &[Step]) -> impl Iterator<Item = &Payment> {
    steps.iter().flat_map(|step| match step {
        Step::Push(payments) => payments.as_slice(),
        Step::Restart { .. } => &[],
    })
}

/// Windows of `size` every `every` milliseconds, from all records at once.
fn aligned(steps: &[Step], size: i64, every: i64) -> Vec<Told> {
    let mut windows: BTreeMap<(String, i64, i64), (i64, i64)> = BTreeMap::new();
    for payment in pushed(steps) {
        let mut start = payment.at.div_euclid(every) * every;
        while start > payment.at - size {
            let (n, spend) = windows.entry((payment.user.into(), start, start + size)).or_default();
            *n += 1;
            *spend += payment.amount;
            start -= every;
        }
    }
    windows.into_iter().map(|((user, start, end), (n, spend))| (user, start, end, n, spend)).collect()
}

/// Sessions that end after `gap` milliseconds without a record, from all records at once.
fn sessions(steps: &[Step], gap: i64) -> Vec<Told> {
    let mut sorted: Vec<&Payment> = pushed(steps).collect();
    sorted.sort_by_key(|payment| (payment.user, payment.at));
    let mut told: Vec<Told> = Vec::new();
    for payment in sorted {
        match told.last_mut() {
            Some((user, _, end, n, spend)) if *user == payment.user.to_string() && payment.at <= *end => {
                *end = payment.at + gap;
                *n += 1;
                *spend += payment.amount;
            }
            _ => told.push((payment.user.into(), payment.at, payment.at + gap, 1, payment.amount)),
        }
    }
    told
}

fn steps(partitions: u32) -> impl Strategy<Value = Vec<Step>> {
    let payment = (0..partitions, prop::char::range('a', 'e'), -9_i64..100, 0_i64..200_000);
    let payment =
        payment.prop_map(|(partition, user, amount, at)| Payment { partition, user, amount, at: at / 500 * 500 });
    let step = prop_oneof![
        6 => prop::collection::vec(payment, 0..20).prop_map(Step::Push),
        1 => any::<bool>().prop_map(|crash| Step::Restart { crash }),
    ];
    prop::collection::vec(step, 1..12)
}

fn histories() -> impl Strategy<Value = (u32, u32, Vec<Step>)> {
    (1_u32..5, 1_u32..5).prop_flat_map(|(partitions, shuffled)| (Just(partitions), Just(shuffled), steps(partitions)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn windows_are_those_of_all_records_at_once((partitions, shuffled, steps) in histories()) {
        for (window, expected) in [
            ("tumbling: 10s", aligned(&steps, 10_000, 10_000)),
            ("hopping: 10s, every: 3s", aligned(&steps, 10_000, 3_000)),
            ("session: 5s", sessions(&steps, 5_000)),
        ] {
            let (told, late) = run(&mut pipeline(window, "1h", partitions, shuffled), &steps);
            prop_assert_eq!(&told, &expected, "{} over {} partitions and {}", window, partitions, shuffled);
            prop_assert!(late.is_empty());
        }
    }

    #[test]
    fn every_record_is_counted_or_late_and_never_both((partitions, shuffled, steps) in histories()) {
        for window in ["tumbling: 10s", "session: 5s"] {
            let (told, late) = run(&mut pipeline(window, "20s", partitions, shuffled), &steps);
            let counted: i64 = told.iter().map(|(.., n, _)| n).sum();
            prop_assert_eq!(counted + late.len() as i64, pushed(&steps).count() as i64, "{}", window);
            let spent: i64 = told.iter().map(|(.., spend)| spend).sum();
            let not_spent: i64 = late.iter().map(|record| record.json()["amount"].as_i64().expect("a number")).sum();
            prop_assert_eq!(spent + not_spent, pushed(&steps).map(|payment| payment.amount).sum::<i64>());
            for record in late {
                prop_assert!(record.headers.iter().any(|(name, _)| name == "millstream.late.reason"));
            }
        }
    }
}
