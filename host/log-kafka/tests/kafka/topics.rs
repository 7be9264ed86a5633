use std::sync::Arc;

use anyhow::{Result, ensure};
use millstream_log::{ErrorKind, Log, Routing, StartPosition, TopicSpec};
use millstream_types::TopicPartition;

use crate::harness::{Broker, assigned, batch, spec, write};

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
