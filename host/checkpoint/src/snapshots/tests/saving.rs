//! Saving and fetching when nothing goes wrong.

use std::{num::NonZeroU64, path::Path};

use millstream_state::snapshot::{SnapshotError, SnapshotInfo, SnapshotStore};

use super::{TASK, World, about, files, interposed::Interposed, over, read, savepoint, settings};
use crate::snapshots::{ObjectSnapshots, SnapshotSettings};

fn first() -> super::Files {
    files(&[("000001.sst", "table one, which is long"), ("000002.sst", "two"), ("CURRENT", "M1"), ("empty", "")])
}

fn second() -> super::Files {
    files(&[("000001.sst", "table one, which is long"), ("000003.sst", "three"), ("CURRENT", "M2"), ("empty", "")])
}

#[test]
fn what_is_saved_is_fetched() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path().to_str().expect("text");
    for location in [place, &format!("file://{place}/url"), "memory:"] {
        let client = ObjectSnapshots::open(location, &SnapshotSettings::default()).expect("opens");
        let world = World::new();
        assert_eq!(client.list(TASK), Ok(vec![]));
        let saved = world.save(&client, TASK, 10, &first()).expect("saved");
        assert_eq!((saved.number, saved.position), (1, 10));
        assert_eq!(saved.about, about(TASK));
        assert_eq!((saved.size_bytes(), saved.new_bytes()), (29, 29));
        let later = world.save(&client, TASK, 20, &second()).expect("saved");
        assert_eq!(client.list(TASK), Ok(vec![later.clone(), saved.clone()]));
        let into = world.disk.path().join("into");
        for (snapshot, expected) in [(saved, first()), (later, second())] {
            client.fetch(&snapshot, &into, Path::new("nowhere")).expect("fetched");
            assert_eq!(read(&into), expected, "{location}");
        }
        assert_eq!(client.list("fraud/velocity/4"), Ok(vec![]));
    }
}

#[test]
fn only_what_is_new_is_sent() {
    let world = World::new();
    let store = Interposed::new(world.store.clone());
    let client = over(&store);
    world.save(&client, TASK, 10, &first()).expect("saved");
    assert_eq!(store.count(&["begin", "/files/"]), 1, "a file of several parts");
    assert_eq!(store.count(&["part", "/files/"]), 6);
    assert_eq!(store.count(&["put", "/files/"]), 3);

    let store = Interposed::new(world.store.clone());
    let later = world.save(&over(&store), TASK, 20, &second()).expect("saved");
    assert_eq!(store.count(&["begin", "/files/"]), 1, "three");
    assert_eq!(store.count(&["put", "/files/"]), 1, "CURRENT");
    assert_eq!(later.new_bytes(), 7);
    assert_eq!(world.check_all(TASK), [20, 10]);

    let store = Interposed::new(world.store.clone());
    world.save(&over(&store), TASK, 30, &second()).expect("saved");
    assert_eq!(store.count(&["/files/", "-"]), 0, "no file was touched");
}

#[test]
fn a_snapshot_of_the_same_position_is_the_same_snapshot() {
    let world = World::new();
    let client = world.client();
    let saved = world.save(&client, TASK, 10, &first()).expect("saved");
    assert_eq!(world.save(&client, TASK, 10, &first()).as_ref(), Ok(&saved));
    let mut other = about(TASK);
    other.created_ms += 1;
    let directory = world.directory(&first());
    assert_eq!(client.save(TASK, &directory, 10, &other).as_ref(), Ok(&saved), "the time alone is no difference");
    other.operators[0].operator = "score@2.0.0".into();
    let swapped = client.save(TASK, &directory, 10, &other).expect("saved");
    assert_eq!((swapped.number, swapped.about, swapped.files), (2, other, saved.files));
}

#[test]
fn files_of_the_same_bytes_are_one_object() {
    let world = World::new();
    let same = files(&[("a", "same bytes"), ("b", "same bytes")]);
    world.save(&world.client(), TASK, 10, &same).expect("saved");
    assert_eq!(world.objects("/files/").len(), 1);
    assert_eq!(world.check_all(TASK), [10]);
}

#[test]
fn a_file_that_is_no_longer_there_is_sent_again() {
    let world = World::new();
    let client = world.client();
    world.save(&client, TASK, 10, &first()).expect("saved");
    for path in world.objects("/files/") {
        world.delete(&path);
    }
    let later = world.save(&client, TASK, 20, &first()).expect("saved");
    assert_eq!(later.new_bytes(), later.size_bytes());
    world.check(&later);
}

#[test]
fn an_older_position_is_refused() {
    let world = World::new();
    let client = world.client();
    world.save(&client, TASK, 20, &second()).expect("saved");
    let error = world.save(&client, TASK, 10, &first()).expect_err("must be refused");
    assert!(matches!(error, SnapshotError::Superseded { .. }), "{error:?}");
    assert_eq!(world.check_all(TASK), [20]);
}

#[test]
fn what_is_not_a_checkpoint_of_the_task_is_refused() {
    let world = World::new();
    let client = world.client();
    let directory = world.directory(&first());
    let refused = |result: Result<SnapshotInfo, SnapshotError>, text: &str| match result {
        Err(SnapshotError::Misuse(reason)) => assert!(reason.contains(text), "{reason}"),
        other => panic!("expected a refusal, got {other:?}"),
    };
    refused(client.save("fraud/velocity/4", &directory, 1, &about(TASK)), "fraud/velocity/3");
    refused(client.save("../x", &directory, 1, &about(TASK)), "PIPELINE/STAGE/PARTITION");
    std::fs::create_dir(directory.join("below")).expect("a directory");
    refused(client.save(TASK, &directory, 1, &about(TASK)), "below");
    let missing = client.save(TASK, Path::new("nowhere"), 1, &about(TASK));
    assert!(matches!(missing, Err(SnapshotError::Local { .. })), "{missing:?}");
    assert_eq!(world.objects(""), [] as [&str; 0]);
}

#[test]
fn files_on_the_local_disk_are_not_fetched() {
    let world = World::new();
    let saved = world.save(&world.client(), TASK, 10, &first()).expect("saved");
    let local = world.directory(&files(&[
        ("000001.sst", "table one, which is long"),
        ("000002.sst", "TWO"),
        ("CURRENT", "M1"),
    ]));
    let store = Interposed::new(world.store.clone());
    let into = world.directory(&files(&[("left over", "from an attempt that crashed")]));
    over(&store).fetch(&saved, &into, &local).expect("fetched");
    assert_eq!(read(&into), first());
    assert_eq!(store.count(&["get", "/files/"]), 2, "one has other bytes, one is missing: {:?}", store.calls());
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let place = |path: &Path| std::fs::metadata(path).expect("a file").ino();
        let shared = |name: &str| place(&local.join(name)) == place(&into.join(name));
        assert!(shared("000001.sst"), "tables never change");
        assert!(!shared("CURRENT"), "others may");
    }
}

#[test]
fn tables_are_read_once() {
    let world = World::new();
    let client = world.client();
    let table = world.directory(&first());
    client.save(TASK, &table, 10, &about(TASK)).expect("saved");
    // A checkpoint has the table by a hard link. Reading it again would show that its bytes are others, which
    // only a broken disk does.
    let checkpoint = world.directory(&files(&[("CURRENT", "M2")]));
    let path = table.join("000001.sst");
    std::fs::hard_link(&path, checkpoint.join("000001.sst")).expect("a link");
    let modified = std::fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("a time");
    std::fs::write(&path, "TABLE ONE, WHICH IS LONG").expect("written");
    std::fs::File::options().write(true).open(&path).and_then(|file| file.set_modified(modified)).expect("a time");
    let later = client.save(TASK, &checkpoint, 20, &about(TASK)).expect("saved");
    let expected = files(&[("000001.sst", "table one, which is long"), ("CURRENT", "M2")]);
    assert_eq!(world.fetched(&later), Ok(expected));
}

#[test]
fn a_file_that_changes_while_it_is_sent_is_not_kept_under_a_wrong_name() {
    let world = World::new();
    let directory = world.directory(&first());
    let path = directory.join("000001.sst");
    // The first call comes after the digests were computed.
    let store = Interposed::hooked(world.store.clone(), 0, move || {
        std::fs::write(&path, "table one, which is LONG").expect("written");
    });
    let error = over(&store).save(TASK, &directory, 10, &about(TASK)).expect_err("must be noticed");
    assert!(error.to_string().contains("changed while it was read"), "{error}");
    assert!(error.is_retriable());
    assert_eq!(world.client().list(TASK), Ok(vec![]));
    assert_eq!(store.count(&["abort"]), 1);
}

#[test]
fn a_limit_of_the_rate_changes_nothing_else() {
    let world = World::new();
    let settings = SnapshotSettings { upload_bytes_per_second: NonZeroU64::new(1 << 30), ..settings() };
    let store = Interposed::new(world.store.clone());
    let client = ObjectSnapshots::over(std::sync::Arc::new(store), &settings).expect("an executor");
    world.save(&client, TASK, 10, &first()).expect("saved");
    assert_eq!(world.check_all(TASK), [10]);
}

#[test]
fn places_that_are_none_are_refused() {
    for place in ["ftp://x/y", "s3://bucket/p?regoin=x", "gs://bucket/p?what=x", "az://container/p?regoin=x"] {
        let error = ObjectSnapshots::open(place, &SnapshotSettings::default()).expect_err("must be refused");
        assert!(matches!(&error, SnapshotError::Location { location, .. } if location == place), "{error:?}");
    }
}

#[test]
#[ignore = "needs an object store; set MILLSTREAM_TEST_OBJECTS to its URL, such as az://container/prefix?use_emulator=true"]
fn an_object_store_keeps_snapshots() {
    let Ok(place) = std::env::var("MILLSTREAM_TEST_OBJECTS") else { panic!("MILLSTREAM_TEST_OBJECTS is not set") };
    let settings = SnapshotSettings { part_bytes: 5 << 20, ..SnapshotSettings::default() };
    let client = ObjectSnapshots::open(&place, &settings).expect("opens");
    let world = World::new();
    client.remove("fraud").expect("removed");
    let large: Vec<u8> = (0..13_u32 << 18).flat_map(u32::to_le_bytes).collect();
    let mut contents = first();
    contents.insert("000009.sst".into(), large);
    let saved = world.save(&client, TASK, 10, &contents).expect("saved");
    client.create_savepoint("s", &savepoint(vec![saved.clone()])).expect("created");
    let later = world.save(&client, TASK, 20, &second()).expect("saved");
    assert_eq!(later.new_bytes(), 7);
    assert_eq!(client.list(TASK), Ok(vec![later.clone(), saved.clone()]));
    let report = client.collect_garbage("fraud", 1).expect("collected");
    assert_eq!((report.snapshots_removed, report.files_removed), (1, 0));
    let into = world.disk.path().join("into");
    for (snapshot, expected) in [(&saved, &contents), (&later, &second())] {
        client.fetch(snapshot, &into, Path::new("nowhere")).expect("fetched");
        assert_eq!(read(&into), *expected);
    }
    client.remove_savepoint("fraud", "s").expect("removed");
    assert_eq!(client.collect_garbage("fraud", 1).expect("collected").files_removed, 3);
    let gone = client.fetch(&saved, &into, Path::new("nowhere"));
    assert!(matches!(gone, Err(SnapshotError::Gone { number, .. }) if number == saved.number), "{gone:?}");
    client.remove("fraud").expect("removed");
    assert_eq!(client.list(TASK), Ok(vec![]));
}

#[tokio::test]
async fn it_may_be_dropped_in_an_asynchronous_task() {
    drop(World::new().client());
}
