//! Changelogs: appended with the commit, restored, trimmed.
//!
//! A log that compacts may leave out entries that were written over, and may cut deltas otherwise than they
//! were appended: what counts is what they add up to.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use millstream_types::TopicPartition;

use super::{Factory, PATIENCE, POLL, Worker, create, spec, unique};
use crate::{ErrorKind, Log, LogError, LogSession, StateDelta, TopicSpec};

type State = BTreeMap<String, Option<String>>;

fn changelog(log: &dyn Log, partitions: u32) -> TopicPartition {
    let name = unique("changelog");
    log.create_topic(&TopicSpec::new(Arc::clone(&name), partitions).compacted()).expect("created");
    TopicPartition::new(name, partitions - 1)
}

fn worker(log: &dyn Log) -> Worker {
    let input = create(log, "input", 1);
    Worker::open(log, &spec(&unique("group"), "a", &[&input])).join(1)
}

fn commit(session: &mut dyn LogSession, changelog: &TopicPartition, entries: &[(&str, Option<&str>)]) -> i64 {
    let delta = StateDelta {
        keys: entries.iter().map(|(key, _)| Some(*key)).collect(),
        values: entries.iter().map(|(_, value)| *value).collect(),
    };
    session.append_changelog(changelog, &delta).expect("appended");
    let committed = session.commit(&[]).expect("committed");
    assert_eq!(committed.changelogs.len(), 1);
    assert_eq!(&committed.changelogs[0].0, changelog);
    committed.changelogs[0].1
}

/// Applies what is restored to `state`; returns the end and the keys in order.
fn restore(
    session: &mut dyn LogSession,
    changelog: &TopicPartition,
    from: Option<i64>,
    state: &mut State,
) -> Result<(i64, Vec<String>), LogError> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut keys = Vec::new();
    let mut last = from.unwrap_or(0);
    let mut known_end = None;
    let end = session.restore(changelog, from, &mut |delta, position, goal| {
        assert_eq!(delta.keys.len(), delta.values.len());
        assert_eq!(delta.keys.null_count(), 0, "keys are never null");
        assert!(position > last, "positions ascend");
        assert_eq!(*known_end.get_or_insert(goal), goal, "the end is known from the start");
        last = position;
        for index in 0..delta.keys.len() {
            let key = text(delta.keys.get(index).expect("a key"));
            keys.push(key.clone());
            state.insert(key, delta.values.get(index).map(text));
        }
        Ok(())
    })?;
    assert!(end >= last, "the end is not before the last delta");
    assert!(known_end.is_none_or(|goal| end >= goal), "{end} is before the end that was told: {known_end:?}");
    Ok((end, keys))
}

fn state(entries: &[(&str, Option<&str>)]) -> State {
    entries.iter().map(|(key, value)| ((*key).into(), value.map(Into::into))).collect()
}

/// Three commits, read back as they were made; a second partition is not touched.
pub fn a_restore_brings_every_change_in_order(factory: Factory<'_>) {
    let log = factory().open();
    let changelog = changelog(&*log, 2);
    let mut worker = worker(&*log);
    let positions = [
        commit(&mut *worker.session, &changelog, &[("a", Some("1")), ("b", Some("2"))]),
        commit(&mut *worker.session, &changelog, &[("c", None)]),
        commit(&mut *worker.session, &changelog, &[("d", Some("")), ("e", Some("5"))]),
    ];
    assert!(positions.is_sorted_by(|a, b| a < b), "{positions:?}");
    let mut found = State::new();
    let (end, keys) = restore(&mut *worker.session, &changelog, None, &mut found).expect("restored");
    assert_eq!(keys, ["a", "b", "c", "d", "e"]);
    assert!(end >= positions[2], "{end} of {positions:?}");
    let expected = [("a", Some("1")), ("b", Some("2")), ("c", None), ("d", Some("")), ("e", Some("5"))];
    assert_eq!(found, state(&expected));

    let sibling = TopicPartition::new(Arc::clone(&changelog.topic), 0);
    let mut nothing = State::new();
    restore(&mut *worker.session, &sibling, None, &mut nothing).expect("restored");
    assert_eq!(nothing, State::new());
}

/// From the position after a commit only later changes come.
pub fn a_restore_may_begin_in_the_middle(factory: Factory<'_>) {
    let log = factory().open();
    let changelog = changelog(&*log, 1);
    let mut worker = worker(&*log);
    let first = commit(&mut *worker.session, &changelog, &[("a", Some("1")), ("b", Some("1"))]);
    commit(&mut *worker.session, &changelog, &[("b", Some("2"))]);
    let third = commit(&mut *worker.session, &changelog, &[("c", Some("3"))]);
    let mut found = State::new();
    let (end, keys) = restore(&mut *worker.session, &changelog, Some(first), &mut found).expect("restored");
    assert_eq!(keys, ["b", "c"]);
    assert_eq!(found, state(&[("b", Some("2")), ("c", Some("3"))]));

    let mut nothing = State::new();
    restore(&mut *worker.session, &changelog, Some(third), &mut nothing).expect("restored");
    restore(&mut *worker.session, &changelog, Some(end), &mut nothing).expect("restored");
    assert_eq!(nothing, State::new());
    let error =
        restore(&mut *worker.session, &changelog, Some(end + 1000), &mut nothing).expect_err("no such position");
    assert_eq!(error.kind, ErrorKind::User, "{error}");
}

/// The same keys over and over, deletions between.
pub fn the_last_write_of_a_key_counts(factory: Factory<'_>) {
    let log = factory().open();
    let changelog = changelog(&*log, 1);
    let mut worker = worker(&*log);
    for round in 0..20 {
        let value = format!("round {round}");
        let of_b = (round % 2 == 0).then_some(value.as_str());
        commit(&mut *worker.session, &changelog, &[("a", Some(&value)), ("b", of_b)]);
    }
    let mut found = State::new();
    restore(&mut *worker.session, &changelog, None, &mut found).expect("restored");
    assert_eq!(found, state(&[("a", Some("round 19")), ("b", None)]));
}

/// What is committed during a restore is no part of it, not even its first record: a worker that lost its task meanwhile
/// would have the half of a commit.
pub fn a_restore_ends_where_the_changelog_ended_when_it_began(factory: Factory<'_>) {
    let log = factory().open();
    let changelog = changelog(&*log, 1);
    let mut first = worker(&*log);
    // More than one delta brings, so that the restore is in the middle when the first one comes.
    let names: Vec<String> = (0..5_000).map(|number| format!("{number:04}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), Some("1"))).collect();
    let position = commit(&mut *first.session, &changelog, &entries);
    let mut second = worker(&*log);
    let mut reader = log.reader_at(&[(changelog.clone(), position)]).expect("a reader");
    let (mut restored, mut has_committed) = (Vec::new(), false);
    let end = first.session.restore(&changelog, None, &mut |delta, _, _| {
        restored.extend(delta.keys.iter().map(|key| String::from_utf8_lossy(key.unwrap_or_default()).into_owned()));
        if !std::mem::replace(&mut has_committed, true) {
            commit(&mut *second.session, &changelog, &[("late 1", Some("1")), ("late 2", Some("1"))]);
            // Until it is there for everybody.
            let began = Instant::now();
            while reader.poll(POLL).expect("readable").is_none() {
                assert!(began.elapsed() < PATIENCE, "it cannot be read");
            }
        }
        Ok(())
    });
    let end = end.expect("restored");
    assert_eq!(restored, names);
    let mut rest = State::new();
    let (_, keys) = restore(&mut *first.session, &changelog, Some(end), &mut rest).expect("restored");
    assert_eq!(keys, ["late 1", "late 2"]);
}

/// A new pipeline has nothing to restore, and where it ends is where the next restore may begin.
pub fn an_empty_changelog_restores_nothing(factory: Factory<'_>) {
    let log = factory().open();
    let changelog = changelog(&*log, 1);
    let mut worker = worker(&*log);
    let mut found = State::new();
    let (end, _) = restore(&mut *worker.session, &changelog, None, &mut found).expect("restored");
    assert_eq!(found, State::new());
    assert_eq!(restore(&mut *worker.session, &changelog, Some(end), &mut found).expect("restored").0, end);
}

/// Neither an open nor an aborted transaction is restored.
pub fn deltas_that_are_not_committed_are_not_restored(factory: Factory<'_>) {
    let log = factory().open();
    let changelog = changelog(&*log, 1);
    let mut first = worker(&*log);
    commit(&mut *first.session, &changelog, &[("a", Some("committed"))]);
    let delta = StateDelta { keys: [Some("a")].into_iter().collect(), values: [Some("aborted")].into_iter().collect() };
    first.session.append_changelog(&changelog, &delta).expect("appended");
    first.session.abort().expect("aborted");
    let mut second = worker(&*log);
    let mut found = State::new();
    restore(&mut *second.session, &changelog, None, &mut found).expect("restored");
    assert_eq!(found, state(&[("a", Some("committed"))]));

    let failed = second.session.restore(&changelog, None, &mut |_, _, _| Err(LogError::new(ErrorKind::Fatal, "full")));
    assert_eq!(failed.expect_err("what apply returned").message, "full");
}

/// The commit was answered, so the delta is there.
pub fn deltas_survive_a_crash(factory: Factory<'_>) {
    let storage = factory();
    let log = storage.open();
    let changelog = changelog(&*log, 1);
    let mut first = worker(&*log);
    let position = commit(&mut *first.session, &changelog, &[("a", Some("1")), ("b", Some("2"))]);
    drop(first);
    drop(log);
    let log = storage.open();
    let mut second = worker(&*log);
    let mut found = State::new();
    restore(&mut *second.session, &changelog, None, &mut found).expect("restored");
    assert_eq!(found, state(&[("a", Some("1")), ("b", Some("2"))]));
    assert!(commit(&mut *second.session, &changelog, &[("c", None)]) > position, "positions go on");
}

/// What was trimmed may be gone; what came after is there.
pub fn a_trimmed_changelog_restores_from_there(factory: Factory<'_>) {
    let log = factory().open();
    let changelog = changelog(&*log, 1);
    let mut worker = worker(&*log);
    commit(&mut *worker.session, &changelog, &[("a", Some("1"))]);
    let second = commit(&mut *worker.session, &changelog, &[("b", Some("2"))]);
    commit(&mut *worker.session, &changelog, &[("c", Some("3"))]);
    worker.session.trim_changelog(&changelog, second).expect("trimmed");
    worker.session.trim_changelog(&changelog, second).expect("repeatable");
    let mut found = State::new();
    restore(&mut *worker.session, &changelog, Some(second), &mut found).expect("restored");
    assert_eq!(found, state(&[("c", Some("3"))]));
    let fourth = commit(&mut *worker.session, &changelog, &[("d", Some("4"))]);
    let (end, _) = restore(&mut *worker.session, &changelog, Some(second), &mut found).expect("restored");
    assert!(end >= fourth);
    assert_eq!(found, state(&[("c", Some("3")), ("d", Some("4"))]));
}
