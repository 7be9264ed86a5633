//! The whole system on a real Kafka: what comes out equals what the embedded log gives, and neither swaps nor crashes
//! change it. Needs a broker (`MILLSTREAM_KAFKA`), which `./x test kafka` starts.

#![expect(clippy::indexing_slicing, reason = "indexing JSON gives null where nothing is")]

use std::{
    collections::BTreeMap,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use millstream_tests::{Server, ServerOptions, fraud_operator, value_of};
use serde_json::Value;

/// Payments of a generator that comes to an end.
const PAYMENTS: u64 = 20_000;

/// Payments a second of one that does not. Until they are ended there are more to come, however slow all else is, and no
/// machine is so slow that an hour of [`pipelines`] passes meanwhile.
const RATE: u32 = 2_000;

/// The broker, or `None` and a line that says so.
fn broker() -> Option<String> {
    let bootstrap = millstream_tests::kafka();
    if bootstrap.is_none() {
        eprintln!("skipped: MILLSTREAM_KAFKA is not set; run `./x test kafka`");
    }
    bootstrap
}

/// A name that no other run on this broker has.
fn fresh(name: &str) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(format!("{name}-{}", now.as_nanos()))
}

/// A generator of payments, the same ones every time, and the fraud pipeline behind it. There are so many `payments`, or
/// always more to come.
fn pipelines(name: &str, payments: Option<u64>) -> (String, String) {
    // Wherever payments end, the last of each user has the latest time, and so the count of all, where there is no disorder.
    let (bounds, disorder) = match payments {
        Some(payments) => (format!("count: {payments}"), ", out-of-order: 2s"),
        None => (format!("rate: {RATE}"), ""),
    };
    let generator = format!(
        "
pipeline: {name}-made
sources:
  payments:
    generator:
      {{ {bounds}, partitions: 1, seed: 7, key: user_id, fields: {{
        payment_id: {{ sequence: {{ start: 1 }} }}, user_id: {{ zipf: {{ n: 500, prefix: u }} }},
        merchant_id: {{ zipf: {{ n: 50, prefix: m }} }}, amount: {{ log-normal: {{ median: 24, sigma: 1, decimals: 2 }} }},
        currency: {{ one-of: {{ EUR: 6, USD: 3 }} }}, card_country: {{ one-of: [DE, FR] }},
        ts: {{ event-time: {{ start: '2026-01-01T00:00:00Z', step: 5ms{disorder} }} }} }} }}
sinks:
  payments: {{ from: payments, topic: {name}-payments, partitions: 1 }}
"
    );
    let fraud = format!(
        "
pipeline: {name}
sources: {{ payments: {{ topic: {name}-payments }} }}
steps:
  parse: {{ from: payments, operator: parse-payment@1.0.0 }}
  velocity: {{ from: parse, key: /user_id, partitions: 4, operator: velocity@1.0.0 }}
  score: {{ from: velocity, operator: score@1.0.0 }}
sinks: {{ scores: {{ from: score, topic: {name}-scores }} }}
"
    );
    (generator, fraud)
}

fn start(data: &Path, kafka: Option<&str>) -> Result<Server> {
    Server::start(data, &ServerOptions { kafka: kafka.map(Into::into), ..ServerOptions::default() })
}

fn launch(server: &Server, name: &str, payments: Option<u64>) -> Result<()> {
    for (operator, file) in [
        ("parse-payment@1.0.0", "parse_payment"),
        ("velocity@1.0.0", "velocity"),
        ("score@1.0.0", "score_v1"),
        ("score@2.0.0", "score_v2"),
    ] {
        server.push(operator, &fraud_operator(file)?)?;
    }
    let (generator, fraud) = pipelines(name, payments);
    server.create_topic(&format!("{name}-payments"), 1)?;
    server.launch(name, &fraud)?;
    server.launch(&format!("{name}-made"), &generator)
}

/// Lets no more payments come, and counts those that there are.
fn end_payments(server: &Server, name: &str) -> Result<u64> {
    server.act(&format!("{name}-made"), "stop")?.success()?;
    Ok(server.records(&format!("{name}-payments"))?.len() as u64)
}

/// Waits until all payments are scored and returns the scores of each user, in order.
fn scores(server: &Server, name: &str, payments: u64) -> Result<BTreeMap<String, Vec<Value>>> {
    let topic = format!("{name}-scores");
    millstream_tests::while_it_moves("all payments are scored", || {
        let count = server.record_count(&topic)?;
        // Not all that is counted is a record.
        Ok((count >= payments && server.records(&topic)?.len() as u64 >= payments, count))
    })?;
    server.act(name, "stop")?.success()?;
    let mut users: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for record in server.records(&topic)? {
        let score = value_of(&record)?;
        users.entry(score["user_id"].as_str().context("no user")?.to_owned()).or_default().push(score);
    }
    Ok(users)
}

/// Every payment once, and each counted once in the state of its user.
fn check_once(users: &BTreeMap<String, Vec<Value>>, payments: u64) -> Result<()> {
    let mut ids: Vec<u64> = users.values().flatten().filter_map(|score| score["payment_id"].as_u64()).collect();
    ids.sort_unstable();
    ensure!(ids == (1..=payments).collect::<Vec<_>>(), "{} ids are not 1 to {payments}, each once", ids.len());
    for (user, scores) in users {
        // All payments are made within an hour, so that the last one's count is that of all.
        let counted = scores.iter().filter_map(|score| score["features"]["count_1h"].as_u64()).max();
        ensure!(counted == Some(scores.len() as u64), "{user} has {} scores and a count of {counted:?}", scores.len());
    }
    Ok(())
}

#[test]
fn kafka_and_the_embedded_log_give_the_same_output() -> Result<()> {
    let Some(bootstrap) = broker() else { return Ok(()) };
    let name = fresh("same")?;
    let mut outputs = Vec::new();
    for kafka in [None, Some(bootstrap.as_str())] {
        let data = tempfile::tempdir()?;
        let server = start(data.path(), kafka)?;
        launch(&server, &name, Some(PAYMENTS))?;
        outputs.push(scores(&server, &name, PAYMENTS)?);
        server.stop()?;
    }
    check_once(&outputs[0], PAYMENTS)?;
    ensure!(outputs[0] == outputs[1], "the logs differ");
    Ok(())
}

#[test]
fn swaps_and_crashes_on_kafka_lose_and_double_nothing() -> Result<()> {
    let Some(bootstrap) = broker() else { return Ok(()) };
    let name = fresh("crash")?;
    let data = tempfile::tempdir()?;
    let mut server = start(data.path(), Some(&bootstrap))?;
    launch(&server, &name, None)?;
    let topic = format!("{name}-scores");
    for round in 0..2 {
        let before = server.record_count(&topic)?;
        server.until("some more is scored", || Ok(server.record_count(&topic)? > before + 1_000))?;
        let operator = if round % 2 == 0 { "score@2.0.0" } else { "score@1.0.0" };
        server.swap(&name, "score", operator)?.success()?;
        server.until("the new version scores", || Ok(server.record_count(&topic)? > before + 2_000))?;
        server.kill()?;
        server = start(data.path(), Some(&bootstrap))?;
        let running = |status: &Value| {
            status["steps"].as_array().is_some_and(|steps| steps.iter().any(|step| step["operator"] == operator))
        };
        ensure!(running(&server.status(&name)?), "after the crash the swapped version does not run");
    }
    let payments = end_payments(&server, &name)?;
    let users = scores(&server, &name, payments)?;
    check_once(&users, payments)?;
    let models: std::collections::BTreeSet<_> =
        users.values().flatten().filter_map(|score| score["model"].as_str()).collect();
    ensure!(models.len() == 2, "{models:?}");
    Ok(())
}

/// The most changes that a host may replay of tasks that it followed: more than a second of the load, each user once a
/// commit.
const TAIL: u64 = 500;

/// A host of its own, with the registry of all.
fn host(directory: &Path, name: &str, bootstrap: &str) -> Result<Server> {
    let config = directory.join(format!("{name}.yaml"));
    std::fs::write(&config, format!("host-id: {name}\n"))?;
    let text = |path: &Path| path.display().to_string();
    let arguments = vec!["--config".into(), text(&config), "--registry".into(), text(&directory.join("registry"))];
    Server::start(&directory.join(name), &ServerOptions { kafka: Some(bootstrap.into()), arguments })
}

#[test]
fn a_host_that_follows_takes_over_a_killed_one_with_almost_nothing_to_replay() -> Result<()> {
    let Some(bootstrap) = broker() else { return Ok(()) };
    let name = fresh("standby")?;
    let directory = tempfile::tempdir()?;
    let first = host(directory.path(), "host-a", &bootstrap)?;
    let (generator, fraud) = pipelines(&name, None);
    for (operator, file) in
        [("parse-payment@1.0.0", "parse_payment"), ("velocity@1.0.0", "velocity"), ("score@1.0.0", "score_v1")]
    {
        first.push(operator, &fraud_operator(file)?)?;
    }
    first.create_topic(&format!("{name}-payments"), 1)?;
    first.launch(&name, &format!("{fraud}standby: 1\nworkers: 1\n"))?;
    let second = host(directory.path(), "host-b", &bootstrap)?;
    let of = |server: &Server, what: &str| -> Result<Vec<Value>> {
        Ok(server.status(&name)?[what].as_array().cloned().unwrap_or_default())
    };
    let velocities = |tasks: Vec<Value>| tasks.into_iter().filter(|task| task["stage"] == "velocity");
    first.until("both hosts have two tasks", || {
        Ok([&first, &second].into_iter().all(|server| {
            of(server, "tasks")
                .is_ok_and(|tasks| velocities(tasks).filter(|task| !task["restored"].is_null()).count() == 2)
        }))
    })?;
    second
        .until("the second follows the tasks of the first", || Ok(velocities(of(&second, "standbys")?).count() == 2))?;
    let own: Vec<u64> = velocities(of(&second, "tasks")?).filter_map(|task| task["partition"].as_u64()).collect();
    second.launch(&format!("{name}-made"), &generator)?;
    let topic = format!("{name}-scores");
    second.until("much is scored", || Ok(second.record_count(&topic)? > 12_000))?;
    let standbys: Vec<Value> = velocities(of(&second, "standbys")?).collect();
    let followed: u64 = standbys.iter().filter_map(|standby| standby["records"].as_u64()).sum();
    ensure!(followed > 2 * TAIL && standbys.iter().all(|standby| standby["problem"].is_null()), "{standbys:?}");
    first.kill()?;
    let taken = || -> Result<Vec<Value>> {
        let tasks = velocities(of(&second, "tasks")?).filter(|task| !task["restored"].is_null());
        Ok(tasks.filter(|task| task["partition"].as_u64().is_some_and(|number| !own.contains(&number))).collect())
    };
    second.until("the second has all tasks", || Ok(taken()?.len() == 2))?;
    let replayed: u64 = taken()?.iter().filter_map(|task| task["restored"]["records"].as_u64()).sum();
    ensure!(replayed < TAIL, "{replayed} changes were replayed, and {followed} had been followed: {:?}", taken()?);
    eprintln!("{replayed} changes were replayed at the takeover; {followed} had been followed");
    let payments = end_payments(&second, &name)?;
    check_once(&scores(&second, &name, payments)?, payments)
}

#[test]
fn a_savepoint_on_kafka_is_where_another_pipeline_begins() -> Result<()> {
    let Some(bootstrap) = broker() else { return Ok(()) };
    let name = fresh("savepoint")?;
    let data = tempfile::tempdir()?;
    let config = data.path().join("millstream.yaml");
    std::fs::write(&config, format!("snapshots: {{ location: {} }}\n", data.path().join("kept").display()))?;
    let arguments = vec!["--config".into(), config.display().to_string()];
    let server = Server::start(data.path(), &ServerOptions { kafka: Some(bootstrap), arguments })?;
    launch(&server, &name, None)?;
    let (topic, input) = (format!("{name}-scores"), format!("{name}-payments"));
    server.until("some is scored", || Ok(server.records(&topic)?.len() > 2_000))?;
    let call = |path: &str, body: &str| server.post(path, "application/json", body.as_bytes())?.success();
    let taken = call(&format!("/api/v1/pipelines/{name}/savepoints"), r#"{"name":"s"}"#)?.json();
    let at = taken["positions"][0]["offset"].as_u64().context("no position")?;
    server.until("more is to be scored", || Ok(server.record_count(&input)? > at + 2_000))?;
    let made = end_payments(&server, &name)?;
    let users = scores(&server, &name, made)?;
    check_once(&users, made)?;
    // Offsets count the ends of transactions, too.
    let is_left = |payment: &&Value| payment["offset"].as_u64().is_some_and(|offset| offset >= at);
    let left = server.records(&input)?.iter().filter(is_left).count();
    ensure!(0 < left && left + 2_000 < made as usize, "{left} of {made} left at {at}");

    // Its state is at the position, with nothing lost between its stages: the counts of the rest are the same.
    let (_, fraud) = pipelines(&name, None);
    let copy = format!("{name}-copied");
    let copied = fraud.replace(&format!("pipeline: {name}"), &format!("pipeline: {copy}")).replace(&topic, &copy);
    server.put(&format!("/api/v1/pipelines/{copy}"), "application/yaml", copied.as_bytes())?.success()?;
    call(&format!("/api/v1/pipelines/{copy}/savepoints/s/restore"), &format!(r#"{{"from":"{name}"}}"#))?;
    server.act(&copy, "start")?.success()?;
    server.until("the rest is scored", || Ok(server.records(&copy)?.len() >= left))?;
    server.act(&copy, "stop")?.success()?;
    let mut expected: BTreeMap<_, _> =
        users.values().flatten().map(|score| (score["payment_id"].as_u64(), &score["features"])).collect();
    let rest = server.records(&copy)?;
    ensure!(rest.len() == left, "{} records, and {left} were left", rest.len());
    for record in &rest {
        let score = value_of(record)?;
        let features = expected.remove(&score["payment_id"].as_u64());
        ensure!(features == Some(&score["features"]), "{features:?}: {score}");
    }
    Ok(())
}

#[test]
fn a_broker_that_is_not_there_is_named() -> Result<()> {
    let data = tempfile::tempdir()?;
    let mut command = millstream_tests::millstream();
    command.args(["topic", "list", "--kafka", "127.0.0.1:1", "--data-dir"]).arg(data.path());
    let output = command.output()?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(3) && errors.contains("127.0.0.1:1"), "{:?}: {errors}", output.status);
    Ok(())
}
