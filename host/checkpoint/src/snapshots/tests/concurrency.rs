//! Several hosts at once: what one does happens before each single call of what another one does.

use std::sync::{Arc, Mutex};

use millstream_state::snapshot::{SnapshotError, SnapshotInfo, SnapshotStore};

use super::{TASK, World, files, interposed::Interposed, over, savepoint};

const OTHER: &str = "fraud/velocity/4";

/// Runs `call` once for each of its calls, with `other` happening before that call.
fn interleaved<T>(
    prepare: impl Fn(&World) -> T,
    call: impl Fn(&World, &Interposed, &T),
    other: impl Fn(&World) + Clone + Send + 'static,
) {
    for at in 0.. {
        let world = World::new();
        let prepared = prepare(&world);
        let (there, other) = (world.clone(), other.clone());
        let store = Interposed::hooked(world.store.clone(), at, move || other(&there));
        call(&world, &store, &prepared);
        if !store.reached() {
            assert!(at >= 3, "{at}");
            break;
        }
        // Whatever the order was: all that is listed is whole, and stays so.
        world.check_all(TASK);
        world.client().collect_garbage("fraud", 2).expect("collected");
        world.check_all(TASK);
    }
}

/// Tables that snapshots share, and a file that comes back after its snapshot is long gone.
fn contents(position: i64) -> super::Files {
    files(&[
        ("000001.sst", "all"),
        (&format!("{:06}.sst", position / 20 + 2), &format!("t{}", position / 20)),
        ("CURRENT", &(position % 30).to_string()),
    ])
}

fn save(world: &World, positions: &[i64]) -> Vec<SnapshotInfo> {
    let client = world.client();
    positions.iter().map(|&position| world.save(&client, TASK, position, &contents(position)).expect("saved")).collect()
}

#[test]
fn a_collection_at_any_moment_of_a_save() {
    interleaved(
        |world| save(world, &[10, 20, 30]),
        |world, store, _| {
            world.save(&over(store), TASK, 40, &contents(40)).expect("saved");
            assert_eq!(world.check_all(TASK).first(), Some(&40));
        },
        |world| {
            world.client().collect_garbage("fraud", 1).expect("collected");
        },
    );
}

#[test]
fn a_save_and_a_collection_at_any_moment_of_a_collection() {
    interleaved(
        |world| save(world, &[10, 20, 30]),
        |world, store, _| {
            over(store).collect_garbage("fraud", 1).expect("collected");
            assert!(world.check_all(TASK).contains(&30) || world.check_all(TASK).contains(&50));
        },
        |world| {
            save(world, &[40]);
            world.client().collect_garbage("fraud", 1).expect("collected");
            save(world, &[50]);
        },
    );
}

#[test]
fn a_new_owner_at_any_moment_of_a_save_by_the_old_one() {
    for (old_position, keep) in [(35, 1), (35, 2), (100, 1), (100, 2)] {
        interleaved(
            |world| save(world, &[10, 20, 30]),
            move |world, store, _| {
                let result = world.save(&over(store), TASK, old_position, &contents(old_position));
                match result {
                    Ok(saved) => {
                        let listed = world.client().list(TASK).expect("listed");
                        assert!(listed.contains(&saved) || listed[0].number > saved.number);
                    }
                    Err(SnapshotError::Superseded { .. }) => {}
                    Err(error) => panic!("{error:?}"),
                }
            },
            move |world| {
                // More of them than the old one waits for, each of which takes its files away.
                for position in [40, 50, 60, 70] {
                    let client = world.client();
                    match world.save(&client, TASK, position, &contents(position)) {
                        Ok(_) => {}
                        Err(SnapshotError::Superseded { .. }) => break,
                        Err(error) => panic!("{error:?}"),
                    }
                    client.collect_garbage("fraud", keep).expect("collected");
                }
            },
        );
    }
}

/// Saves position 35 after 10, 20 and 30; `other` happens just before its manifest is created.
fn save_late(other: impl FnOnce(&World) + Send + 'static) -> (World, Result<SnapshotInfo, SnapshotError>) {
    let attempt = |world: &World, store: &Interposed| world.save(&over(store), TASK, 35, &contents(35));
    let world = World::new();
    save(&world, &[10, 20, 30]);
    let store = Interposed::new(world.store.clone());
    attempt(&world, &store).expect("saved");
    let creates = |call: &String| call.starts_with("put ") && call.contains("/manifests/");
    let at = store.calls().iter().position(creates).expect("a call");

    let world = World::new();
    save(&world, &[10, 20, 30]);
    let there = world.clone();
    let store = Interposed::hooked(world.store.clone(), at, move || other(&there));
    let result = attempt(&world, &store);
    (world, result)
}

#[test]
fn a_number_is_given_once() {
    let (world, result) = save_late(|world| drop(save(world, &[40])));
    assert!(matches!(result, Err(SnapshotError::Superseded { .. })), "{result:?}");
    assert_eq!(world.check_all(TASK), [40, 30, 20, 10]);
    let (world, result) = save_late(|world| drop(save(world, &[32])));
    assert_eq!(result.map(|saved| saved.number), Ok(5), "it is ahead, and takes the next one");
    assert_eq!(world.check_all(TASK), [35, 32, 30, 20, 10]);
}

#[test]
fn a_number_that_was_removed_does_not_count_again() {
    let (world, result) = save_late(|world| {
        save(world, &[40, 50, 60]);
        world.client().collect_garbage("fraud", 1).expect("collected");
    });
    assert!(matches!(result, Err(SnapshotError::Superseded { .. })), "{result:?}");
    assert_eq!(world.objects("/manifests/0").len(), 2, "it is there");
    assert_eq!(world.check_all(TASK), [60], "and does not count");
    world.client().collect_garbage("fraud", 1).expect("collected");
    assert_eq!(world.objects("/manifests/0").len(), 1);
    assert_eq!(world.objects("/files/").len(), 3);
}

#[test]
fn a_removal_at_any_moment_of_a_save() {
    interleaved(
        |world| save(world, &[10, 20]),
        |world, store, _| {
            let result = world.save(&over(store), TASK, 30, &contents(30));
            assert!(matches!(result, Ok(_) | Err(SnapshotError::Superseded { .. })), "{result:?}");
            if result.is_err() {
                assert_eq!(world.check_all(TASK), [] as [i64; 0]);
            }
        },
        |world| world.client().remove("fraud").expect("removed"),
    );
}

#[test]
fn a_savepoint_at_any_moment_of_a_collection() {
    let created = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&created);
    interleaved(
        |world| save(world, &[10, 20, 30]),
        move |world, store, saved| {
            over(store).collect_garbage("fraud", 1).expect("collected");
            check_savepoint(world, &saved[0]);
        },
        move |world| {
            let listed = world.client().list(TASK).expect("listed");
            let oldest = listed.last().expect("a snapshot").clone();
            let result = world.client().create_savepoint("s", &savepoint(vec![oldest.clone()]));
            seen.lock().expect("a lock").push((oldest.position, result.is_ok()));
        },
    );
    let created = created.lock().expect("a lock");
    assert!(created.contains(&(10, true)) && created.contains(&(30, true)), "{created:?}");
}

#[test]
fn a_collection_at_any_moment_of_a_savepoint() {
    interleaved(
        |world| save(world, &[10, 20, 30]),
        |world, store, saved| {
            let result = over(store).create_savepoint("s", &savepoint(vec![saved[0].clone()]));
            assert!(matches!(result, Ok(()) | Err(SnapshotError::Gone { number: 1, .. })), "{result:?}");
            assert_eq!(world.client().get_savepoint("fraud", "s").is_ok(), result.is_ok());
            check_savepoint(world, &saved[0]);
        },
        |world| {
            world.client().collect_garbage("fraud", 1).expect("collected");
        },
    );
}

/// A savepoint that counts can be fetched, now and after another collection.
fn check_savepoint(world: &World, or_nothing: &SnapshotInfo) {
    let client = world.client();
    for _ in 0..2 {
        match client.get_savepoint("fraud", "s") {
            Ok(savepoint) => savepoint.tasks.iter().for_each(|snapshot| world.check(snapshot)),
            Err(SnapshotError::UnknownSavepoint { .. }) => {
                let gone = world.fetched(or_nothing);
                assert!(matches!(gone, Ok(_) | Err(SnapshotError::Gone { .. })), "{gone:?}");
            }
            Err(error) => panic!("{error:?}"),
        }
        client.collect_garbage("fraud", 1).expect("collected");
    }
}

#[test]
fn a_collection_and_a_removal_of_the_name_at_any_moment_of_a_savepoint() {
    interleaved(
        |world| save(world, &[10, 20, 30]),
        |world, store, saved| {
            // It may lose its name to the other one, but what counts is whole.
            let _ = over(store).create_savepoint("s", &savepoint(vec![saved[0].clone()]));
            check_savepoint(world, &saved[0]);
        },
        |world| {
            let client = world.client();
            let _ = client.remove_savepoint("fraud", "s");
            client.collect_garbage("fraud", 1).expect("collected");
            let newest = client.list(TASK).expect("listed").remove(0);
            client.create_savepoint("s", &savepoint(vec![newest])).expect("created");
        },
    );
}

#[test]
fn a_collection_at_any_moment_of_a_fetch() {
    interleaved(
        |world| save(world, &[10, 20, 30]),
        |world, store, saved| {
            let into = world.disk.path().join("into");
            match over(store).fetch(&saved[0], &into, &into) {
                Ok(()) => assert_eq!(super::read(&into), contents(10)),
                Err(SnapshotError::Gone { number: 1, .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
        },
        |world| {
            world.client().collect_garbage("fraud", 1).expect("collected");
        },
    );
}

#[test]
fn tasks_do_not_touch_each_other() {
    let world = World::new();
    let client = world.client();
    for position in [10, 20, 30] {
        for task in [TASK, OTHER, "payments/velocity/3"] {
            world.save(&client, task, position, &contents(position)).expect("saved");
        }
    }
    let report = client.collect_garbage("fraud", 1).expect("collected");
    assert_eq!((report.snapshots_kept, report.snapshots_removed), (2, 4));
    assert_eq!(world.check_all(TASK), [30]);
    assert_eq!(world.check_all(OTHER), [30]);
    assert_eq!(world.check_all("payments/velocity/3"), [30, 20, 10]);
    client.remove("fraud").expect("removed");
    assert_eq!(world.check_all(OTHER), [] as [i64; 0]);
    assert_eq!(world.check_all("payments/velocity/3"), [30, 20, 10]);
}
