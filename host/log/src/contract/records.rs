//! Records: every part of them, their partition and their order.

use std::collections::{BTreeMap, BTreeSet};

use millstream_types::{RecordBatch, RecordRef, TopicPartition};

use super::{
    Factory, POLL, QUIET, Seen, Worker, create, expect_kind, produce, read_exactly, record, spec, unique, until,
};
use crate::{ErrorKind, Routing, StartPosition, partition_for_key};

type Header<'a> = (&'a [u8], Option<&'a [u8]>);

/// Key, value, headers and time.
type Case<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, &'a [Header<'a>], i64);

/// Null and empty are two things; headers may repeat; tombstones are records.
pub fn records_keep_every_part(factory: Factory<'_>) {
    let log = factory().open();
    let topic = create(&*log, "parts", 1);
    let cases: [Case<'_>; 7] = [
        (Some(b"key"), Some(b"value"), &[], 1_700_000_000_123),
        (None, Some(b"no key"), &[], 1_700_000_000_122),
        (Some(b"tombstone"), None, &[], 1_600_000_000_000),
        (Some(b""), Some(b""), &[], 1_500_000_000_000),
        (None, None, &[(b"only", Some(b"headers"))], 1_700_000_000_000),
        (
            Some(&[0, 255, 254]),
            Some(&[0xc3, 0x28]),
            &[(b"twice", Some(b"1")), (b"twice", Some(b"2")), (b"null", None), (b"empty", Some(b""))],
            1_700_000_000_001,
        ),
        (Some(b"last"), Some(b"without headers"), &[], 1_700_000_000_002),
    ];
    let mut batch = RecordBatch::default();
    for (key, value, headers, timestamp_ms) in cases {
        batch.push_with_headers(RecordRef { key, value, timestamp_ms }, headers.iter().copied());
    }
    produce(&*log, &topic, Routing::To(0), &batch);
    let seen = read_exactly(&*log, &topic, cases.len());
    for ((key, value, headers, timestamp_ms), seen) in cases.into_iter().zip(seen) {
        assert_eq!(seen.key.as_deref(), key);
        assert_eq!(seen.value.as_deref(), value, "of key {key:?}");
        assert_eq!(seen.timestamp_ms, timestamp_ms);
        let found: Vec<Header<'_>> = seen.headers.iter().map(|(name, value)| (&name[..], value.as_deref())).collect();
        assert_eq!(found, headers);
    }
}

/// Event time has no beginning.
pub fn times_of_1970_and_before_are_kept(factory: Factory<'_>) {
    let storage = factory();
    if !storage.keeps_early_timestamps() {
        return;
    }
    let log = storage.open();
    let topic = create(&*log, "times", 1);
    let times = [0, -1, 1, i64::MIN, i64::MAX, -86_400_000];
    let mut batch = RecordBatch::default();
    for timestamp_ms in times {
        batch.push(RecordRef { key: None, value: Some(b"v"), timestamp_ms });
    }
    produce(&*log, &topic, Routing::To(0), &batch);
    let seen: Vec<_> = read_exactly(&*log, &topic, times.len()).iter().map(|seen| seen.timestamp_ms).collect();
    assert_eq!(seen, times);
}

/// A megabyte in one record, beside small ones.
pub fn large_values_pass(factory: Factory<'_>) {
    let log = factory().open();
    let topic = create(&*log, "large", 1);
    let large: String = ('a'..='z').cycle().take(1_000_000).collect();
    let mut batch = record(Some("small"), Some("before"), 1000);
    batch.extend_from(&record(Some("large"), Some(&large), 1000));
    batch.extend_from(&record(Some("large"), Some(&large), 1000));
    batch.extend_from(&record(Some("small"), Some("after"), 1000));
    produce(&*log, &topic, Routing::To(0), &batch);
    let seen = read_exactly(&*log, &topic, 4);
    assert!(seen[1].text() == large && seen[2].text() == large, "the large values came through whole");
    assert_eq!((seen[0].text().as_str(), seen[3].text().as_str()), ("before", "after"));
}

/// Many batches, one partition, one order.
pub fn a_partition_keeps_its_order(factory: Factory<'_>) {
    let log = factory().open();
    let topic = create(&*log, "order", 2);
    let mut writer = log.writer().expect("a writer");
    let mut number = 0;
    for size in [1, 10, 500, 3, 2000, 1] {
        let mut batch = RecordBatch::default();
        for _ in 0..size {
            batch.push(RecordRef {
                key: None,
                value: Some(number.to_string().as_bytes()),
                timestamp_ms: 1000 + number,
            });
            number += 1;
        }
        writer.write(&topic, Routing::To(1), &batch).expect("written");
        writer.flush().expect("flushed");
    }
    let seen = read_exactly(&*log, &topic, number as usize);
    for (expected, seen) in (0..number).zip(&seen) {
        assert_eq!((seen.partition, seen.text(), seen.timestamp_ms), (1, expected.to_string(), 1000 + expected));
    }
    assert!(seen.is_sorted_by(|a, b| a.offset < b.offset));
}

/// The same key, the same partition, and the one where every Java client looks for it.
pub fn keys_go_where_kafkas_client_sends_them(factory: Factory<'_>) {
    let log = factory().open();
    let topic = create(&*log, "keys", 5);
    let mut batch = RecordBatch::default();
    for number in 0..300 {
        let key = format!("key-{}", number % 100);
        let value = number.to_string();
        batch.push(RecordRef { key: Some(key.as_bytes()), value: Some(value.as_bytes()), timestamp_ms: 1000 });
    }
    batch.push(RecordRef { key: Some(b""), value: Some(b"empty"), timestamp_ms: 1000 });
    produce(&*log, &topic, Routing::ByKey, &batch);
    let mut last_of_key = BTreeMap::new();
    for seen in read_exactly(&*log, &topic, 301) {
        let key = seen.key.clone().expect("a key");
        assert_eq!(seen.partition, partition_for_key(&key, 5), "{:?}", String::from_utf8_lossy(&key));
        if let Ok(number) = seen.text().parse::<i32>() {
            let before = last_of_key.insert(key, number);
            assert!(before.is_none_or(|before| before < number), "a key keeps its order");
        }
    }
}

/// No key, no partition of its own.
pub fn records_without_a_key_are_spread(factory: Factory<'_>) {
    let log = factory().open();
    let topic = create(&*log, "keyless", 4);
    let mut writer = log.writer().expect("a writer");
    for number in 0..64 {
        let mut batch = RecordBatch::default();
        for _ in 0..16 {
            batch.push(RecordRef { key: None, value: Some(b"v"), timestamp_ms: 1000 + number });
        }
        writer.write(&topic, Routing::ByKey, &batch).expect("written");
        writer.flush().expect("flushed");
    }
    let seen = read_exactly(&*log, &topic, 64 * 16);
    let partitions: BTreeSet<u32> = seen.iter().map(|seen| seen.partition).collect();
    assert!(partitions.len() >= 2, "spread over {partitions:?}");
}

/// The error says what is there.
pub fn a_partition_that_is_not_there_is_the_users_error(factory: Factory<'_>) {
    let log = factory().open();
    let topic = create(&*log, "narrow", 2);
    let mut writer = log.writer().expect("a writer");
    let written = writer.write(&topic, Routing::To(2), &record(None, Some("v"), 1000));
    let error = expect_kind(written.and_then(|()| writer.flush()), ErrorKind::User);
    assert!(error.to_string().contains(&*topic), "{error}");
}

/// `Last`: the newest records, and what comes after.
pub fn a_reader_may_begin_before_the_end(factory: Factory<'_>) {
    let log = factory().open();
    let topic = create(&*log, "last", 1);
    for text in ["a", "b", "c"] {
        produce(&*log, &topic, Routing::To(0), &record(None, Some(text), 1000));
    }
    for wanted in [2, 9] {
        let mut reader = log.reader(&topic, StartPosition::Last(wanted)).expect("a reader");
        let mut seen = Vec::new();
        until("the last record", || {
            seen.extend(reader.poll(POLL).expect("readable").iter().flat_map(Seen::all));
            seen.last().is_some_and(|last| Seen::text(last) == "c")
        });
        let least = (wanted as usize).min(3);
        assert!((least..=3).contains(&seen.len()), "{wanted}: {}", seen.len());
    }
}

/// `Latest`: only what comes after.
pub fn a_reader_may_begin_at_the_end(factory: Factory<'_>) {
    let log = factory().open();
    let topic = create(&*log, "latest", 1);
    produce(&*log, &topic, Routing::To(0), &record(None, Some("before"), 1000));
    let mut reader = log.reader(&topic, StartPosition::Latest).expect("a reader");
    assert!(reader.poll(QUIET).expect("readable").is_none());
    produce(&*log, &topic, Routing::To(0), &record(None, Some("after"), 1000));
    let mut seen = Vec::new();
    until("the record after", || {
        seen.extend(reader.poll(POLL).expect("readable").iter().flat_map(Seen::all));
        !seen.is_empty()
    });
    assert_eq!(seen.iter().map(Seen::text).collect::<Vec<_>>(), ["after"]);
    let positions = reader.positions();
    assert_eq!(positions.len(), 1);
    assert!(positions[0].1 > seen[0].offset, "{positions:?}");
}

/// Some partitions, each from a position on; the others are left alone, and so is what is not committed.
pub fn a_reader_may_begin_at_positions(factory: Factory<'_>) {
    let log = factory().open();
    let topic = create(&*log, "positions", 3);
    for round in ["a", "b", "c"] {
        for partition in 0..3 {
            let value = format!("{round}{partition}");
            produce(&*log, &topic, Routing::To(partition), &record(None, Some(&value), 1000));
        }
    }
    let at = |partition: u32| TopicPartition::new(topic.clone(), partition);
    let second = read_exactly(&*log, &topic, 9).into_iter().find(|seen| seen.text() == "b2").expect("it is there");
    let mut reader = log.reader_at(&[(at(0), 0), (at(2), second.offset)]).expect("a reader");
    let mut seen = Vec::new();
    until("five records", || {
        seen.extend(reader.poll(POLL).expect("readable").iter().flat_map(Seen::all));
        seen.len() >= 5
    });
    let mut texts: Vec<String> = seen.iter().map(Seen::text).collect();
    texts.sort();
    assert_eq!(texts, ["a0", "b0", "b2", "c0", "c2"]);
    let mut open = Worker::open(&*log, &spec(&unique("group"), "a", &[&topic]));
    open.session.append(&topic, Routing::To(0), &record(None, Some("uncommitted"), 1000)).expect("appended");
    assert!(reader.poll(QUIET).expect("readable").is_none());
    let positions = reader.positions();
    assert_eq!(positions.len(), 2);
    assert!(positions.iter().all(|(of, position)| of.partition != 1 && *position > second.offset), "{positions:?}");
    let missing = log.reader_at(&[(TopicPartition::new(unique("missing"), 0), 0)]);
    expect_kind(missing.map(drop), ErrorKind::User);
}
