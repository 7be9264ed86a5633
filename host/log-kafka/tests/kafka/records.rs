use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use millstream_log::{ErrorKind, Log, PollEvent, Routing, StartPosition};
use millstream_types::{RecordBatch, RecordRef};

use crate::harness::{Broker, assigned, batch, polled, read_all, read_values, spec, values, write};

pub fn of_every_shape_come_back_as_they_were(broker: &Broker) -> Result<()> {
    let log = broker.log()?;
    let topic = broker.topic(&log, "shapes", 1)?;
    let large = vec![7_u8; 1 << 20];
    let mut written = RecordBatch::default();
    written.push(RecordRef { key: Some(b"k"), value: Some(b"v"), timestamp_ms: 1_700_000_000_000 });
    written.push(RecordRef { key: None, value: Some(b""), timestamp_ms: 1 });
    written.push(RecordRef { key: Some(b""), value: None, timestamp_ms: 0 });
    written.push_with_headers(
        RecordRef { key: Some(b"k"), value: Some(&[0, 255]), timestamp_ms: 5 },
        [(&b"name"[..], Some(&b"\xff\x00"[..])), (b"name", None), (b"", Some(b""))],
    );
    written.push(RecordRef { key: Some(b"large"), value: Some(&large), timestamp_ms: 6 });
    write(&log, &topic, &written)?;

    let fetched = read_all(&log, &topic)?;
    let mut read = RecordBatch::default();
    fetched.iter().for_each(|fetched| read.extend_from(&fetched.batch));
    ensure!(read.keys == written.keys && read.values == written.values && read.timestamps == written.timestamps);
    for index in 0..written.len() {
        ensure!(read.headers.get(index).eq(written.headers.get(index)), "the headers of record {index}");
    }
    ensure!(fetched.iter().flat_map(|fetched| &fetched.offsets).copied().eq(0..5));
    ensure!(fetched.last().unwrap().next_offset == 5);

    let mut late = log.reader(&topic, StartPosition::Latest)?;
    ensure!(late.positions()[0].1 == 5);
    ensure!(late.poll(Duration::from_millis(200))?.is_none());
    write(&log, &topic, &batch([("late", "one")]))?;
    let mut came = None;
    for _ in 0..100 {
        came = late.poll(Duration::from_millis(100))?;
        if came.is_some() {
            break;
        }
    }
    ensure!(came.unwrap().offsets == [5]);
    Ok(())
}

pub fn that_cannot_be_stored_are_refused_with_the_reason(broker: &Broker) -> Result<()> {
    let log = broker.log()?;
    let topic = broker.topic(&log, "refused", 1)?;
    let refused = |batch: &RecordBatch| {
        let mut writer = log.writer()?;
        writer.write(&topic, Routing::ByKey, batch).and_then(|()| writer.flush())
    };
    let mut early = RecordBatch::default();
    early.push(RecordRef { key: None, value: Some(b"v"), timestamp_ms: -5 });
    let error = refused(&early).unwrap_err();
    ensure!(error.kind == ErrorKind::User && error.message.contains("1970"), "{error:?}");

    let mut header = RecordBatch::default();
    header.push_with_headers(RecordRef { value: Some(b"v"), ..Default::default() }, [(&b"\xff"[..], None)]);
    let error = refused(&header).unwrap_err();
    ensure!(error.kind == ErrorKind::User && error.message.contains("UTF-8"), "{error:?}");

    let mut large = RecordBatch::default();
    large.push(RecordRef { key: None, value: Some(&vec![0; 9 << 20]), timestamp_ms: 1 });
    let error = refused(&large).unwrap_err();
    ensure!(error.kind == ErrorKind::User && error.message.contains(&*topic), "{error:?}");

    // A topic may take less than the producer sends; the broker's refusal comes with the commit.
    let mut small = millstream_log::TopicSpec::new(broker.fresh("small"), 1);
    small.settings.insert("max.message.bytes".into(), "1000".into());
    log.create_topic(&small)?;
    let input = broker.topic(&log, "input", 1)?;
    let mut session = log.session(&spec(&broker.fresh("group"), "w", &[&input]))?;
    let mut over = RecordBatch::default();
    over.push(RecordRef { key: None, value: Some(&[1; 5000]), timestamp_ms: 1 });
    session.append(&small.name, Routing::ByKey, &over)?;
    let error = session.commit(&[]).unwrap_err();
    ensure!(error.kind == ErrorKind::User && error.message.contains(&*small.name), "{error:?}");
    session.abort()?;
    // librdkafka may need one more transaction until it has its sequence numbers in order again.
    loop {
        session.append(&small.name, Routing::ByKey, &batch([("k", "fits")]))?;
        match session.commit(&[]) {
            Err(error) if error.kind == ErrorKind::Aborted => session.abort()?,
            committed => break drop(committed?),
        }
    }
    ensure!(read_values(&log, &small.name, 1)? == ["fits"]);
    session.close()?;
    Ok(())
}

pub fn are_never_cut_by_the_limits_of_a_batch(broker: &Broker) -> Result<()> {
    let log = broker.log()?;
    let topic = broker.topic(&log, "limits", 3)?;
    let records: Vec<(String, String)> = (0..5000).map(|n| (n.to_string(), format!("{n:0>100}"))).collect();
    write(&log, &topic, &batch(records))?;
    let mut limited = spec(&broker.fresh("group"), "w", &[&topic]);
    (limited.max_batch_records, limited.max_batch_bytes) = (64, 2000);
    let mut session = log.session(&limited)?;
    assigned(&mut *session, 3)?;
    let fetched = polled(&mut *session, 5000)?;
    ensure!(matches!(session.poll(Duration::from_millis(200))?, PollEvent::Idle));
    for fetched in &fetched {
        ensure!(fetched.batch.len() <= 64);
        ensure!(fetched.batch.keys.data().len() + fetched.batch.values.data().len() <= 2000);
        ensure!(
            fetched.batch.len() == fetched.offsets.len() && fetched.next_offset == fetched.offsets.last().unwrap() + 1
        );
    }
    let mut all = values(&fetched);
    all.sort();
    ensure!(all.into_iter().eq((0..5000).map(|n| format!("{n:0>100}"))));
    for partition in 0..3 {
        let offsets = fetched.iter().filter(|fetched| fetched.partition.partition == partition);
        let mut next = 0;
        for fetched in offsets {
            ensure!(fetched.offsets[0] == next, "in order and without gaps");
            next = fetched.next_offset;
        }
    }
    ensure!(session.lag().iter().all(|(_, lag)| *lag == 0), "{:?}", session.lag());
    // A record larger than a batch may be comes alone.
    let topic: Arc<str> = topic;
    write(&log, &topic, &batch([("big", "x".repeat(10_000))]))?;
    ensure!(polled(&mut *session, 1)?[0].batch.len() == 1);
    session.close()?;
    Ok(())
}
