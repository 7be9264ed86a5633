//! Random histories: whatever was saved, collected, crashed and damaged, the newest complete snapshot is
//! found and brings its bytes.

use std::collections::BTreeMap;

use millstream_state::snapshot::{SnapshotError, SnapshotInfo, SnapshotStore};
use proptest::prelude::*;

use super::{
    TASK, World, files,
    interposed::{FAULTS, Fault, Interposed},
    over, savepoint,
};

/// Something that a host does.
#[derive(Clone, Copy, Debug)]
enum Action {
    /// Saves the next position, with some files as before.
    Save,
    /// Saves a position that is long past, as an owner does that slept.
    SaveOld,
    Collect {
        keep: usize,
    },
    CreateSavepoint {
        name: u8,
    },
    RemoveSavepoint {
        name: u8,
    },
    Remove,
}

/// How it does it.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Undisturbed,
    /// A call goes wrong.
    Faulty {
        at: usize,
        fault: Fault,
    },
    /// Another host does something before a call.
    Interrupted {
        at: usize,
        by: Action,
    },
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => Just(Action::Save),
        1 => Just(Action::SaveOld),
        4 => (1..3_usize).prop_map(|keep| Action::Collect { keep }),
        2 => (0..2_u8).prop_map(|name| Action::CreateSavepoint { name }),
        1 => (0..2_u8).prop_map(|name| Action::RemoveSavepoint { name }),
        1 => Just(Action::Remove),
    ]
}

fn manner() -> impl Strategy<Value = Manner> {
    prop_oneof![
        Just(Manner::Undisturbed),
        (0..16_usize, prop::sample::select(&FAULTS[..])).prop_map(|(at, fault)| Manner::Faulty { at, fault }),
        (0..16_usize, action()).prop_map(|(at, by)| Manner::Interrupted { at, by }),
    ]
}

/// A table stays for some positions, so that snapshots share it; `CURRENT` never does.
fn contents(position: i64) -> super::Files {
    let old = position / 5;
    let new = position / 2;
    files(&[
        (&format!("{old:06}.sst"), &format!("old {old}")),
        (&format!("{:06}.sst", new + 1_000), &format!("n{new}")),
        ("CURRENT", &position.to_string()),
    ])
}

#[derive(Clone)]
struct History {
    world: World,
    position: std::sync::Arc<std::sync::atomic::AtomicI64>,
}

impl History {
    fn next_position(&self) -> i64 {
        self.position.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1
    }

    /// Does it, and says which snapshot was kept for certain.
    fn act(&self, store: &Interposed, action: Action) -> Option<SnapshotInfo> {
        let client = over(store);
        let name = |name: u8| format!("s{name}");
        let result = match action {
            Action::Save | Action::SaveOld => {
                let position = match action {
                    Action::SaveOld => self.position.load(std::sync::atomic::Ordering::SeqCst) / 2,
                    _ => self.next_position(),
                };
                match self.world.save(&client, TASK, position, &contents(position)) {
                    Ok(saved) => return Some(saved),
                    Err(error) => Err(error),
                }
            }
            Action::Collect { keep } => client.collect_garbage("fraud", keep).map(drop),
            Action::CreateSavepoint { name: of } => client.list(TASK).and_then(|listed| match listed.last() {
                Some(oldest) => client.create_savepoint(&name(of), &savepoint(vec![oldest.clone()])),
                None => Ok(()),
            }),
            Action::RemoveSavepoint { name: of } => client.remove_savepoint("fraud", &name(of)),
            Action::Remove => client.remove("fraud"),
        };
        match result {
            Ok(())
            | Err(
                SnapshotError::Unavailable { .. }
                | SnapshotError::Superseded { .. }
                | SnapshotError::Gone { .. }
                | SnapshotError::SavepointExists { .. }
                | SnapshotError::UnknownSavepoint { .. },
            ) => None,
            Err(error) => panic!("{action:?}: {error:?}"),
        }
    }

    fn step(&self, action: Action, manner: Manner) {
        let before = self.world.client().list(TASK).expect("listed");
        let inner = self.world.store.clone();
        let store = match manner {
            Manner::Undisturbed => Interposed::new(inner),
            Manner::Faulty { at, fault } => Interposed::failing(inner, at, fault),
            Manner::Interrupted { at, by } => {
                let there = self.clone();
                Interposed::hooked(inner.clone(), at, move || {
                    there.act(&Interposed::new(inner), by);
                })
            }
        };
        let kept = self.act(&store, action);
        let after = self.world.client().list(TASK).expect("listed");
        let alone = !matches!(manner, Manner::Interrupted { .. });
        let removes = |action| matches!(action, Action::Remove);
        if let Some(kept) = kept.filter(|_| alone) {
            assert_eq!(after.first(), Some(&kept), "what was kept is the newest");
        }
        let removed = removes(action) || matches!(manner, Manner::Interrupted { by, .. } if removes(by));
        if let (Some(newest), false) = (before.first(), removed) {
            let found = after.first().unwrap_or_else(|| panic!("snapshot {} is gone", newest.number));
            assert!(found.number >= newest.number, "the newest never goes");
        }
        self.check();
    }

    /// Everything that is listed is whole.
    fn check(&self) {
        self.world.check_all(TASK);
        for listed in self.world.client().list_savepoints("fraud").expect("listed") {
            match listed.savepoint {
                Ok(savepoint) => savepoint.tasks.iter().for_each(|snapshot| self.world.check(snapshot)),
                Err(SnapshotError::SavepointIncomplete { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    /// When everything is removed and collected, nothing is left but the floor.
    fn end(&self) {
        let client = self.world.client();
        for listed in client.list_savepoints("fraud").expect("listed") {
            client.remove_savepoint("fraud", &listed.name).expect("removed");
        }
        let newest = self.next_position();
        self.world.save(&client, TASK, newest, &contents(newest)).expect("saved");
        client.collect_garbage("fraud", 1).expect("collected");
        assert_eq!(self.world.check_all(TASK), [newest]);
        let left: BTreeMap<_, _> = self.world.objects("/files/").into_iter().map(|path| (path, ())).collect();
        assert_eq!(left.len(), 3, "{left:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_newest_complete_snapshot_always_brings_its_bytes(
        steps in prop::collection::vec((action(), manner()), 1..25),
    ) {
        let history = History { world: World::new(), position: std::sync::Arc::default() };
        for (action, manner) in steps {
            history.step(action, manner);
        }
        history.end();
    }
}
