//! Retention, purging and compaction, with the clock in hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // These are tests.

use std::{collections::BTreeMap, sync::Arc, thread, time::Duration};

use millstream_log::{
    ErrorKind, Log, PollEvent, Routing, StartPosition, StateDelta, TopicSpec,
    contract::{Seen, Worker, expect_kind, produce, read_exactly, record, spec, until},
};
use millstream_log_embedded::{EmbeddedConfig, EmbeddedLog};
use millstream_types::{ManualClock, RecordBatch, RecordRef, TopicPartition};
use tempfile::TempDir;

const HOUR_MS: i64 = 60 * 60 * 1000;

struct Fixture {
    dir: TempDir,
    clock: Arc<ManualClock>,
    config: EmbeddedConfig,
}

impl Fixture {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(1_000 * HOUR_MS));
        let config = EmbeddedConfig {
            sync: false,
            clean_interval: None,
            compaction_min_bytes: 0,
            clock: Arc::clone(&clock) as Arc<_>,
            ..EmbeddedConfig::default()
        };
        Self { dir: tempfile::tempdir().expect("a directory"), clock, config }
    }

    fn open(&self) -> EmbeddedLog {
        EmbeddedLog::open(self.dir.path(), self.config.clone()).expect("opens")
    }
}

fn topic(log: &EmbeddedLog, spec: TopicSpec) -> Arc<str> {
    log.create_topic(&spec).expect("created");
    spec.name
}

fn write(log: &EmbeddedLog, topic: &Arc<str>, key: &str, value: Option<&str>) {
    produce(log, topic, Routing::To(0), &record(Some(key), value, 0));
}

fn bounds(log: &EmbeddedLog, topic: &str) -> (i64, i64) {
    log.topic(topic).expect("readable").expect("there").offsets[0]
}

#[test]
fn old_batches_go_and_a_reader_that_is_behind_is_told() {
    let fixture = Fixture::new();
    let log = fixture.open();
    let mut wanted = TopicSpec::new("orders", 1);
    wanted.retention = Some(Duration::from_secs(3600));
    let orders = topic(&log, wanted);
    let mut reader = log.reader(&orders, StartPosition::Earliest).expect("a reader");
    write(&log, &orders, "k", Some("old"));
    fixture.clock.advance(HOUR_MS / 2);
    write(&log, &orders, "k", Some("young"));
    log.clean().expect("cleaned");
    assert_eq!(bounds(&log, &orders), (0, 2), "nothing is old enough");

    fixture.clock.advance(HOUR_MS / 2 + 1);
    log.clean().expect("cleaned");
    assert_eq!(bounds(&log, &orders), (1, 2));
    let error = expect_kind(reader.poll(Duration::ZERO), ErrorKind::User);
    for part in ["orders", "partition 0", "offset 0", "first offset is 1"] {
        assert!(error.message.contains(part), "{error}");
    }
    assert_eq!(read_exactly(&log, &orders, 1)[0].text(), "young");
    let mut worker = Worker::open(&log, &spec("group", "a", &[&orders])).join(1);
    let at = TopicPartition::new(orders.clone(), 0);
    expect_kind(worker.session.start(&[(at, Some(0))]), ErrorKind::User);

    fixture.clock.advance(HOUR_MS);
    log.clean().expect("cleaned");
    assert_eq!(bounds(&log, &orders), (2, 2));
    drop((worker, reader, log));
    let log = fixture.open();
    assert_eq!(bounds(&log, &orders), (2, 2), "after a crash as well");
    write(&log, &orders, "k", Some("next"));
    assert_eq!(read_exactly(&log, &orders, 1)[0].offset, 2);
}

#[test]
fn a_partition_that_is_too_large_loses_its_oldest_batches() {
    let fixture = Fixture::new();
    let log = fixture.open();
    let mut wanted = TopicSpec::new("orders", 1);
    wanted.retention_bytes = Some(3000);
    let orders = topic(&log, wanted);
    for number in 0..10 {
        write(&log, &orders, "k", Some(&format!("{number}{}", "x".repeat(900))));
    }
    log.clean().expect("cleaned");
    let (first, end) = bounds(&log, &orders);
    assert_eq!(end, 10);
    assert!((6..10).contains(&first), "{first}");
    assert_eq!(read_exactly(&log, &orders, (10 - first) as usize)[0].offset, first);
}

#[test]
fn purging_waits_for_every_group() {
    let fixture = Fixture::new();
    let log = fixture.open();
    let mut wanted = TopicSpec::new("p.step.repartition", 1);
    wanted.settings.insert("purge".into(), "consumed".into());
    let repartition = topic(&log, wanted);
    for number in 0..4 {
        write(&log, &repartition, "k", Some(&number.to_string()));
    }
    fixture.clock.advance(1000 * HOUR_MS);
    log.clean().expect("cleaned");
    assert_eq!(bounds(&log, &repartition), (0, 4), "nobody has read it, however old it is");

    let mut one = spec("one", "a", &[&repartition]);
    one.max_batch_records = 1;
    let mut one = Worker::open(&log, &one).join(1);
    one.read(3);
    one.commit().expect("committed");
    log.clean().expect("cleaned");
    assert_eq!(bounds(&log, &repartition), (3, 4));
    one.read(4);
    assert_eq!(one.seen.iter().map(Seen::text).collect::<Vec<_>>(), ["0", "1", "2", "3"]);
    one.commit().expect("committed");
    log.clean().expect("cleaned");
    assert_eq!(bounds(&log, &repartition), (4, 4));
    drop((one, log));
    assert_eq!(bounds(&fixture.open(), &repartition), (4, 4));
}

#[test]
fn compaction_keeps_the_last_record_of_each_key_at_its_offset() {
    let fixture = Fixture::new();
    let log = fixture.open();
    let users = topic(&log, TopicSpec::new("users", 1).compacted());
    let mut expected = BTreeMap::new();
    for number in 0..300_i64 {
        let key = format!("user-{}", number % 17);
        let value = (number % 13 != 0).then(|| number.to_string());
        write(&log, &users, &key, value.as_deref());
        expected.insert(key, (number, value));
        if number % 100 == 50 {
            log.clean().expect("cleaned");
        }
    }
    log.clean().expect("cleaned");
    let check = |log: &EmbeddedLog, expected: &BTreeMap<String, (i64, Option<String>)>| {
        let mut found = BTreeMap::new();
        for seen in read_exactly(log, &users, expected.len()) {
            let key = String::from_utf8(seen.key.clone().expect("a key")).expect("text");
            found.insert(key, (seen.offset, seen.value.as_ref().map(|_| seen.text())));
        }
        assert_eq!(&found, expected);
    };
    // The newest batches are in memory as they were appended; what is on disk is what counts.
    drop(log);
    let log = fixture.open();
    check(&log, &expected);
    assert_eq!(bounds(&log, &users).1, 300);

    fixture.clock.advance(48 * HOUR_MS);
    for _ in 0..50 {
        write(&log, &users, "user-0", Some("last"));
    }
    expected.insert("user-0".into(), (349, Some("last".into())));
    expected.retain(|_, (_, value)| value.is_some());
    log.clean().expect("cleaned");
    drop(log);
    check(&fixture.open(), &expected);
}

#[test]
fn a_session_reads_across_the_gaps_of_compaction() {
    let fixture = Fixture::new();
    let log = fixture.open();
    let users = topic(&log, TopicSpec::new("users", 1).compacted());
    let mut batch = RecordBatch::default();
    for number in 0..1000_i64 {
        let key = if number % 10 == 0 { format!("single-{number}") } else { "again".into() };
        batch.push(RecordRef { key: Some(key.as_bytes()), value: Some(b"v"), timestamp_ms: number });
    }
    produce(&log, &users, Routing::To(0), &batch);
    log.clean().expect("cleaned");
    drop(log);
    let log = fixture.open();
    let mut wanted = spec("group", "a", &[&users]);
    wanted.max_batch_records = 7;
    let mut worker = Worker::open(&log, &wanted).join(1);
    worker.read(101);
    let offsets: Vec<i64> = worker.seen.iter().map(|seen| seen.offset).collect();
    let expected: Vec<i64> = (0..1000).step_by(10).chain([999]).collect();
    assert_eq!(offsets, expected);
    worker.commit().expect("committed");
    assert!(!log.has_unread("group", std::slice::from_ref(&users)).expect("readable"));
    assert!(matches!(worker.session.poll(Duration::ZERO), Ok(PollEvent::Idle)));
    let at = TopicPartition::new(users, 0);
    worker.session.start(&[(at, Some(985))]).expect("a gap is within the topic");
    worker.seen.clear();
    worker.read(2);
    assert_eq!(worker.seen.iter().map(|seen| seen.offset).collect::<Vec<_>>(), [990, 999]);
}

#[test]
fn a_compacted_changelog_restores_the_same_state_from_any_commit() {
    let mut fixture = Fixture::new();
    fixture.config.batch_bytes = 2000;
    fixture.config.compaction_memory_bytes = 600;
    let log = fixture.open();
    let name = topic(&log, TopicSpec::new("p.stage.changelog", 1).compacted());
    let changelog = TopicPartition::new(name, 0);
    let input = topic(&log, TopicSpec::new("input", 1));
    let mut session = log.session(&spec("group", "a", &[&input])).expect("a session");

    type State = BTreeMap<Vec<u8>, Option<Vec<u8>>>;
    let mut state = State::new();
    let mut states = vec![(0, state.clone())];
    for round in 0..200_u32 {
        let entries: Vec<_> = (0..3)
            .map(|step| {
                let key = format!("key-{:02}", (round * 7 + step * 11) % 40).into_bytes();
                (key, (round % 5 != 0).then(|| format!("{round}").into_bytes()))
            })
            .collect();
        let delta = StateDelta {
            keys: entries.iter().map(|(key, _)| Some(key)).collect(),
            values: entries.iter().map(|(_, value)| value.as_ref()).collect(),
        };
        state.extend(entries);
        session.append_changelog(&changelog, &delta).expect("appended");
        let committed = session.commit(&[]).expect("committed");
        states.push((committed.changelogs[0].1, state.clone()));
        if round % 70 == 69 {
            log.clean().expect("cleaned");
        }
    }
    fixture.clock.advance(1000 * HOUR_MS);
    log.clean().expect("cleaned");
    let mut fewest = usize::MAX;
    for (position, before) in &states {
        let mut found = before.clone();
        let mut entries = 0;
        let end = session
            .restore(&changelog, Some(*position), &mut |delta, _, _| {
                for index in 0..delta.keys.len() {
                    entries += 1;
                    let key = delta.keys.get(index).expect("a key").to_vec();
                    found.insert(key, delta.values.get(index).map(<[u8]>::to_vec));
                }
                Ok(())
            })
            .expect("restored");
        assert_eq!(found, state, "from {position}");
        assert_eq!(end, states.last().expect("there").0);
        if *position == 0 {
            fewest = entries;
        }
    }
    assert!(fewest < 300, "{fewest} of 600 entries are left");

    let middle = states[150].0;
    session.trim_changelog(&changelog, middle).expect("trimmed");
    let mut found = states[150].1.clone();
    session
        .restore(&changelog, Some(middle), &mut |delta, _, _| {
            for index in 0..delta.keys.len() {
                let key = delta.keys.get(index).expect("a key").to_vec();
                found.insert(key, delta.values.get(index).map(<[u8]>::to_vec));
            }
            Ok(())
        })
        .expect("restored");
    assert_eq!(found, state);
}

#[test]
fn an_unknown_purge_setting_is_refused_and_settings_of_other_logs_are_not() {
    let log = Fixture::new().open();
    let mut wanted = TopicSpec::new("orders", 1);
    wanted.settings.insert("purge".into(), "sometimes".into());
    let error = expect_kind(log.create_topic(&wanted), ErrorKind::User);
    assert!(error.message.contains("sometimes"), "{error}");
    wanted.settings.clear();
    wanted.settings.insert("min.insync.replicas".into(), "2".into());
    assert!(log.create_topic(&wanted).expect("created"));
}

#[test]
fn the_cleaner_works_by_itself() {
    let mut fixture = Fixture::new();
    fixture.config.clean_interval = Some(Duration::from_millis(1));
    let log = fixture.open();
    let mut wanted = TopicSpec::new("p.step.repartition", 1);
    wanted.settings.insert("purge".into(), "consumed".into());
    let repartition = topic(&log, wanted);
    write(&log, &repartition, "k", Some("v"));
    let mut worker = Worker::open(&log, &spec("group", "a", &[&repartition])).join(1);
    worker.read(1);
    worker.commit().expect("committed");
    until("the purge", || {
        worker.session.poll(Duration::from_millis(50)).expect("sound");
        bounds(&log, &repartition) == (1, 1)
    });
}

#[test]
fn readers_and_writers_do_not_notice_compaction() {
    let mut fixture = Fixture::new();
    fixture.config.tail_bytes = 0;
    let log = fixture.open();
    let users = topic(&log, TopicSpec::new("users", 1).compacted());
    let commits = 400_u32;
    let writing = {
        let (log, users) = (log.clone(), users.clone());
        thread::spawn(move || {
            for number in 0..commits {
                write(&log, &users, &format!("user-{}", number % 23), Some(&number.to_string()));
            }
        })
    };
    let cleaning = {
        let (log, users) = (log.clone(), users.clone());
        thread::spawn(move || {
            while bounds(&log, &users).1 < i64::from(commits) {
                log.clean().expect("cleaned");
            }
        })
    };
    let mut worker = Worker::open(&log, &spec("group", "a", &[&users])).join(1);
    until("the last record", || {
        worker.step(Duration::from_millis(500)).expect("sound");
        worker.seen.last().is_some_and(|seen| seen.text() == (commits - 1).to_string())
    });
    writing.join().expect("no panic");
    cleaning.join().expect("no panic");
    assert!(worker.seen.is_sorted_by(|a, b| a.offset < b.offset), "nothing twice");
    let found: BTreeMap<_, _> = worker.seen.iter().map(|seen| (seen.key.clone(), seen.text())).collect();
    let expected: BTreeMap<_, _> =
        (0..commits).map(|number| (Some(format!("user-{}", number % 23).into_bytes()), number.to_string())).collect();
    assert_eq!(found, expected);
}
