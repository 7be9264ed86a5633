//! Topics: created, described, deleted.

use super::{Factory, Worker, create, expect_kind, produce, read_exactly, record, spec, unique, until};
use crate::{CleanupPolicy, ErrorKind, Routing, StartPosition, TopicSpec};

/// What is created is there with its partitions, which are empty.
pub fn a_created_topic_is_described(factory: Factory<'_>) {
    let storage = factory();
    let log = storage.open();
    let name = unique("described");
    assert_eq!(log.topic(&name).expect("readable"), None);
    let wanted = TopicSpec::new(name.clone(), 3).compacted();
    assert_eq!(wanted.cleanup, CleanupPolicy::Compact);
    assert!(log.create_topic(&wanted).expect("created"));

    let info = log.topic(&name).expect("readable").expect("there");
    assert_eq!(info.name, name);
    assert_eq!(info.partitions(), 3);
    assert!(info.offsets.iter().all(|(first, end)| first == end), "{info:?}");
    let all = log.topics().expect("readable");
    assert!(all.is_sorted_by(|a, b| a.name < b.name), "by name");
    assert!(all.iter().any(|topic| topic.name == name && topic.partitions() == 3));

    produce(&*log, &name, Routing::To(1), &record(Some("k"), Some("v"), 1000));
    let info = log.topic(&name).expect("readable").expect("there");
    assert!(info.offsets[1].1 > info.offsets[1].0, "{info:?}");
    assert_eq!(info.offsets[0].0, info.offsets[0].1);

    drop(log);
    let info = storage.open().topic(&name).expect("readable").expect("still there");
    assert_eq!(info.partitions(), 3);
}

/// Creation may be repeated; another number of partitions is an error that names both.
pub fn creating_again_is_harmless_but_other_partitions_are_refused(factory: Factory<'_>) {
    let log = factory().open();
    let name = create(&*log, "again", 2);
    assert!(!log.create_topic(&TopicSpec::new(name.clone(), 2)).expect("repeatable"));
    let error = expect_kind(log.create_topic(&TopicSpec::new(name.clone(), 5)), ErrorKind::User);
    for part in [&*name, "2", "5"] {
        assert!(error.message.contains(part), "{error}");
    }
}

/// Names and numbers that no log takes.
pub fn impossible_topics_are_refused(factory: Factory<'_>) {
    let log = factory().open();
    for name in ["", ".", "..", "a/b", "a b", &"x".repeat(250)] {
        expect_kind(log.create_topic(&TopicSpec::new(name, 1)), ErrorKind::User);
    }
    expect_kind(log.create_topic(&TopicSpec::new(unique("none"), 0)), ErrorKind::User);
}

/// Deleting takes the records along.
pub fn a_deleted_topic_is_gone_and_may_come_back_empty(factory: Factory<'_>) {
    let log = factory().open();
    let name = create(&*log, "deleted", 1);
    produce(&*log, &name, Routing::To(0), &record(None, Some("old"), 1000));
    assert!(log.delete_topic(&name).expect("deleted"));
    until("the deletion", || log.topic(&name).expect("readable").is_none());
    assert!(!log.delete_topic(&name).expect("repeatable"));
    assert!(log.topics().expect("readable").iter().all(|topic| topic.name != name));

    until("the topic's return", || log.create_topic(&TopicSpec::new(name.clone(), 1)).unwrap_or(false));
    produce(&*log, &name, Routing::To(0), &record(None, Some("new"), 1000));
    assert_eq!(read_exactly(&*log, &name, 1)[0].text(), "new");
}

/// Reading, writing and subscribing to nothing.
pub fn a_missing_topic_is_the_users_error(factory: Factory<'_>) {
    let log = factory().open();
    let missing = unique("missing");
    let error = expect_kind(log.reader(&missing, StartPosition::Earliest).map(drop), ErrorKind::User);
    assert!(error.message.contains(&*missing), "{error}");
    let mut writer = log.writer().expect("a writer");
    let written = writer.write(&missing, Routing::ByKey, &record(None, Some("v"), 1000));
    expect_kind(written.and_then(|()| writer.flush()), ErrorKind::User);
    let group = unique("group");
    expect_kind(log.session(&spec(&group, "a", &[&missing])).map(drop), ErrorKind::User);

    let input = create(&*log, "input", 1);
    let mut worker = Worker::open(&*log, &spec(&group, "a", &[&input])).join(1);
    let appended = worker.session.append(&missing, Routing::ByKey, &record(None, Some("v"), 1000));
    expect_kind(appended, ErrorKind::User);
}
