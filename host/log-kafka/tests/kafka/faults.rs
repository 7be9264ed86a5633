use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, ensure};
use millstream_log::{ErrorKind, Log, Routing, StateDelta, TopicSpec};
use millstream_log_kafka::{KafkaConfig, KafkaLog};
use millstream_types::TopicPartition;

use crate::{
    harness::{Broker, assigned, batch, polled, read_values, repository, spec, values, write},
    worker::{Progress, Worker, check_copies},
};

/// Set in the process that plays the owner to be killed.
pub const OWNER: &str = "MILLSTREAM_TEST_OWNER";
const OWNERS_TIMEOUT: Duration = Duration::from_secs(3);

pub fn a_broker_that_is_not_there_is_named(_: &Broker) -> Result<()> {
    let port = two_free_ports()?;
    let begun = Instant::now();
    let error = KafkaLog::connect(KafkaConfig::new(format!("127.0.0.1:{port}"))).err().unwrap();
    ensure!(begun.elapsed() < Duration::from_secs(15), "it took {:?}", begun.elapsed());
    ensure!(error.kind == ErrorKind::Retriable, "{error:?}");
    ensure!(error.message.contains(&port.to_string()) && error.message.contains("refused"), "{error}");
    Ok(())
}

pub fn a_refused_property_is_named(broker: &Broker) -> Result<()> {
    for (property, value) in [("no.such.property", "1"), ("socket.timeout.ms", "soon"), ("security.protocol", "magic")]
    {
        let mut config = broker.config();
        config.properties.insert(property.into(), value.into());
        let error = KafkaLog::connect(config).err().unwrap();
        ensure!(error.kind == ErrorKind::User && error.message.contains(property), "{error:?}");
    }
    Ok(())
}

/// The owner: one commit, then a transaction that stays open until the process is killed.
pub fn leave_a_transaction_open(parameters: &str) -> Result<()> {
    let [servers, group, input, output, changelog] = parameters.split(' ').collect::<Vec<_>>()[..] else {
        return Err(anyhow!("five parameters are needed"));
    };
    let mut config = KafkaConfig::new(servers);
    config.transaction_timeout = OWNERS_TIMEOUT;
    let log = KafkaLog::connect(config)?;
    let (input, output): (Arc<str>, Arc<str>) = (input.into(), output.into());
    let changelog = TopicPartition::new(changelog, 0);
    let mut session = log.session(&spec(group, "owner", &[&input]))?;
    let partitions = assigned(&mut *session, 1)?;
    polled(&mut *session, 10)?;
    let delta = |value: &str, keys: usize| StateDelta {
        keys: (0..keys).map(|key| Some(format!("key {key}"))).collect(),
        values: (0..keys).map(|_| Some(value)).collect(),
    };
    session.append(&output, Routing::ByKey, &batch([("k", "committed")]))?;
    session.append_changelog(&changelog, &delta("committed", 1))?;
    session.commit(&[(partitions[0].clone(), 3)])?;
    // A record and a marker, which is written a moment after the answer.
    let end = || -> Result<i64> { Ok(log.topic(&changelog.topic)?.unwrap().offsets[0].1) };
    while end()? < 2 {
        thread::sleep(Duration::from_millis(10));
    }
    session.append(&output, Routing::ByKey, &batch([("k", "open")]))?;
    // So much that it leaves before a commit asks for it.
    session.append_changelog(&changelog, &delta(&"open".repeat(10_000), 40))?;
    // Once the broker has the delta, it holds back what others write behind it.
    let mut other = log.writer()?;
    loop {
        let before = end()?;
        other.write(&changelog.topic, Routing::To(0), &batch([("other", "v")]))?;
        other.flush()?;
        if end()? == before {
            break;
        }
    }
    println!("ready");
    loop {
        thread::park();
    }
}

pub fn an_open_transaction_of_a_killed_owner_is_waited_out(broker: &Broker) -> Result<()> {
    let log = broker.log()?;
    let (input, output) = (broker.topic(&log, "input", 1)?, broker.topic(&log, "output", 1)?);
    let changelog = TopicPartition::new(broker.fresh("changelog"), 0);
    log.create_topic(&TopicSpec::new(changelog.topic.clone(), 1).compacted())?;
    write(&log, &input, &batch((0..10).map(|n| (n.to_string(), n.to_string()))))?;
    let group = broker.fresh("group");
    let mut owner = Command::new(std::env::current_exe()?)
        .env(OWNER, format!("{} {group} {input} {output} {}", broker.servers, changelog.topic))
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = String::new();
    BufReader::new(owner.stdout.take().unwrap()).read_line(&mut said)?;
    owner.kill()?;
    owner.wait()?;
    ensure!(said == "ready\n", "{said}");

    let begun = Instant::now();
    let mut session = log.session(&spec(&group, "heir", &[&input]))?;
    let mut restored = Vec::new();
    let position = session.restore(&changelog, None, &mut |delta, _, _| {
        restored.extend(delta.values.iter().flatten().map(<[u8]>::to_vec));
        Ok(())
    })?;
    let values_of_others = restored.iter().filter(|value| *value == b"v").count();
    ensure!(values_of_others >= 1 && restored.len() == values_of_others + 1, "{restored:?}");
    ensure!(restored[0] == b"committed", "{restored:?}");
    ensure!(begun.elapsed() < OWNERS_TIMEOUT + Duration::from_secs(10), "it took {:?}", begun.elapsed());
    ensure!(position >= log.topic(&changelog.topic)?.unwrap().offsets[0].1 - 1, "up to the end: {position}");
    let partitions = assigned(&mut *session, 1)?;
    ensure!(session.committed(&partitions)? == [Some(3)]);
    ensure!(values(&polled(&mut *session, 7)?) == ["3", "4", "5", "6", "7", "8", "9"]);
    ensure!(read_values(&log, &output, 1)? == ["committed"]);
    session.close()?;
    Ok(())
}

/// A broker of its own.
struct OwnBroker {
    port: u16,
    directory: std::path::PathBuf,
}

impl OwnBroker {
    fn script(&self, verb: &str) -> Result<()> {
        let status = Command::new(repository().join("scripts/kafka"))
            .arg(verb)
            .env("MILLSTREAM_KAFKA_PORT", self.port.to_string())
            .env("MILLSTREAM_KAFKA_DIR", &self.directory)
            .env("MILLSTREAM_KAFKA_HEAP", "384m")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()?;
        ensure!(status.success(), "scripts/kafka {verb}: {status}");
        Ok(())
    }
}

impl Drop for OwnBroker {
    fn drop(&mut self) {
        let _ = self.script("wipe");
    }
}

/// The first of two ports that are free now, below those that systems give to outgoing connections, so that none of them
/// takes the port of a broker that is down.
fn two_free_ports() -> Result<u16> {
    /// Ports that each call has for itself, since tests of one process run beside each other.
    const APART: u16 = 100;
    static CALLS: AtomicU16 = AtomicU16::new(0);
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    // Processes beside each other begin in different places.
    let process = u16::try_from(std::process::id() % 10_000)?;
    let begin = 20_000 + process + APART * CALLS.fetch_add(1, Ordering::Relaxed);
    let found = (begin..begin + APART - 1).find(|port| is_free(*port) && is_free(port + 1));
    found.ok_or_else(|| anyhow!("no two free ports in a row from {begin} on"))
}

pub fn a_broker_that_goes_away_and_comes_back_loses_nothing(broker: &Broker) -> Result<()> {
    let own =
        OwnBroker { port: two_free_ports()?, directory: std::env::temp_dir().join(broker.fresh("millstream-kafka")) };
    own.script("start")?;
    let mut config = KafkaConfig::new(format!("127.0.0.1:{}", own.port));
    config.transaction_timeout = Duration::from_secs(30);
    let log = KafkaLog::connect(config)?;
    let (input, output) = (broker.topic(&log, "input", 3)?, broker.topic(&log, "output", 3)?);
    let worker = Worker { log: &log, spec: spec("survivor", "w", &[&input]), output: output.clone() };
    let (stop, progress) = (AtomicBool::new(false), Progress::default());
    thread::scope(|scope| {
        let copying = scope.spawn(|| worker.run(&stop, false, &progress));
        let outcome = (|| {
            let records = |from: usize| batch((from..from + 5000).map(|n| (n.to_string(), format!("{n:06}"))));
            write(&log, &input, &records(0))?;
            check_copies(&log, &output, 5000)?;
            let mut other = log.session(&spec("other", "w", &[&input]))?;
            other.append(&output, Routing::ByKey, &batch([("k", "never committed")]))?;
            own.script("stop")?;
            let begun = Instant::now();
            drop(other);
            ensure!(begun.elapsed() < Duration::from_secs(15), "leaving took {:?}", begun.elapsed());
            let error = log.topics().unwrap_err();
            ensure!(error.kind == ErrorKind::Retriable && error.message.contains(&own.port.to_string()), "{error:?}");
            own.script("start")?;
            write(&log, &input, &records(5000))?;
            check_copies(&log, &output, 10_000)
        })();
        stop.store(true, Ordering::Relaxed);
        let ended = copying.join().map_err(|_| anyhow!("the worker panicked"))?;
        outcome.and(ended)
    })
}
