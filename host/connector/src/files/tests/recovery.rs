//! Opening again after crashes, failures and changes.

use super::*;

fn refusal(world: &World) -> ConnectorError {
    world.open().map(drop).expect_err("must be refused")
}

/// A world with a committed file of records 0 to 2 that was not put, and record 3 in the next one.
fn interrupted(format: FilesFormat) -> World {
    let mut world = World::new(spec(format, records(3)));
    let mut writer = world.open().expect("opens");
    writer.write(&batch(0..4)).expect("writes");
    let changes = writer.prepare(CommitKind::Periodic).expect("prepares");
    world.commit(changes);
    world
}

#[test]
fn the_next_owner_puts_what_was_committed() {
    for format in [FilesFormat::Jsonl, FilesFormat::Parquet] {
        let mut world = interrupted(format);
        assert!(world.seen().is_empty());
        let mut writer = world.open().expect("opens");
        assert_eq!(world.seen().into_values().collect::<Vec<_>>(), [[0, 1, 2]]);
        let mut again = world.open().expect("opens once more");
        world.write(&mut *again, 4..6, CommitKind::Periodic);
        assert_eq!(world.seen().into_values().collect::<Vec<_>>(), [[0, 1, 2], [3, 4, 5]]);
        let error = writer.finish();
        assert!(error.is_ok(), "the first one had nothing to finish");
    }
}

#[test]
fn a_put_that_fails_is_tried_again_without_a_failure_of_the_writer() {
    for fault in [Fault::Refused, Fault::AnswerLost] {
        let mut world = World::new(spec(FilesFormat::Jsonl, records(2)));
        let mut writer = world.open().expect("opens");
        world.store.fail(fault);
        world.write(&mut *writer, 0..2, CommitKind::Periodic);
        assert_eq!(world.seen().is_empty(), fault == Fault::Refused);
        assert!(writer.wants_commit(CommitKind::Periodic), "its rows are to be forgotten");
        world.store.fail(fault);
        let mut writer = world.open().expect("opens");
        world.write(&mut *writer, 2..4, CommitKind::Final);
        let expected = BTreeMap::from([(name(0, "jsonl"), vec![0, 1]), (name(1, "jsonl"), vec![2, 3])]);
        assert_eq!(world.seen(), expected);
    }
}

#[test]
fn a_store_that_is_away_holds_up_commits_only_when_many_files_wait_for_it() {
    let mut world = World::new(spec(FilesFormat::Jsonl, records(1)));
    let mut writer = world.open().expect("opens");
    world.store.set_away(true);
    let most = MAX_BACKLOG as u64;
    for number in 0..most {
        world.write(&mut *writer, [number], CommitKind::Periodic);
    }
    writer.write(&batch([most])).expect("writes");
    let changes = writer.prepare(CommitKind::Periodic).expect("prepares");
    world.commit(changes);
    let error = writer.finish().expect_err("one more than may wait");
    assert!(error.retriable && error.message == "the store is away", "{error}");
    let mut writer = world.open().expect("opens without the store");
    writer.prepare(CommitKind::Periodic).expect("goes on without the store");
    assert!(world.seen().is_empty());
    world.store.set_away(false);
    let mut writer = world.open().expect("opens");
    world.write(&mut *writer, [], CommitKind::Final);
    assert_eq!(world.seen().into_values().flatten().collect::<Vec<_>>(), (0..=most).collect::<Vec<_>>());
    assert_eq!(world.chunks(), 0);
}

#[test]
fn threads_ask_a_store_until_it_answers() {
    let mut world = World::new(spec(FilesFormat::Jsonl, records(2)));
    let mut writer = world.open_with(true, Duration::from_secs(60)).expect("opens");
    world.store.set_away(true);
    writer.write(&batch(0..6)).expect("writes");
    let changes = writer.prepare(CommitKind::Periodic).expect("prepares");
    world.commit(changes);
    writer.finish().expect("does not wait");
    world.store.fail(Fault::AnswerLost);
    world.store.set_away(false);
    world.write(&mut *writer, [], CommitKind::Final);
    assert_eq!(world.seen().into_values().collect::<Vec<_>>(), [[0, 1], [2, 3], [4, 5]]);
}

#[test]
fn the_last_commit_tells_that_files_are_not_there() {
    let mut world = World::new(spec(FilesFormat::Jsonl, records(2)));
    let mut writer = world.open().expect("opens");
    writer.write(&batch(0..1)).expect("writes");
    let changes = writer.prepare(CommitKind::Final).expect("prepares");
    world.commit(changes);
    world.store.set_away(true);
    assert_eq!(writer.finish().expect_err("the put failed").message, "the store is away");
}

#[test]
fn a_fenced_writer_does_no_harm() {
    let mut world = World::new(spec(FilesFormat::Jsonl, records(2)));
    let mut fenced = world.open().expect("opens");
    fenced.write(&batch(0..5)).expect("writes");
    let changes = fenced.prepare(CommitKind::Periodic).expect("prepares");
    world.commit(changes);
    let mut owner = world.open().expect("opens");
    world.write(&mut *owner, 5..8, CommitKind::Periodic);
    let seen = world.seen();
    assert_eq!(seen.values().flatten().copied().collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
    fenced.finish().expect("finds its files there");
    fenced.write(&batch(100..200)).expect("writes for nobody");
    fenced.prepare(CommitKind::Periodic).expect("prepares for nobody");
    assert_eq!(world.seen(), seen);
}

#[test]
fn a_file_of_somebody_else_is_not_taken_for_ours() {
    let mut world = World::new(spec(FilesFormat::Jsonl, records(2)));
    let mut writer = world.open().expect("opens");
    world.store.insert(&name(0, "jsonl"), b"theirs\n");
    writer.write(&batch(0..2)).expect("writes");
    let changes = writer.prepare(CommitKind::Periodic).expect("prepares");
    world.commit(changes);
    let error = writer.finish().expect_err("the name is taken");
    assert!(!error.retriable && error.message.contains("has 7 bytes"), "{error}");
    assert!(refusal(&world).message.contains("has 7 bytes"), "as long as it is there");
    assert_eq!(world.store.files()[&name(0, "jsonl")], b"theirs\n");
    world.store.remove(&name(0, "jsonl"));
    let mut writer = world.open().expect("opens");
    world.write(&mut *writer, [], CommitKind::Periodic);
    assert_eq!(world.seen(), BTreeMap::from([(name(0, "jsonl"), vec![0, 1])]));
}

#[test]
fn numbers_go_on_after_files_that_are_there() {
    let mut world = World::new(spec(FilesFormat::Jsonl, records(1)));
    for other in ["out-3-0000000041.jsonl", "out-3-7.jsonl", "out-30-0000000099.jsonl", "out-3-1-0000000098.jsonl"] {
        world.store.insert(other, b"{\"n\":0}\n");
    }
    let mut writer = world.open().expect("opens");
    world.write(&mut *writer, 1..2, CommitKind::Periodic);
    assert_eq!(world.seen()[&name(42, "jsonl")], [1]);
    // What is there after that counts only in another place.
    world.store.insert(&name(50, "jsonl"), b"{\"n\":0}\n");
    let mut writer = world.open().expect("opens");
    world.write(&mut *writer, 2..3, CommitKind::Periodic);
    assert_eq!(world.seen()[&name(43, "jsonl")], [2]);
    *world.store.place.lock().expect("not poisoned") = Some("test://other");
    let mut writer = world.open().expect("opens");
    world.write(&mut *writer, 3..4, CommitKind::Periodic);
    assert_eq!(world.seen()[&name(51, "jsonl")], [3]);
}

#[test]
fn a_file_is_finished_as_it_was_begun() {
    let mut world = interrupted(FilesFormat::Jsonl);
    world.spec.format = FilesFormat::Parquet;
    let mut writer = world.open().expect("opens");
    assert!(writer.wants_commit(CommitKind::Periodic), "the file that was open is complete");
    world.write(&mut *writer, 4..6, CommitKind::Periodic);
    let expected = BTreeMap::from([(name(0, "jsonl"), vec![0, 1, 2]), (name(1, "jsonl"), vec![3])]);
    assert_eq!(world.seen(), expected);
    let mut writer = world.open().expect("opens");
    world.write(&mut *writer, 6..7, CommitKind::Periodic);
    assert_eq!(world.seen()[&name(2, "parquet")], [4, 5, 6]);
}

#[test]
fn damage_is_told() {
    let world = interrupted(FilesFormat::Jsonl);
    let damaged = |change: &dyn Fn(&mut SinkState)| {
        let mut committed = world.committed.clone();
        change(&mut committed);
        refusal(&World { committed, store: TestStore::default(), ..World::new(world.spec.clone()) }).message
    };
    let first = b"rows/00000000000000000000".to_vec();
    let message = damaged(&|state| drop(state.remove(&first)));
    assert_eq!(message, "chunk 0 of the rows that it kept is missing");
    let message = damaged(&|state| drop(state.insert(b"rows/00000000000000000009".to_vec(), vec![])));
    assert_eq!(message, "it kept 3 chunks of rows where its record has 2");
    let message = damaged(&|state| drop(state.insert(first.clone(), vec![1, 2, 3])));
    assert!(message.starts_with("the rows that were kept for a file are damaged: "), "{message}");
    let second = world.committed[b"rows/00000000000000000001".as_slice()].clone();
    let message = damaged(&|state| drop(state.insert(first.clone(), second.clone())));
    assert_eq!(message, "it kept 1 rows of a file where its record has 3");
    let message = damaged(&|state| drop(state.insert(Vec::new(), b"{".to_vec())));
    assert!(message.starts_with("the record of its files is damaged: "), "{message}");
    let message = damaged(&|state| drop(state.remove(b"".as_slice())));
    assert_eq!(message, "it kept 2 chunks of rows where its record has 0");
    let message = damaged(&|state| drop(state.remove(b"layout".as_slice())));
    assert_eq!(message, "the layout of the rows that it kept is missing");
    let record = String::from_utf8(world.committed[b"".as_slice()].clone()).expect("UTF-8");
    let newer = record.replace("\"version\":1", "\"version\":2");
    let message = damaged(&|state| drop(state.insert(Vec::new(), newer.clone().into_bytes())));
    assert_eq!(message, "its files were recorded in format 2, and this version of Millstream knows 1");
}

#[test]
fn the_state_is_what_earlier_versions_wrote() {
    let world = interrupted(FilesFormat::Csv);
    let text = |key: &[u8]| String::from_utf8(world.committed[key].clone()).expect("UTF-8");
    assert_eq!(
        text(b""),
        r#"{"version":1,"place":"test://bucket","next_file":1,"next_chunk":2,"complete":[{"name":"out-3-0000000000.csv","length":4,"records":3,"chunks":[0,1],"layout":{"format":"csv","line":"value","columns":[],"compression":"none"}}],"open":{"since_ms":1000000,"records":1,"first_chunk":1}}"#
    );
    assert_eq!(text(b"layout"), r#"{"format":"csv","line":"value","columns":[],"compression":"none"}"#);
    let keys: Vec<_> = world.committed.keys().map(|key| String::from_utf8_lossy(key).into_owned()).collect();
    assert_eq!(keys, ["", "layout", "rows/00000000000000000000", "rows/00000000000000000001"]);
}
