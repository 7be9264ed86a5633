//! What is not as it was written.

use millstream_state::snapshot::{SnapshotError, SnapshotInfo, SnapshotStore};

use super::{TASK, World, files};

fn two_snapshots(world: &World) -> (SnapshotInfo, SnapshotInfo) {
    let client = world.client();
    let first = files(&[("000001.sst", "table one"), ("CURRENT", "M1")]);
    let second = files(&[("000001.sst", "table one"), ("000002.sst", "table two"), ("CURRENT", "M2")]);
    let one = world.save(&client, TASK, 10, &first).expect("saved");
    (one, world.save(&client, TASK, 20, &second).expect("saved"))
}

fn manifest(number: u64) -> String {
    format!("snapshots/{TASK}/manifests/{number:020}.json").replace("fraud/", "fraud/tasks/")
}

#[test]
fn a_damaged_or_missing_file_is_noticed_and_the_snapshot_before_is_whole() {
    for damage in [Some(&b"table twO"[..]), Some(b"table"), None] {
        let world = World::new();
        let (first, second) = two_snapshots(&world);
        let mut paths = world.objects("/files/").into_iter();
        let path = paths.find(|path| world.read(path) == "table two").expect("an object");
        match damage {
            Some(bytes) => world.write(&path, bytes),
            None => world.delete(&path),
        }
        match world.fetched(&second) {
            Err(SnapshotError::Corrupt { object, .. }) => assert_eq!(object, path),
            other => panic!("expected damage, got {other:?}"),
        }
        world.check(&first);
    }
}

#[test]
fn a_file_that_was_found_damaged_is_sent_again() {
    let world = World::new();
    let client = world.client();
    let contents = files(&[("000001.sst", "one")]);
    let first = world.save(&client, TASK, 10, &contents).expect("saved");
    let path = world.objects("/files/").remove(0);
    world.write(&path, "onE");
    let into = world.disk.path().join("into");
    assert!(matches!(client.fetch(&first, &into, &into), Err(SnapshotError::Corrupt { .. })));
    let second = world.save(&client, TASK, 20, &contents).expect("saved");
    world.check(&second);
    let third = world.save(&client, TASK, 30, &contents).expect("saved");
    assert_eq!(third.new_bytes(), 0, "the new one is trusted");
    world.check(&third);
}

#[test]
fn a_damaged_manifest_is_left_out() {
    let world = World::new();
    two_snapshots(&world);
    let whole = world.read(&manifest(2));
    let mut flipped = whole.to_vec();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for damaged in [&whole[..whole.len() / 2], b"", b"{", b"null", &flipped] {
        world.write(&manifest(2), damaged.to_vec());
        assert_eq!(world.check_all(TASK), [10], "{}", String::from_utf8_lossy(damaged));
    }
    // The next one is sent whole and takes the next number.
    let contents = files(&[("000001.sst", "table one")]);
    let third = world.save(&world.client(), TASK, 30, &contents).expect("saved");
    assert_eq!((third.number, third.new_bytes()), (3, 9));
    assert_eq!(world.check_all(TASK), [30, 10]);
    let report = world.client().collect_garbage("fraud", 2).expect("collected");
    assert_eq!((report.snapshots_removed, report.files_removed), (0, 0));
    assert!(report.skipped[0].reason.contains("damaged"), "{report:?}");
    world.write(&manifest(2), whole);
    assert_eq!(world.check_all(TASK), [30, 20, 10]);
}

#[test]
fn a_damaged_manifest_holds_files_no_longer_than_it_would_have_whole() {
    let world = World::new();
    two_snapshots(&world);
    world.write(&manifest(2), "{");
    let client = world.client();
    for position in [30, 40] {
        let contents = files(&[("000009.sst", &format!("table at {position}"))]);
        world.save(&client, TASK, position, &contents).expect("saved");
    }
    let report = client.collect_garbage("fraud", 2).expect("collected");
    assert_eq!((report.snapshots_kept, report.snapshots_removed, report.files_removed), (2, 2, 4));
    assert_eq!(report.skipped, []);
    assert_eq!(world.check_all(TASK), [40, 30]);
}

#[test]
fn a_manifest_that_somebody_deleted_stops_the_collection_of_files() {
    let world = World::new();
    two_snapshots(&world);
    let client = world.client();
    world.save(&client, TASK, 30, &files(&[("000003.sst", "table three")])).expect("saved");
    world.delete(&manifest(2));
    let report = client.collect_garbage("fraud", 5).expect("collected");
    assert_eq!(report.files_removed, 0);
    assert_eq!(report.skipped[0].path, TASK);
    assert_eq!(world.check_all(TASK), [30, 10]);
}

#[test]
fn snapshots_of_another_pipeline_or_task_are_refused() {
    for other in ["payments/velocity/3", "fraud/other/3", "fraud/velocity/4"] {
        let world = World::new();
        let client = world.client();
        world.save(&client, other, 10, &files(&[("000001.sst", "one")])).expect("saved");
        for path in world.objects("") {
            let (pipeline, rest) = other.split_once('/').expect("a task");
            let copied = path.replace(&format!("{pipeline}/tasks/{rest}"), "fraud/tasks/velocity/3");
            world.write(&copied, world.read(&path));
        }
        let foreign = |error: SnapshotError| match error {
            SnapshotError::Foreign { found, expected, .. } => assert_eq!((&*found, &*expected), (other, TASK)),
            error => panic!("{error:?}"),
        };
        foreign(client.list(TASK).expect_err("must be refused"));
        foreign(world.save(&client, TASK, 20, &files(&[("a", "b")])).expect_err("must be refused"));
        let report = client.collect_garbage("fraud", 1).expect("collected");
        assert!(report.skipped.iter().any(|skipped| skipped.path == TASK), "{report:?}");
    }
}

#[test]
fn another_format_is_refused() {
    let world = World::new();
    two_snapshots(&world);
    let text = String::from_utf8(world.read(&manifest(2)).to_vec()).expect("text");
    world.write(&manifest(2), text.replace("\"format\":1", "\"format\":2"));
    let error = world.client().list(TASK).expect_err("must be refused");
    assert_eq!(error, SnapshotError::Format { object: manifest(2), found: 2, supported: 1 });
    assert!(!error.is_retriable());
}

#[test]
fn a_snapshot_that_names_a_path_writes_nowhere_else() {
    let world = World::new();
    let (mut snapshot, _) = two_snapshots(&world);
    for name in ["../escaped", "/escaped", "..", "a/b", ""] {
        snapshot.files[0].name = name.into();
        assert!(matches!(world.fetched(&snapshot), Err(SnapshotError::Corrupt { .. })), "{name}");
    }
    assert!(!world.disk.path().join("escaped").exists());
}
