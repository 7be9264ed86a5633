//! What a record costs through append, commit and poll. Run by hand, pinned to one core for a number that
//! compares: `taskset -c 0 cargo test --release -p millstream-log-embedded --test throughput -- --ignored --nocapture`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // These are tests.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use millstream_log::{Log, LogSession, PollEvent, Routing, contract::spec};
use millstream_log_embedded::{EmbeddedConfig, EmbeddedLog};
use millstream_types::{RecordBatch, RecordRef};

const RECORDS: usize = 2_000_000;
const BATCH: usize = 1000;
const COMMIT: usize = 100_000;

fn payments(part: usize) -> RecordBatch {
    let mut batch = RecordBatch::default();
    for number in (part * BATCH) as u64..((part + 1) * BATCH) as u64 {
        let hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let key = format!("user-{:05}", hash % 50_000);
        let value = format!(
            "{{\"id\":\"{hash:016x}\",\"user_id\":\"{key}\",\"merchant\":\"m-{:04}\",\"amount\":{}.{:02},\"currency\":\"EUR\",\"ts\":{}}}",
            hash % 5000,
            hash % 900,
            hash % 100,
            1_700_000_000_000 + number
        );
        batch.push(RecordRef {
            key: Some(key.as_bytes()),
            value: Some(value.as_bytes()),
            timestamp_ms: 1_700_000_000_000,
        });
    }
    batch
}

fn read(session: &mut dyn LogSession, mut each: impl FnMut(&mut dyn LogSession, millstream_log::Fetched)) {
    let mut records = 0;
    while records < RECORDS {
        match session.poll(Duration::from_secs(5)).expect("sound") {
            PollEvent::Batch(fetched) => {
                records += fetched.batch.len();
                each(session, fetched);
            }
            PollEvent::Assigned(partitions) => {
                session.start(&partitions.into_iter().map(|at| (at, None)).collect::<Vec<_>>()).expect("started");
            }
            other => panic!("{other:?} after {records}"),
        }
    }
}

fn report(what: &str, start: Instant) {
    let taken = start.elapsed();
    let rate = RECORDS as f64 / taken.as_secs_f64();
    println!("{what}: {:.0} records/s, {} ns a record", rate, taken.as_nanos() / RECORDS as u128);
}

#[test]
#[ignore = "a measurement"]
fn cost_of_a_record() {
    let dir = tempfile::tempdir().expect("a directory");
    // As different as real ones, so that compression does not have it too easy.
    let batches: Vec<_> = (0..COMMIT / BATCH).map(payments).collect();
    let batch = &batches[0];
    println!("records of {} bytes", (batch.keys.data().len() + batch.values.data().len()) / BATCH);
    let open = || EmbeddedLog::open(dir.path(), EmbeddedConfig::default()).expect("opens");
    let log = open();
    let topic = |name: &str, partitions| {
        let name: Arc<str> = name.into();
        log.create_topic(&millstream_log::TopicSpec::new(Arc::clone(&name), partitions)).expect("created");
        name
    };
    let (input, output, pipe) = (topic("input", 4), topic("output", 4), topic("pipe", 1));

    let start = Instant::now();
    let mut session = log.session(&spec("writer", "a", &[])).expect("a session");
    for record in (0..RECORDS).step_by(BATCH) {
        session.append(&input, Routing::ByKey, &batches[record / BATCH % batches.len()]).expect("appended");
        if (record + BATCH).is_multiple_of(COMMIT) {
            session.commit(&[]).expect("committed");
        }
    }
    report("append by key and commit", start);
    drop(session);

    let start = Instant::now();
    let mut session = log.session(&spec("tail", "a", &[&input])).expect("a session");
    read(&mut *session, |_, _| {});
    report("poll, most of it from disk", start);
    drop((session, log));

    let log = open();
    let start = Instant::now();
    let mut session = log.session(&spec("copy", "a", &[&input])).expect("a session");
    let (mut positions, mut since) = (std::collections::BTreeMap::new(), 0);
    read(&mut *session, |session, fetched| {
        session.append(&output, Routing::To(fetched.partition.partition), &fetched.batch).expect("appended");
        since += fetched.batch.len();
        positions.insert(fetched.partition, fetched.next_offset);
        if since >= COMMIT {
            since = 0;
            let positions: Vec<_> = std::mem::take(&mut positions).into_iter().collect();
            session.commit(&positions).expect("committed");
        }
    });
    report("poll from disk, append and commit", start);

    // A pipeline that keeps up: what is appended is polled at once.
    let mut writer = log.session(&spec("pipe-writer", "a", &[])).expect("a session");
    let mut reader = log.session(&spec("pipe-reader", "a", &[&pipe])).expect("a session");
    let start = Instant::now();
    let mut seen = 0;
    for _ in 0..RECORDS / COMMIT {
        for batch in &batches {
            writer.append(&pipe, Routing::ByKey, batch).expect("appended");
        }
        writer.commit(&[]).expect("committed");
        while seen % COMMIT != 0 || seen == 0 || reader.lag().iter().any(|(_, lag)| *lag > 0) {
            match reader.poll(Duration::ZERO).expect("sound") {
                PollEvent::Batch(fetched) => seen += fetched.batch.len(),
                PollEvent::Assigned(partitions) => {
                    reader.start(&partitions.into_iter().map(|at| (at, None)).collect::<Vec<_>>()).expect("started")
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(seen, RECORDS);
    report("append, commit and poll of the tail", start);
}
