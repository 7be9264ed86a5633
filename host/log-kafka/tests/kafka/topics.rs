use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use millstream_log::{ErrorKind, Log, Routing, StartPosition, TopicSpec};
use millstream_log_kafka::KafkaLog;
use millstream_types::TopicPartition;

use crate::harness::{Broker, PATIENCE, assigned, batch, spec, write};

pub fn are_created_once_and_checked(broker: &Broker) -> Result<()> {
    let log = broker.log()?;
    let name: Arc<str> = broker.fresh("created").into();
    ensure!(log.topic(&name)?.is_none());
    let mut wanted = TopicSpec::new(name.clone(), 3).compacted();
    wanted.settings.insert("purge".into(), "consumed".into());
    wanted.settings.insert("replication.factor".into(), "1".into());
    ensure!(log.create_topic(&wanted)?);
    ensure!(!log.create_topic(&wanted)?, "the second call creates nothing");
    let info = log.topic(&name)?.unwrap();
    ensure!(info.offsets == [(0, 0); 3], "{info:?}");

    let error = log.create_topic(&TopicSpec::new(name.clone(), 4)).unwrap_err();
    ensure!(error.kind == ErrorKind::User && error.message.contains("3 partitions where 4"), "{error}");
    let mut refused = TopicSpec::new(broker.fresh("refused"), 1);
    refused.settings.insert("cleanup.policy".into(), "burn".into());
    let error = log.create_topic(&refused).unwrap_err();
    ensure!(error.kind == ErrorKind::User, "{error:?}");

    let listed = log.topics()?;
    ensure!(listed.iter().any(|topic| topic.name == name));
    ensure!(listed.iter().all(|topic| !topic.name.starts_with("__")), "{listed:?}");
    ensure!(log.delete_topic(&name)?);
    ensure!(log.topic(&name)?.is_none());
    ensure!(!log.delete_topic(&name)?);
    Ok(())
}

pub fn that_are_missing_are_the_callers_fault(broker: &Broker) -> Result<()> {
    let log = broker.log()?;
    let there = broker.topic(&log, "there", 1)?;
    let missing: Arc<str> = broker.fresh("missing").into();
    let group = broker.fresh("group");
    let check = |what: &str, error: Option<millstream_log::LogError>| -> Result<()> {
        let error = error.ok_or_else(|| anyhow::anyhow!("{what} was accepted"))?;
        ensure!(error.kind == ErrorKind::User && error.message.contains(&*missing), "{what}: {error:?}");
        Ok(())
    };
    check("a session", log.session(&spec(&group, "w", &[&there, &missing])).err())?;
    check("a reader", log.reader(&missing, StartPosition::Earliest).err())?;
    let records = batch([("k", "v")]);
    check("a writer", log.writer()?.write(&missing, Routing::ByKey, &records).err())?;
    let mut session = log.session(&spec(&group, "w", &[&there]))?;
    check("an append", session.append(&missing, Routing::ByKey, &records).err())?;
    let error = session.append(&there, Routing::To(1), &records).unwrap_err();
    ensure!(error.kind == ErrorKind::User && error.partition == Some(TopicPartition::new(there, 1)), "{error:?}");
    session.close()?;
    Ok(())
}

pub fn of_a_group_tell_its_positions(broker: &Broker) -> Result<()> {
    let log = broker.log()?;
    let topic = broker.topic(&log, "positions", 2)?;
    let group = broker.fresh("group");
    write(&log, &topic, &batch((0..10).map(|n| (n.to_string(), "v"))))?;
    ensure!(log.group_positions(&group, std::slice::from_ref(&topic))?.is_empty());

    let mut session = log.session(&spec(&group, "w", &[&topic]))?;
    let partitions = assigned(&mut *session, 2)?;
    session.commit(&[(partitions[0].clone(), 1)])?;
    ensure!(log.group_positions(&group, std::slice::from_ref(&topic))? == [(partitions[0].clone(), 1)]);
    let error = log.delete_group(&group).unwrap_err();
    ensure!(error.kind == ErrorKind::User, "a group with members is deleted: {error:?}");
    session.close()?;
    log.delete_group(&group)?;
    log.delete_group(&group)?;
    ensure!(log.group_positions(&group, std::slice::from_ref(&topic))?.is_empty());
    Ok(())
}

/// Shuffles: nobody else reads them, so that the group deletes what it has committed.
pub fn of_shuffles_forget_what_was_committed(broker: &Broker) -> Result<()> {
    let mut config = broker.config();
    config.purge_interval = Duration::ZERO;
    let log = KafkaLog::connect(config)?;
    let kept = broker.topic(&log, "kept", 1)?;
    let mut shuffle = TopicSpec::new(broker.fresh("shuffle"), 1);
    shuffle.settings.insert("purge".into(), "consumed".into());
    log.create_topic(&shuffle)?;
    for topic in [&kept, &shuffle.name] {
        write(&log, topic, &batch((0..10).map(|n| (n.to_string(), "v"))))?;
    }
    let mut session = log.session(&spec(&broker.fresh("group"), "w", &[&kept, &shuffle.name]))?;
    let positions: Vec<_> = assigned(&mut *session, 2)?.into_iter().map(|partition| (partition, 7)).collect();
    session.commit(&positions)?;
    let first = |topic: &str| -> Result<i64> { Ok(log.topic(topic)?.unwrap().offsets[0].0) };
    let deadline = Instant::now() + PATIENCE;
    while first(&shuffle.name)? < 7 {
        ensure!(Instant::now() < deadline, "nothing is deleted");
    }
    ensure!((first(&shuffle.name)?, first(&kept)?) == (7, 0));
    session.close()?;
    Ok(())
}
