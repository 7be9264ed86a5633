//! Runs cases side by side and reports them as libtest does.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use millstream_log::{DeliveryGuarantee, Fetched, Log, LogSession, PollEvent, SessionSpec, StartPosition, TopicSpec};
use millstream_log_kafka::{KafkaConfig, KafkaLog};
use millstream_types::{Clock, RecordBatch, RecordRef, SystemClock, TopicPartition};

pub struct Case {
    pub name: &'static str,
    pub run: fn(&Broker) -> Result<()>,
}

macro_rules! case {
    ($module:ident :: $name:ident) => {
        $crate::harness::Case {
            name: concat!(stringify!($module), "::", stringify!($name)),
            run: $crate::$module::$name,
        }
    };
}
pub(crate) use case;

/// How long anything may take that is waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The broker, and names of this case's own.
pub struct Broker {
    pub servers: String,
    name: String,
    count: AtomicUsize,
}

impl Broker {
    pub fn config(&self) -> KafkaConfig {
        KafkaConfig::new(&self.servers)
    }

    pub fn log(&self) -> Result<KafkaLog> {
        Ok(KafkaLog::connect(self.config())?)
    }

    /// A name that no other run uses.
    pub fn fresh(&self, what: &str) -> String {
        let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_micros() % 1_000_000_000_000;
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        format!("{what}-{since}-{number}-{}", self.name.len())
    }

    pub fn topic(&self, log: &KafkaLog, what: &str, partitions: u32) -> Result<Arc<str>> {
        let name: Arc<str> = self.fresh(what).into();
        ensure!(log.create_topic(&TopicSpec::new(name.clone(), partitions))?);
        Ok(name)
    }
}

pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub fn spec(group: &str, worker: &str, topics: &[&Arc<str>]) -> SessionSpec {
    SessionSpec {
        group: group.parse().unwrap(),
        worker: worker.into(),
        topics: topics.iter().map(|&topic| topic.clone()).collect(),
        guarantee: DeliveryGuarantee::ExactlyOnce,
        start: StartPosition::Earliest,
        max_batch_records: 1000,
        max_batch_bytes: 1 << 20,
    }
}

/// A batch of `key = value` records.
pub fn batch<K: AsRef<str>, V: AsRef<str>>(records: impl IntoIterator<Item = (K, V)>) -> RecordBatch {
    let mut batch = RecordBatch::default();
    let now_ms = SystemClock.now_ms();
    for (key, value) in records {
        let (key, value) = (key.as_ref().as_bytes(), value.as_ref().as_bytes());
        batch.push(RecordRef { key: Some(key), value: Some(value), timestamp_ms: now_ms });
    }
    batch
}

pub fn write(log: &KafkaLog, topic: &Arc<str>, batch: &RecordBatch) -> Result<()> {
    let mut writer = log.writer()?;
    writer.write(topic, millstream_log::Routing::ByKey, batch)?;
    Ok(writer.flush()?)
}

/// Reads the committed records that are in a topic now.
pub fn read_all(log: &KafkaLog, topic: &str) -> Result<Vec<Fetched>> {
    let ends = log.topic(topic)?.map(|info| info.offsets).unwrap_or_default();
    let mut reader = log.reader(topic, StartPosition::Earliest)?;
    let mut fetched = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while reader.positions().iter().any(|(at, position)| *position < ends[at.partition as usize].1) {
        ensure!(Instant::now() < deadline, "the end {ends:?} is not reached: {:?}", reader.positions());
        fetched.extend(reader.poll(Duration::from_millis(100))?);
    }
    Ok(fetched)
}

/// The values in a topic once there are `count`. The broker ends a transaction a moment after its commit is answered.
pub fn read_values(log: &KafkaLog, topic: &str, count: usize) -> Result<Vec<String>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = values(&read_all(log, topic)?);
        if found.len() >= count || Instant::now() > deadline {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn values(fetched: &[Fetched]) -> Vec<String> {
    let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
    fetched.iter().flat_map(|fetched| fetched.batch.values.iter().map(text)).collect()
}

/// Polls until `wanted` partitions are assigned; starts them at their committed positions.
pub fn assigned(session: &mut dyn LogSession, wanted: usize) -> Result<Vec<TopicPartition>> {
    let mut partitions = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while partitions.len() < wanted {
        ensure!(Instant::now() < deadline, "only {partitions:?} were assigned");
        match session.poll(Duration::from_millis(100))? {
            PollEvent::Assigned(more) => {
                let positions = session.committed(&more)?;
                session.start(&more.iter().cloned().zip(positions).collect::<Vec<_>>())?;
                partitions.extend(more);
            }
            PollEvent::Idle => {}
            other => bail!("an assignment was expected: {other:?}"),
        }
    }
    partitions.sort();
    Ok(partitions)
}

/// Polls until at least `wanted` records have come.
pub fn polled(session: &mut dyn LogSession, wanted: usize) -> Result<Vec<Fetched>> {
    let mut fetched: Vec<Fetched> = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while fetched.iter().map(|fetched| fetched.batch.len()).sum::<usize>() < wanted {
        ensure!(Instant::now() < deadline, "only {} of {wanted} records came", values(&fetched).len());
        match session.poll(Duration::from_millis(100))? {
            PollEvent::Batch(more) => fetched.push(more),
            PollEvent::Idle => {}
            other => bail!("records were expected: {other:?}"),
        }
    }
    Ok(fetched)
}

pub fn run(cases: Vec<Case>) {
    let mut filters = Vec::new();
    let mut threads = 4;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if let Some(number) = argument.strip_prefix("--test-threads") {
            let number = if number.is_empty() { arguments.next() } else { Some(number.replace('=', "")) };
            threads = number.and_then(|number| number.parse().ok()).unwrap_or(threads);
        } else if argument == "--list" {
            cases.iter().for_each(|case| println!("{}: test", case.name));
            return;
        } else if !argument.starts_with('-') {
            filters.push(argument);
        }
    }
    let total = cases.len();
    let chosen: Vec<Case> = cases
        .into_iter()
        .filter(|case| filters.is_empty() || filters.iter().any(|filter| case.name.contains(filter.as_str())))
        .collect();
    println!("\nrunning {} tests", chosen.len());
    let Ok(servers) = std::env::var("MILLSTREAM_KAFKA") else {
        for case in &chosen {
            println!("test {} ... ignored, MILLSTREAM_KAFKA (HOST:PORT of a broker) is not set", case.name);
        }
        let (ignored, filtered) = (chosen.len(), total - chosen.len());
        println!("\ntest result: ok. 0 passed; 0 failed; {ignored} ignored; 0 measured; {filtered} filtered out\n");
        return;
    };
    let begun = Instant::now();
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(case) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let broker =
                        Broker { servers: servers.clone(), name: case.name.into(), count: AtomicUsize::new(0) };
                    let started = Instant::now();
                    let outcome = catch_unwind(AssertUnwindSafe(|| (case.run)(&broker)));
                    let took = started.elapsed().as_secs_f32();
                    match outcome {
                        Ok(Ok(())) => println!("test {} ... ok ({took:.1} s)", case.name),
                        Ok(Err(error)) => {
                            println!("test {} ... FAILED ({took:.1} s)\n  {error:#}", case.name);
                            failures.lock().unwrap().push(case.name);
                        }
                        Err(_) => {
                            println!("test {} ... FAILED ({took:.1} s), it panicked", case.name);
                            failures.lock().unwrap().push(case.name);
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    let (passed, failed, filtered) = (chosen.len() - failures.len(), failures.len(), total - chosen.len());
    let word = if failures.is_empty() { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {filtered} filtered out; finished in {:.1}s\n",
        begun.elapsed().as_secs_f32()
    );
    if !failures.is_empty() {
        std::process::exit(101);
    }
}
