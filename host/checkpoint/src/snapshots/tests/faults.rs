//! Calls that fail, whose answer is lost, or that are the last ones before a crash: each call of each kind.

use millstream_state::snapshot::{SnapshotError, SnapshotStore};

use super::{
    TASK, World, files,
    interposed::{FAULTS, Fault, Interposed},
    over, savepoint,
};

/// Calls `attempt` with a store in which call after call goes wrong, until there are no more.
fn at_every_call(mut attempt: impl FnMut(&dyn Fn(&World) -> Interposed, &str)) -> usize {
    let mut tried = 0;
    for fault in FAULTS {
        for at in 0.. {
            let made = std::cell::RefCell::new(None);
            let make = |world: &World| {
                let store = Interposed::failing(world.store.clone(), at, fault);
                *made.borrow_mut() = Some(store.clone());
                store
            };
            attempt(&make, &format!("call {at} {fault:?}"));
            tried += 1;
            let store = made.take().expect("a store was made");
            if !store.reached() {
                break;
            }
        }
    }
    tried
}

fn contents(position: i64) -> super::Files {
    files(&[
        ("000001.sst", "a table that all have"),
        (&format!("{:06}.sst", position + 1), &format!("table at {position}")),
        ("CURRENT", &position.to_string()),
    ])
}

fn expect_unavailable<T: std::fmt::Debug>(result: &Result<T, SnapshotError>, case: &str) {
    assert!(matches!(result, Ok(_) | Err(SnapshotError::Unavailable { .. })), "{case}: {result:?}");
}

#[test]
fn a_save_that_fails_leaves_a_whole_snapshot_or_none_and_the_next_one_works() {
    for before in [vec![], vec![10]] {
        let tried = at_every_call(|store, case| {
            let world = World::new();
            for &position in &before {
                world.save(&world.client(), TASK, position, &contents(position)).expect("saved");
            }
            let result = world.save(&over(&store(&world)), TASK, 20, &contents(20));
            expect_unavailable(&result, case);
            let kept = world.check_all(TASK);
            let with: Vec<i64> = std::iter::once(20).chain(before.clone()).collect();
            assert!(kept == with || result.is_err() && kept == before, "{case}: {result:?}, and there are {kept:?}");

            let client = world.client();
            world.save(&client, TASK, 30, &contents(30)).expect("the next one works");
            assert_eq!(world.check_all(TASK).first(), Some(&30), "{case}");
            client.collect_garbage("fraud", 1).expect("collected");
            assert_eq!(world.check_all(TASK), [30]);
            assert_eq!(world.objects("/files/").len(), 3, "{case}: nothing is left over");
        });
        assert!(tried > 40, "{tried}");
    }
}

#[test]
fn what_was_sent_before_a_crash_is_not_sent_again() {
    let world = World::new();
    let crashing = Interposed::failing(world.store.clone(), 4, Fault::Crashes);
    world.save(&over(&crashing), TASK, 10, &files(&[("a", "one"), ("b", "two"), ("c", "six")])).expect_err("crashes");
    assert_eq!(world.objects("/files/").len(), 2, "{:?}", crashing.calls());
    let store = Interposed::new(world.store.clone());
    world.save(&over(&store), TASK, 20, &files(&[("a", "one"), ("b", "two"), ("c", "new")])).expect("saved");
    assert_eq!(store.count(&["put", "/files/"]), 1);
    assert_eq!(world.check_all(TASK), [20]);
}

#[test]
fn a_collection_that_fails_removes_nothing_that_is_needed_and_the_next_one_goes_on() {
    let tried = at_every_call(|store, case| {
        let world = World::new();
        let client = world.client();
        let mut held = None;
        for position in [10, 20, 30, 40] {
            let saved = world.save(&client, TASK, position, &contents(position)).expect("saved");
            if position == 20 {
                client.create_savepoint("kept", &savepoint(vec![saved.clone()])).expect("created");
                held = Some(saved);
            }
        }
        let result = over(&store(&world)).collect_garbage("fraud", 2);
        expect_unavailable(&result, case);
        assert_eq!(world.check_all(TASK).get(..2), Some(&[40, 30][..]), "{case}");
        world.check(held.as_ref().expect("a snapshot"));
        client.collect_garbage("fraud", 2).expect("collected");
        assert_eq!(world.check_all(TASK), [40, 30], "{case}");
        assert_eq!(world.objects("/files/").len(), 7, "{case}: one for all, and two each of 20, 30 and 40");
        world.check(held.as_ref().expect("a snapshot"));
    });
    assert!(tried > 30, "{tried}");
}

#[test]
fn a_savepoint_that_fails_counts_or_not_and_can_be_made_again() {
    let tried = at_every_call(|store, case| {
        let world = World::new();
        let client = world.client();
        let saved = world.save(&client, TASK, 10, &contents(10)).expect("saved");
        let wanted = savepoint(vec![saved.clone()]);
        let result = over(&store(&world)).create_savepoint("s", &wanted);
        expect_unavailable(&result, case);
        for position in [20, 30] {
            world.save(&client, TASK, position, &contents(position)).expect("saved");
        }
        client.collect_garbage("fraud", 1).expect("collected");
        let listed = client.list_savepoints("fraud").expect("listed");
        match (client.get_savepoint("fraud", "s"), &result) {
            (Ok(found), _) => {
                assert_eq!(found, wanted);
                world.check(&saved);
                assert!(listed[0].savepoint.is_ok());
            }
            (Err(error @ SnapshotError::SavepointIncomplete { .. }), Err(_)) => {
                assert_eq!(listed[0].savepoint, Err(error), "{case}");
            }
            (Err(SnapshotError::UnknownSavepoint { .. }), Err(_)) => assert_eq!(listed.len(), 0, "{case}"),
            other => panic!("{case}: {other:?}"),
        }
        if !listed.is_empty() {
            client.remove_savepoint("fraud", "s").expect("removed");
        }
        let newest = client.list(TASK).expect("listed").remove(0);
        client.create_savepoint("s", &savepoint(vec![newest.clone()])).expect("created");
        client.collect_garbage("fraud", 1).expect("collected");
        assert_eq!(client.get_savepoint("fraud", "s").expect("there").tasks, [newest]);
        assert_eq!(world.objects("/files/").len(), 3, "{case}");
    });
    assert!(tried > 15, "{tried}");
}

#[test]
fn a_fetch_that_fails_can_be_repeated() {
    let tried = at_every_call(|store, case| {
        let world = World::new();
        let saved = world.save(&world.client(), TASK, 10, &contents(10)).expect("saved");
        let into = world.disk.path().join("into");
        let client = over(&store(&world));
        expect_unavailable(&client.fetch(&saved, &into, &into), case);
        world.client().fetch(&saved, &into, &world.disk.path().join("nowhere")).expect("fetched");
        assert_eq!(super::read(&into), contents(10), "{case}");
    });
    assert!(tried > 12, "{tried}");
}

#[test]
fn a_removal_that_fails_goes_on_when_it_is_repeated() {
    at_every_call(|store, case| {
        let world = World::new();
        let client = world.client();
        for position in [10, 20] {
            world.save(&client, TASK, position, &contents(position)).expect("saved");
        }
        expect_unavailable(&over(&store(&world)).remove("fraud"), case);
        client.remove("fraud").expect("removed");
        assert_eq!(client.list(TASK), Ok(vec![]));
        assert_eq!(world.objects("/files/"), [] as [&str; 0], "{case}");
        assert_eq!(world.objects(".json"), [] as [&str; 0], "{case}");
        world.save(&client, TASK, 5, &contents(5)).expect("it begins anew");
        assert_eq!(world.check_all(TASK), [5]);
    });
}
