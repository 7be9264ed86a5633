use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Result, ensure};
use millstream_log::{ErrorKind, Log, LogSession, StateDelta, TopicSpec};
use millstream_log_kafka::KafkaLog;
use millstream_types::TopicPartition;

use crate::harness::{Broker, spec};

fn delta(changes: &[(&str, Option<&str>)]) -> StateDelta {
    StateDelta {
        keys: changes.iter().map(|(key, _)| Some(key)).collect(),
        values: changes.iter().map(|(_, value)| *value).collect(),
    }
}

type State = BTreeMap<Vec<u8>, Vec<u8>>;

fn restored(session: &mut dyn LogSession, changelog: &TopicPartition, from: Option<i64>) -> Result<(State, i64)> {
    let mut state = State::new();
    let mut last = from.unwrap_or(0);
    let position = session.restore(changelog, from, &mut |delta, position, _| {
        assert!(position > last, "{position} after {last}");
        last = position;
        for (key, value) in delta.keys.iter().zip(delta.values.iter()) {
            match value {
                Some(value) => state.insert(key.unwrap().to_vec(), value.to_vec()),
                None => state.remove(key.unwrap()),
            };
        }
        Ok(())
    })?;
    Ok((state, position))
}

fn session(broker: &Broker, log: &KafkaLog) -> Result<(Box<dyn LogSession>, TopicPartition)> {
    let input = broker.topic(log, "input", 1)?;
    let name: Arc<str> = broker.fresh("changelog").into();
    log.create_topic(&TopicSpec::new(name.clone(), 2).compacted())?;
    Ok((log.session(&spec(&broker.fresh("group"), "w", &[&input]))?, TopicPartition::new(name, 1)))
}

pub fn gives_the_state_from_any_position(broker: &Broker) -> Result<()> {
    let log = broker.log()?;
    let (mut session, changelog) = session(broker, &log)?;
    ensure!(restored(&mut *session, &changelog, None)? == (State::new(), 0), "an empty changelog");

    session.append_changelog(&changelog, &delta(&[("a", Some("1")), ("b", Some("1"))]))?;
    let first = session.commit(&[])?.changelogs;
    ensure!(first.len() == 1 && first[0].0 == changelog && first[0].1 >= 2, "{first:?}");
    session.append_changelog(&changelog, &delta(&[("a", Some("lost"))]))?;
    session.abort()?;
    session.append_changelog(&changelog, &delta(&[("a", None), ("c", Some("2"))]))?;
    let second = session.commit(&[])?.changelogs;
    ensure!(session.commit(&[])?.changelogs.is_empty(), "nothing was appended");

    let state = |entries: &[(&str, &str)]| -> State {
        entries.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
    };
    let (all, end) = restored(&mut *session, &changelog, None)?;
    ensure!(all == state(&[("b", "1"), ("c", "2")]), "{all:?}");
    ensure!(end >= second[0].1);
    let (rest, same) = restored(&mut *session, &changelog, Some(first[0].1))?;
    // The marker of a commit is written after its answer, and takes an offset.
    ensure!(rest == state(&[("c", "2")]) && same >= end, "{rest:?}, {same} and {end}");
    ensure!(restored(&mut *session, &changelog, Some(second[0].1))?.0 == State::new());
    ensure!(restored(&mut *session, &changelog, Some(same))?.0 == State::new());

    // Large enough for several deltas, and an error of the caller stops it.
    let entries: Vec<(String, String)> = (0..20_000).map(|n| (format!("key-{n}"), "v".repeat(100))).collect();
    let changes: Vec<(&str, Option<&str>)> = entries.iter().map(|(key, value)| (&**key, Some(&**value))).collect();
    session.append_changelog(&changelog, &delta(&changes))?;
    session.commit(&[])?;
    let (all, _) = restored(&mut *session, &changelog, Some(end))?;
    ensure!(all.len() == 20_000);
    let mut calls = 0;
    let error = session.restore(&changelog, None, &mut |_, _, _| {
        calls += 1;
        Err(millstream_log::LogError::new(ErrorKind::Fatal, "the disk is full"))
    });
    ensure!(calls == 1 && error.unwrap_err().message == "the disk is full");
    ensure!(restored(&mut *session, &changelog, None)?.0.len() == 20_002);
    session.close()?;
    Ok(())
}

pub fn refuses_positions_that_are_gone(broker: &Broker) -> Result<()> {
    let log = broker.log()?;
    let (mut session, changelog) = session(broker, &log)?;
    session.append_changelog(&changelog, &delta(&[("a", Some("1"))]))?;
    session.commit(&[])?;
    let error = restored(&mut *session, &changelog, Some(1000)).unwrap_err();
    let error: millstream_log::LogError = error.downcast()?;
    ensure!(error.kind == ErrorKind::User && error.partition == Some(changelog), "{error:?}");
    session.close()?;
    Ok(())
}
