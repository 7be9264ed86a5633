//! Savepoints when nothing goes wrong, and when they are used wrongly.

use millstream_state::snapshot::{SnapshotError, SnapshotInfo, SnapshotStore};

use super::{TASK, World, files, savepoint};

fn saved(world: &World, task: &str, position: i64) -> SnapshotInfo {
    let contents = files(&[("000001.sst", "one"), ("CURRENT", &position.to_string())]);
    world.save(&world.client(), task, position, &contents).expect("saved")
}

#[test]
fn a_savepoint_keeps_its_files_until_it_is_removed() {
    let world = World::new();
    let client = world.client();
    let tasks = vec![saved(&world, TASK, 10), saved(&world, "fraud/velocity/4", 11)];
    let wanted = savepoint(tasks.clone());
    client.create_savepoint("before-2.0", &wanted).expect("created");
    for position in [20, 30] {
        saved(&world, TASK, position);
        saved(&world, "fraud/velocity/4", position);
    }
    client.collect_garbage("fraud", 1).expect("collected");
    assert_eq!(world.check_all(TASK), [30]);
    assert_eq!(client.get_savepoint("fraud", "before-2.0").as_ref(), Ok(&wanted));
    tasks.iter().for_each(|task| world.check(task));

    // It outlives the pipeline.
    client.remove("fraud").expect("removed");
    saved(&world, "other/stage/0", 1);
    assert_eq!(client.pipelines_with_savepoints().expect("listed"), ["fraud"]);
    tasks.iter().for_each(|task| world.check(task));
    let listed = client.list_savepoints("fraud").expect("listed");
    assert_eq!(listed.iter().map(|listed| listed.name.as_str()).collect::<Vec<_>>(), ["before-2.0"]);
    assert_eq!(listed[0].savepoint, Ok(wanted));

    client.remove_savepoint("fraud", "before-2.0").expect("removed");
    assert_eq!(client.list_savepoints("fraud").expect("listed").len(), 0);
    client.collect_garbage("fraud", 1).expect("collected");
    let left = world.objects("/files/").into_iter().filter(|object| object.contains("/fraud/"));
    assert_eq!(left.collect::<Vec<_>>(), [] as [&str; 0]);
    assert!(matches!(world.fetched(&tasks[0]), Err(SnapshotError::Gone { .. })));
}

#[test]
fn names_are_given_once() {
    let world = World::new();
    let client = world.client();
    let first = savepoint(vec![saved(&world, TASK, 10)]);
    client.create_savepoint("s", &first).expect("created");
    let error = client.create_savepoint("s", &savepoint(vec![])).expect_err("taken");
    assert!(matches!(&error, SnapshotError::SavepointExists { name, .. } if name == "s"), "{error:?}");
    assert_eq!(client.get_savepoint("fraud", "s"), Ok(first));
    for name in ["", "a/b", ".."] {
        let refused = client.create_savepoint(name, &savepoint(vec![]));
        assert!(matches!(refused, Err(SnapshotError::Misuse(_))), "{name}");
    }
    let unknown = SnapshotError::UnknownSavepoint { pipeline: "fraud".into(), name: "t".into() };
    assert_eq!(client.get_savepoint("fraud", "t").as_ref(), Err(&unknown));
    assert_eq!(client.remove_savepoint("fraud", "t").as_ref(), Err(&unknown));
    assert_eq!(client.list_savepoints("other").expect("listed").len(), 0);
}

#[test]
fn only_snapshots_of_the_pipeline_that_are_there_can_be_named() {
    let world = World::new();
    let client = world.client();
    let first = saved(&world, TASK, 10);
    let elsewhere = saved(&world, "payments/velocity/3", 10);
    let mut other = first.clone();
    other.position = 11;
    for tasks in [vec![elsewhere], vec![first.clone(), first.clone()], vec![other]] {
        let refused = client.create_savepoint("s", &savepoint(tasks));
        assert!(matches!(refused, Err(SnapshotError::Misuse(_))), "{refused:?}");
    }
    saved(&world, TASK, 20);
    client.collect_garbage("fraud", 1).expect("collected");
    let gone = client.create_savepoint("s", &savepoint(vec![first]));
    assert_eq!(gone, Err(SnapshotError::Gone { task: TASK.into(), number: 1 }));
    assert_eq!(client.list_savepoints("fraud").expect("listed").len(), 0, "the name is free again");
}

#[test]
fn a_damaged_savepoint_is_listed_as_such_and_holds_back_all_removal() {
    let world = World::new();
    let client = world.client();
    let first = saved(&world, TASK, 10);
    client.create_savepoint("a", &savepoint(vec![first.clone()])).expect("created");
    client.create_savepoint("b", &savepoint(vec![])).expect("created");
    let path = "snapshots/fraud/savepoints/a.json";
    let whole = world.read(path);
    for damaged in [&whole[..whole.len() / 2], b""] {
        world.write(path, damaged.to_vec());
        let listed = client.list_savepoints("fraud").expect("listed");
        assert!(matches!(listed[0].savepoint, Err(SnapshotError::Corrupt { .. })), "{listed:?}");
        assert!(listed[1].savepoint.is_ok());
        saved(&world, TASK, 20);
        let report = client.collect_garbage("fraud", 1).expect("collected");
        assert_eq!((report.files_removed, report.skipped.len()), (0, 1));
        world.check(&first);
    }
    client.remove_savepoint("fraud", "a").expect("removed");
    assert_eq!(client.collect_garbage("fraud", 1).expect("collected").files_removed, 1);
}

#[test]
fn a_savepoint_under_the_name_of_another_is_refused() {
    let world = World::new();
    let client = world.client();
    client.create_savepoint("a", &savepoint(vec![])).expect("created");
    world.write("snapshots/fraud/savepoints/b.json", world.read("snapshots/fraud/savepoints/a.json"));
    assert!(matches!(client.get_savepoint("fraud", "b"), Err(SnapshotError::Foreign { .. })));
}
