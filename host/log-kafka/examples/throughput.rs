//! What reading and writing through the Kafka log costs: CPU time of this process for each record.
//!
//! `MILLSTREAM_KAFKA=HOST:PORT cargo run --release -p millstream-log-kafka --example throughput [RECORDS]`
//!
//! Reads 143-byte records (15 of key, 128 of value) from four partitions; once only reading, once reading
//! and writing to another topic exactly once with a commit every 100 ms, once at least once.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use millstream_log::{DeliveryGuarantee, Log, LogSession, PollEvent, Routing, SessionSpec, StartPosition, TopicSpec};
use millstream_log_kafka::{KafkaConfig, KafkaLog};
use millstream_types::{RecordBatch, RecordRef, TopicPartition};

const PARTITIONS: u32 = 4;
const KEY_BYTES: usize = 15;
const VALUE_BYTES: usize = 128;
const COMMIT_INTERVAL: Duration = Duration::from_millis(100);

fn main() -> Result<()> {
    let servers = std::env::var("MILLSTREAM_KAFKA").context("MILLSTREAM_KAFKA (HOST:PORT of a broker) is not set")?;
    let records: usize = std::env::args().nth(1).map_or(Ok(2_000_000), |text| text.parse())?;
    let log = KafkaLog::connect(KafkaConfig::new(servers))?;
    let run = std::process::id();
    let input: Arc<str> = format!("throughput-input-{run}").into();
    let output: Arc<str> = format!("throughput-output-{run}").into();
    for topic in [&input, &output] {
        log.create_topic(&TopicSpec::new(topic.clone(), PARTITIONS))?;
    }
    measure("write", records, || fill(&log, &input, records))?;
    let none = || (None, DeliveryGuarantee::ExactlyOnce);
    let modes = [
        ("read", none()),
        ("read and write, exactly once", (Some(&output), DeliveryGuarantee::ExactlyOnce)),
        ("read and write, at least once", (Some(&output), DeliveryGuarantee::AtLeastOnce)),
    ];
    for (number, (name, (output, guarantee))) in modes.into_iter().enumerate() {
        let mut session = log.session(&SessionSpec {
            group: format!("throughput-{run}-{number}").parse()?,
            worker: "worker".into(),
            topics: vec![input.clone()],
            guarantee,
            start: StartPosition::Earliest,
            max_batch_records: 4096,
            max_batch_bytes: 1 << 20,
        })?;
        let partitions = join(&mut *session)?;
        measure(name, records, || copy(&mut *session, &partitions, output, records))?;
        session.close()?;
    }
    for topic in [&input, &output] {
        log.delete_topic(topic)?;
    }
    Ok(())
}

fn fill(log: &KafkaLog, topic: &Arc<str>, records: usize) -> Result<()> {
    let mut writer = log.writer()?;
    let mut batch = RecordBatch::with_capacity(4096, 4096 * KEY_BYTES, 4096 * VALUE_BYTES);
    for number in 0..records {
        let key = format!("{:0>KEY_BYTES$}", number % 100_000);
        let value = format!("{number:0>VALUE_BYTES$}");
        batch.push(RecordRef {
            key: Some(key.as_bytes()),
            value: Some(value.as_bytes()),
            timestamp_ms: number as i64 + 1,
        });
        if batch.len() == 4096 {
            writer.write(topic, Routing::ByKey, &batch)?;
            batch = RecordBatch::with_capacity(4096, 4096 * KEY_BYTES, 4096 * VALUE_BYTES);
        }
    }
    writer.write(topic, Routing::ByKey, &batch)?;
    Ok(writer.flush()?)
}

/// Waits for all partitions; they are not yet read.
fn join(session: &mut dyn LogSession) -> Result<Vec<TopicPartition>> {
    let mut partitions = Vec::new();
    while partitions.len() < PARTITIONS as usize {
        match session.poll(Duration::from_millis(100))? {
            PollEvent::Assigned(more) => partitions.extend(more),
            PollEvent::Idle => {}
            other => bail!("an assignment was expected: {other:?}"),
        }
    }
    Ok(partitions)
}

fn copy(
    session: &mut dyn LogSession,
    partitions: &[TopicPartition],
    output: Option<&Arc<str>>,
    records: usize,
) -> Result<()> {
    session.start(&partitions.iter().map(|partition| (partition.clone(), Some(0))).collect::<Vec<_>>())?;
    let (mut read, mut batches, mut commits) = (0, 0, 0);
    let mut positions: Vec<(TopicPartition, i64)> = Vec::new();
    let mut committed_at = Instant::now();
    let (mut waits, mut slowest) = (Duration::ZERO, Duration::ZERO);
    while read < records {
        if let PollEvent::Batch(fetched) = session.poll(Duration::from_millis(100))? {
            read += fetched.batch.len();
            batches += 1;
            if let Some(output) = output {
                session.append(output, Routing::ByKey, &fetched.batch)?;
                positions.retain(|(partition, _)| *partition != fetched.partition);
                positions.push((fetched.partition, fetched.next_offset));
            }
        }
        if !positions.is_empty() && (committed_at.elapsed() > COMMIT_INTERVAL || read >= records) {
            let begun = Instant::now();
            session.commit(&positions)?;
            positions.clear();
            committed_at = Instant::now();
            commits += 1;
            waits += begun.elapsed();
            slowest = slowest.max(begun.elapsed());
        }
    }
    print!("  {} records a batch", read / batches);
    if commits > 0 {
        print!(
            ", {commits} commits of {:.1} ms (slowest {:.1} ms)",
            waits.as_secs_f64() * 1e3 / f64::from(commits),
            slowest.as_secs_f64() * 1e3
        );
    }
    println!();
    Ok(())
}

fn measure(name: &str, records: usize, work: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("{name}");
    let (begun, cpu) = (Instant::now(), cpu_seconds());
    work()?;
    let (took, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let per_record = cpu / records as f64 * 1e6;
    println!("  {:.0} records a second, {per_record:.2} us of CPU a record", records as f64 / took);
    Ok(())
}

/// User and system time of all threads of this process; 0 where the system does not say.
fn cpu_seconds() -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return 0.0 };
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks as f64 / TICKS_PER_SECOND
}
