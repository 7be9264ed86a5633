//! Hosts that join, leave and are killed, under each group protocol: what stays on a host goes on untouched where the
//! protocol allows it, and nothing is lost or doubled. Needs a broker (`MILLSTREAM_KAFKA`), which `./x test kafka` starts.

#![expect(clippy::indexing_slicing, reason = "indexing JSON gives null where nothing is")]

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, anyhow, ensure};
use millstream_tests::{Client, Server, ServerOptions, value_of};
use serde_json::Value;

const PARTITIONS: u32 = 6;
const KEYS: u64 = 50;

/// A name that no other run on this broker has.
fn fresh(name: &str) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(format!("{name}-{}", now.as_nanos()))
}

fn start(directory: &Path, bootstrap: &str, host: &str, settings: &str) -> Result<Server> {
    let config = directory.join(format!("{host}.yaml"));
    let registry = directory.join("registry");
    let text = format!(
        "host-id: {host}\nregistry: {}\nkafka: {{ bootstrap: '{bootstrap}', transaction-timeout: 5s, {settings} }}\n",
        registry.display()
    );
    fs::write(&config, text)?;
    let arguments = vec!["--config".into(), config.display().to_string()];
    Server::start(&directory.join(host), &ServerOptions { arguments, ..ServerOptions::default() })
}

fn launch(server: &Server, name: &str) -> Result<()> {
    let operators = millstream_tests::operators_of("tests/guests")?;
    server.push("totals@1.0.0", &fs::read(operators.join("totals_v1.wasm"))?)?;
    server.create_topic(&format!("{name}-in"), PARTITIONS)?;
    let yaml = format!(
        "
pipeline: {name}
sources: {{ in: {{ topic: {name}-in }} }}
steps: {{ totals: {{ from: in, operator: totals@1.0.0 }} }}
sinks: {{ out: {{ from: totals, topic: {name}-out }} }}
workers: 1
commit: {{ interval: 50ms }}
retry: {{ attempts: 100, backoff: 100ms }}
"
    );
    server.launch(name, &yaml)
}

/// Writes numbered records until it is stopped, and counts them.
fn write(client: &Client, topic: &str, stop: &AtomicBool, written: &AtomicU64) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let mut lines = String::new();
        let first = written.load(Ordering::Relaxed);
        for id in first..first + 50 {
            let key = id % KEYS;
            writeln!(
                lines,
                "{{\"key\":\"k{key}\",\"value\":{{\"id\":{id},\"key\":\"k{key}\",\"group\":\"g\",\"amount\":{id}}}}}"
            )?;
        }
        client.produce(topic, &lines)?;
        written.fetch_add(50, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// How each task of a host was restored, once they all are. A task that is opened again has another answer.
type Tasks = BTreeMap<u64, Value>;

fn tasks(server: &Server, name: &str) -> Result<Option<Tasks>> {
    let status = server.status(name)?;
    let tasks = status["tasks"].as_array().context("no tasks")?;
    let open = |task: &Value| Some((task["partition"].as_u64()?, task["restored"].as_object()?.clone().into()));
    Ok(tasks.iter().map(open).collect())
}

/// Waits until these hosts share out all tasks evenly.
fn shared_out(servers: &[&Server], name: &str) -> Result<Vec<Tasks>> {
    let each = PARTITIONS as usize / servers.len();
    let found = Cell::new(None);
    millstream_tests::until(&format!("{} hosts have {each} tasks each", servers.len()), || {
        let all = servers.iter().map(|server| tasks(server, name)).collect::<Result<Option<Vec<_>>>>()?;
        let even = all.filter(|all| all.iter().all(|tasks| tasks.len() == each));
        let is_even = even.is_some();
        found.set(even);
        Ok(is_even)
    })?;
    found.take().context("they had them a moment ago")
}

/// The tasks that are in both are as they were.
fn check_stayed(before: &Tasks, after: &Tasks) -> Result<()> {
    let stayed: Vec<_> = after.iter().filter_map(|(task, now)| Some((task, before.get(task)?, now))).collect();
    ensure!(!stayed.is_empty(), "none stayed: {before:?} {after:?}");
    for (task, then, now) in stayed {
        ensure!(then == now, "task {task} was opened again: {then} before, {now} after");
    }
    Ok(())
}

/// Each record has come out once, and was counted in its turn.
fn check_once(server: &Server, name: &str, written: u64) -> Result<()> {
    let topic = format!("{name}-out");
    millstream_tests::while_it_moves("everything has come out", || {
        let ids = server.records(&topic)?.iter().map(id_of).collect::<Result<BTreeSet<_>>>()?;
        Ok((ids.len() as u64 >= written, (ids.len(), committed(server, name)?)))
    })
    .or_else(|error| whereabouts(server, name, written).and_then(|found| Err(error.context(found))))?;
    let mut ids = Vec::new();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for record in server.records(&topic)? {
        let value = value_of(&record)?;
        ids.push(id_of(&record)?);
        let count = counts.entry(value["key"].as_str().context("no key")?.to_owned()).or_default();
        *count += 1;
        ensure!(value["count"].as_u64() == Some(*count), "{value} is number {count} of its key");
    }
    ids.sort_unstable();
    ensure!(ids == (0..written).collect::<Vec<_>>(), "{} records are not {written}, each once", ids.len());
    Ok(())
}

fn id_of(record: &Value) -> Result<u64> {
    value_of(record)?["id"].as_u64().context("no id")
}

/// The committed position of each partition of the input that this host has.
fn committed(server: &Server, name: &str) -> Result<BTreeMap<u64, i64>> {
    let (status, input) = (server.status(name)?, format!("{name}-in"));
    let tasks = status["tasks"].as_array().context("no tasks")?;
    Ok(tasks
        .iter()
        .filter_map(|task| Some((task["partition"].as_u64()?, task["positions"][&input].as_i64()?)))
        .collect())
}

/// Where the records that have not come out are in the input: before what is committed they are lost, after it they
/// were not read yet.
fn whereabouts(server: &Server, name: &str, written: u64) -> Result<String> {
    let committed = committed(server, name)?;
    let out = server.records(&format!("{name}-out"))?.iter().map(id_of).collect::<Result<BTreeSet<_>>>()?;
    let mut text = format!("{} of {written} records came out. Committed: {committed:?}.", out.len());
    for record in server.records(&format!("{name}-in"))? {
        let (id, partition, offset) = (id_of(&record)?, record["partition"].as_u64(), record["offset"].as_i64());
        if !out.contains(&id) {
            let position = partition.and_then(|partition| committed.get(&partition).copied());
            let what = if offset < position { "LOST" } else { "not read" };
            write!(text, " {id} is {what}: it is at {offset:?} of partition {partition:?}.")?;
        }
    }
    write!(text, " Status: {}", server.status(name)?)?;
    Ok(text)
}

fn hosts_come_and_go(settings: &str) -> Result<()> {
    let Some(bootstrap) = millstream_tests::kafka() else {
        eprintln!("skipped: MILLSTREAM_KAFKA is not set; run `./x test kafka`");
        return Ok(());
    };
    let (name, directory) = (fresh("rebalance")?, tempfile::tempdir()?);
    let host = |host: &str| start(directory.path(), &bootstrap, host, settings);
    let first = host("a")?;
    launch(&first, &name)?;
    let (stop, written, input) = (AtomicBool::new(false), AtomicU64::new(0), format!("{name}-in"));
    let client = Client::new(first.url().to_owned());
    thread::scope(|scope| {
        let writing = scope.spawn(|| write(&client, &input, &stop, &written));
        let moved = (|| {
            let second = host("b")?;
            let two = shared_out(&[&first, &second], &name)?;
            let third = host("c")?;
            let three = shared_out(&[&first, &second, &third], &name)?;
            check_stayed(&two[0], &three[0]).context("the first host when the third joined")?;
            check_stayed(&two[1], &three[1]).context("the second host when the third joined")?;
            ensure!(third.stop()?.success(), "the third host did not end in order");
            let again = shared_out(&[&first, &second], &name)?;
            check_stayed(&three[0], &again[0]).context("the first host when the third left")?;
            second.kill()?;
            let alone = shared_out(&[&first], &name)?;
            check_stayed(&again[0], &alone[0]).context("the first host when the second was killed")?;
            let restarts = first.status(&name)?["restarts"].clone();
            ensure!(restarts == 0, "{restarts} workers of the first host began again");
            Ok(())
        })();
        stop.store(true, Ordering::Relaxed);
        let ended = writing.join().map_err(|_| anyhow!("the writer panicked"))?;
        moved.and(ended)
    })?;
    check_once(&first, &name, written.load(Ordering::Relaxed))?;
    ensure!(first.stop()?.success(), "the first host did not end in order");
    Ok(())
}

#[test]
fn tasks_that_stay_go_on_with_the_consumer_protocol() -> Result<()> {
    hosts_come_and_go("group-protocol: consumer")
}

#[test]
fn tasks_that_stay_go_on_with_cooperative_members() -> Result<()> {
    let properties = "properties: { session.timeout.ms: '6000', heartbeat.interval.ms: '500' }";
    hosts_come_and_go(&format!("group-protocol: classic, assignor: cooperative-sticky, {properties}"))
}

/// The protocol takes all partitions from all members each time. Tasks that come back go on with what they had.
#[test]
fn tasks_that_stay_go_on_with_eager_members() -> Result<()> {
    let properties = "properties: { session.timeout.ms: '6000', heartbeat.interval.ms: '500' }";
    hosts_come_and_go(&format!("group-protocol: classic, {properties}"))
}

#[test]
fn stages_that_read_topics_together_are_refused_with_cooperative_members() -> Result<()> {
    let Some(bootstrap) = millstream_tests::kafka() else {
        eprintln!("skipped: MILLSTREAM_KAFKA is not set; run `./x test kafka`");
        return Ok(());
    };
    let (name, directory) = (fresh("together")?, tempfile::tempdir()?);
    let server = start(directory.path(), &bootstrap, "a", "group-protocol: classic, assignor: cooperative-sticky")?;
    for topic in ["left", "right"] {
        server.create_topic(&format!("{name}-{topic}"), 2)?;
    }
    let yaml = format!(
        "
pipeline: {name}
sources: {{ left: {{ topic: {name}-left }}, right: {{ topic: {name}-right }} }}
steps: {{ both: {{ from: [left, right], filter: /n > 0 }} }}
sinks: {{ out: {{ from: both, topic: {name}-out }} }}
"
    );
    server.put(&format!("/api/v1/pipelines/{name}"), "application/yaml", yaml.as_bytes())?.success()?;
    let started = server.act(&name, "start")?;
    let refused = |text: &str| text.contains("stage both: it reads several topics together");
    if !refused(&started.text) {
        server.until("the pipeline is refused", || Ok(refused(&server.status(&name)?["reason"].to_string())))?;
    }
    Ok(())
}
