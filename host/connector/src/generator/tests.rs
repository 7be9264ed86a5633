use std::{collections::HashMap, time::Duration};

use millstream_pipeline::spec::{Bursts, Choices, EventTime, FieldTemplate, SizeRange, TimeUnit};
use millstream_types::ManualClock;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::SourceRead;

type Record = (Option<String>, Value, i64);

const START_MS: i64 = 1_750_000_000_000;

fn payments() -> Generator {
    let event_time =
        EventTime { out_of_order: Duration::from_secs(2), unit: TimeUnit::Ms, start: Some(START_MS), step: None };
    let currencies = Choices(vec![(json!("EUR"), 8.0), (json!("a \"b\""), 1.0), (json!({"x": null}), 1.0)]);
    let field = |name: &str, template| (name.to_owned(), template);
    Generator {
        seed: 7,
        partitions: 3,
        count: Some(1000),
        key: Some("user".into()),
        fields: vec![
            field("id", FieldTemplate::Sequence { start: 100, prefix: Some("p-".into()), width: 6 }),
            field("user", FieldTemplate::Zipf { n: 100, exponent: 1.1, prefix: Some("u".into()), width: 0 }),
            field("amount", FieldTemplate::LogNormal { median: 20.0, sigma: 1.0, decimals: 2 }),
            field("ts", FieldTemplate::EventTime(event_time)),
            field(
                "card",
                FieldTemplate::Object(vec![
                    field("currency", FieldTemplate::OneOf(currencies)),
                    field("present", FieldTemplate::Boolean { probability: 0.3 }),
                    field("token", FieldTemplate::Uuid {}),
                    field("note", FieldTemplate::Text { length: 15 }),
                    field("limit", FieldTemplate::Uniform { min: -1.0, max: 1.5, decimals: 1 }),
                    field("temperature", FieldTemplate::Normal { mean: 0.0, sigma: 5.0, decimals: 3 }),
                    field("version", FieldTemplate::Constant(json!([1, null]))),
                ]),
            ),
        ],
        bursts: Some(Bursts {
            share: 0.2,
            size: SizeRange { min: 3, max: 9 },
            fixed: vec!["user".into(), "card".into()],
            set: vec![("amount".to_owned(), FieldTemplate::Uniform { min: 900.0, max: 999.0, decimals: 0 })],
            mark: Some("fraud".into()),
        }),
        ..Generator::default()
    }
}

fn source(spec: &Generator) -> Generated {
    Generated::new(spec, None, Arc::new(ManualClock::new(5_000))).expect("a generator")
}

fn records_of(batch: &millstream_types::RecordBatch) -> impl Iterator<Item = Record> {
    (0..batch.len()).map(|index| {
        let record = batch.record(index);
        let key = record.key.map(|key| String::from_utf8(key.to_vec()).expect("UTF-8"));
        (key, serde_json::from_slice(record.value.expect("a value")).expect("JSON"), record.timestamp_ms)
    })
}

fn all(source: &Generated, split: u32) -> Vec<Record> {
    let mut reader = source.open(split, None).expect("opens");
    let mut records = Vec::new();
    while let SourceRead::Batch(batch) = reader.read(100, 1 << 20).expect("reads") {
        records.extend(records_of(&batch));
    }
    records
}

#[test]
fn the_count_is_shared_and_numbers_are_dense() {
    let source = source(&payments());
    let splits: Vec<Vec<Record>> = (0..3).map(|split| all(&source, split)).collect();
    assert_eq!(splits.iter().map(Vec::len).collect::<Vec<_>>(), [334, 333, 333]);
    let mut ids: Vec<String> =
        splits.iter().flatten().map(|(_, value, _)| value["id"].as_str().expect("a string").to_owned()).collect();
    ids.sort();
    assert_eq!(ids, (100..1100).map(|id| format!("p-{id:06}")).collect::<Vec<_>>());
    assert!(source.open(3, None).is_err());
}

#[test]
fn records_have_the_shape_of_the_template() {
    for (key, value, timestamp_ms) in all(&source(&payments()), 1) {
        let fields: Vec<&String> = value.as_object().expect("an object").keys().collect();
        assert_eq!(fields, ["id", "user", "amount", "ts", "card", "fraud"]);
        assert_eq!(key.as_deref(), value["user"].as_str());
        assert_eq!(value["ts"], timestamp_ms);
        assert!((START_MS - 2000..=START_MS + 1000).contains(&timestamp_ms), "{timestamp_ms}");
        let card = &value["card"];
        assert_eq!(card["version"], json!([1, null]));
        assert_eq!(card["token"].as_str().map(|token| (token.len(), &token[14..15])), Some((36, "4")));
        assert!(
            card["note"].as_str().is_some_and(|note| note.len() == 15 && note.chars().all(|c| c.is_ascii_lowercase()))
        );
        assert!(card["limit"].as_f64().is_some_and(|limit| (-1.0..=1.5).contains(&limit)));
        assert!(card["present"].is_boolean() && card["temperature"].is_f64());
        assert!(value["amount"].as_f64().is_some_and(|amount| amount >= 0.0));
    }
}

#[test]
fn records_are_the_same_in_every_version() {
    let records = all(&source(&payments()), 0);
    // Changes of the generator's numbers change what people's tests and benchmarks run on.
    let expected = [
        r#"{"id":"p-000100","user":"u4","amount":3.87,"ts":1749999998451,"#,
        r#""card":{"currency":"EUR","present":false,"token":"f3fde46d-2552-4323-8648-dfbacefa0751","#,
        r#""note":"kaksxnvhbqdbrex","limit":-0.1,"temperature":-4.074,"version":[1,null]},"fraud":false}"#,
    ];
    assert_eq!(records[0].1.to_string(), expected.concat());
}

#[test]
fn another_seed_or_split_makes_other_records() {
    let users = |spec: &Generator, split| -> Vec<Option<String>> {
        all(&source(spec), split).into_iter().map(|(key, ..)| key).take(50).collect()
    };
    let spec = payments();
    assert_eq!(users(&spec, 0), users(&spec, 0));
    assert_ne!(users(&spec, 0), users(&spec, 1));
    assert_ne!(users(&spec, 0), users(&Generator { seed: 8, ..payments() }, 0));
    // A new field leaves the others as they are.
    let mut wider = payments();
    wider.fields.insert(0, ("new".into(), FieldTemplate::Uuid {}));
    assert_eq!(users(&spec, 0), users(&wider, 0));
}

#[test]
fn bursts_have_their_share_and_keep_their_fields() {
    let spec = Generator { partitions: 1, count: Some(50_000), ..payments() };
    let records = all(&source(&spec), 0);
    let is_burst = |record: &Record| record.1["fraud"] == true;
    let share = records.iter().filter(|record| is_burst(record)).count() as f64 / records.len() as f64;
    assert!((share - 0.2).abs() < 0.01, "{share}");
    let mut lengths = Vec::new();
    for run in records.chunk_by(|left, right| is_burst(left) == is_burst(right)).filter(|run| is_burst(&run[0])) {
        lengths.push(run.len());
        for (_, value, _) in run {
            assert!(value["amount"].as_f64().is_some_and(|amount| (900.0..=999.0).contains(&amount)));
        }
        // Bursts without a calm stretch between them look like one.
        if run.len() < 6 {
            assert!(
                run.iter().all(|(_, value, _)| value["user"] == run[0].1["user"] && value["card"] == run[0].1["card"])
            );
        }
    }
    assert!(lengths.contains(&3) && lengths.iter().all(|&length| length >= 3));
}

#[test]
fn items_come_as_often_as_zipf_says() {
    for n in [1000, 2_000_000] {
        let zipf = FieldTemplate::Zipf { n, exponent: 1.0, prefix: None, width: 0 };
        let spec = Generator { count: Some(100_000), fields: vec![("u".into(), zipf)], ..Generator::default() };
        let mut counts: HashMap<u64, u32> = HashMap::new();
        for (_, value, _) in all(&source(&spec), 0) {
            let item = value["u"].as_u64().expect("a number");
            assert!((1..=n).contains(&item));
            *counts.entry(item).or_default() += 1;
        }
        let total: f64 = (1..=n).map(|item| 1.0 / item as f64).sum();
        for item in [1, 2, 10] {
            let expected = 100_000.0 / item as f64 / total;
            let found = f64::from(counts[&item]);
            assert!(
                (found - expected).abs() < 4.0 * expected.sqrt() + 1.0,
                "{n}: {item} came {found} times, not {expected}"
            );
        }
    }
}

#[test]
fn event_times_step_by_rate_or_follow_the_clock() {
    let times = |rate: Option<f64>, event_time: EventTime| -> Vec<i64> {
        let fields = vec![("t".to_owned(), FieldTemplate::EventTime(event_time))];
        let clock = Arc::new(ManualClock::new(5_000));
        let spec = Generator { count: Some(4), rate, fields, ..Generator::default() };
        let source = Generated::new(&spec, None, Arc::clone(&clock) as _).expect("a generator");
        let mut reader = source.open(0, None).expect("opens");
        let mut times = Vec::new();
        loop {
            match reader.read(1, 1000).expect("reads") {
                SourceRead::Batch(batch) => times.extend(batch.timestamps),
                SourceRead::Idle(pause) => clock.advance(pause.as_millis() as i64),
                SourceRead::Finished => return times,
            }
        }
    };
    let from_start = EventTime { start: Some(100), ..EventTime::default() };
    assert_eq!(times(None, from_start.clone()), [100, 101, 102, 103]);
    assert_eq!(times(Some(4.0), from_start.clone()), [100, 350, 600, 850]);
    let step = Some(Duration::from_secs(1));
    assert_eq!(times(None, EventTime { step, ..from_start }), [100, 1100, 2100, 3100]);
    assert_eq!(times(Some(4.0), EventTime::default()), [5000, 5250, 5500, 5750]);
    assert_eq!(times(None, EventTime::default()), [5000; 4]);
}

#[test]
fn the_timestamp_can_come_from_any_field() {
    let fields = vec![("at".to_owned(), FieldTemplate::Sequence { start: 5, prefix: None, width: 0 })];
    let spec = Generator { count: Some(2), fields, ..Generator::default() };
    let timestamp = TimestampSpec { field: "/at".into(), unit: TimeUnit::S };
    let source = Generated::new(&spec, Some(timestamp), Arc::new(ManualClock::new(0))).expect("a generator");
    let mut reader = source.open(0, None).expect("opens");
    let SourceRead::Batch(batch) = reader.read(10, 1000).expect("reads") else { panic!("no batch") };
    assert_eq!(batch.timestamps, [5000, 6000]);
    assert_eq!(reader.locate(1), "generator split 0 record 1");
}

#[test]
fn what_nothing_can_be_made_from_is_refused() {
    let refused = |spec: Generator| {
        Generated::new(&spec, None, Arc::new(ManualClock::new(0))).map(drop).expect_err("must be refused").to_string()
    };
    let field = |template| vec![("f".to_owned(), template)];
    let bursts = |fixed: &str| Bursts {
        share: 0.1,
        size: SizeRange::default(),
        fixed: vec![fixed.into()],
        set: vec![],
        mark: None,
    };
    let clock_time = || field(FieldTemplate::EventTime(EventTime::default()));
    assert!(
        refused(Generator { key: Some("g".into()), fields: field(FieldTemplate::Uuid {}), ..Generator::default() })
            .contains("`g`")
    );
    assert!(refused(Generator { rate: Some(0.0), ..Generator::default() }).contains("rate"));
    assert!(refused(Generator { bursts: Some(bursts("g")), ..Generator::default() }).contains("`g`"));
    assert!(
        refused(Generator { bursts: Some(bursts("f")), fields: clock_time(), ..Generator::default() })
            .contains("clock")
    );
    for template in [
        FieldTemplate::Uniform { min: 2.0, max: 1.0, decimals: 0 },
        FieldTemplate::OneOf(Choices(vec![])),
        FieldTemplate::Zipf { n: 0, exponent: 1.0, prefix: None, width: 0 },
    ] {
        assert!(refused(Generator { fields: field(template), ..Generator::default() }).contains("field /f"));
    }
    assert!(source(&payments()).open(0, Some(b"nonsense")).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reading_resumes_anywhere(sizes in prop::collection::vec(1_usize..60, 1..8), split in 0_u32..3, has_bursts: bool) {
        let mut spec = payments();
        if !has_bursts {
            spec.bursts = None;
        }
        let source = source(&spec);
        let mut found = Vec::new();
        let mut position: Option<Vec<u8>> = None;
        for &size in sizes.iter().cycle() {
            let mut reader = source.open(split, position.as_deref()).expect("opens");
            match reader.read(size, 1 << 20).expect("reads") {
                SourceRead::Batch(batch) => found.extend(records_of(&batch)),
                SourceRead::Idle(_) => {}
                SourceRead::Finished => break,
            }
            position = Some(reader.position());
        }
        prop_assert_eq!(found, all(&source, split));
    }
}
