//! Who has the store of a task on this host: a worker, the standby, or nobody.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use super::follower::Follower;
use crate::{metrics::Counter, shared::TaskId};

/// The hand-over of stores between workers and the standby. A store is open once in a process, so that whoever wants
/// it takes it out of its slot. A worker always gets it: the standby lays it back after each batch and never takes
/// one out whose task a worker owns.
///
/// ```text
///             open               check_out
///   nothing ---------> parked <-------------> taken     the standby's thread
///      ^                 |                      |
///      |                 | own                  | own waits until it is laid back
///      |                 v                      v
///      '------------- owned by a worker <-------'
///         dropped
/// ```
#[derive(Debug, Default)]
pub(crate) struct Slots {
    slots: Mutex<BTreeMap<TaskId, Slot>>,
    hand_overs: Counter,
}

#[derive(Debug, Default)]
struct Slot {
    /// Workers that have the task, or are about to. Two at most: one that lost it and does not know yet.
    owners: u32,
    store: Store,
}

#[derive(Debug, Default)]
enum Store {
    /// Not open, or open at a worker.
    #[default]
    Nothing,
    Parked(Follower),
    /// In the hands of the standby's thread.
    Taken,
}

/// A task is a worker's for as long as this lives. To be dropped after its store.
#[derive(Debug)]
pub(crate) struct Ownership {
    slots: Arc<Slots>,
    id: TaskId,
}

impl Drop for Ownership {
    fn drop(&mut self) {
        if let Some(slot) = self.slots.slots.lock().get_mut(&self.id) {
            slot.owners = slot.owners.saturating_sub(1);
        }
    }
}

impl Slots {
    /// Makes the task a worker's, with the store where the standby had it open. While it is in the standby's hands, for
    /// a batch or the opening of a store, `wait` is called.
    pub(crate) fn own(self: &Arc<Self>, id: TaskId, mut wait: impl FnMut()) -> (Ownership, Option<Follower>) {
        self.slots.lock().entry(id).or_default().owners += 1;
        let ownership = Ownership { slots: self.clone(), id };
        loop {
            // Looked at and left as it is under one lock: the standby may lay the store back at any moment.
            let mut slots = self.slots.lock();
            let slot = slots.entry(id).or_default();
            match std::mem::take(&mut slot.store) {
                Store::Parked(follower) => {
                    self.hand_overs.add(1);
                    return (ownership, Some(follower));
                }
                Store::Nothing => return (ownership, None),
                Store::Taken => slot.store = Store::Taken,
            }
            drop(slots);
            wait();
        }
    }

    fn set(&self, id: TaskId, store: Store) {
        self.slots.lock().entry(id).or_default().store = store;
    }

    /// How many stores went from the standby to a worker.
    pub(crate) fn hand_overs(&self) -> u64 {
        self.hand_overs.get()
    }

    /// The tasks that workers of this host have.
    pub(crate) fn owned(&self) -> Vec<TaskId> {
        self.slots.lock().iter().filter(|(_, slot)| slot.owners > 0).map(|(id, _)| *id).collect()
    }

    /// Takes the slot of a task for the standby; `None`: it is a worker's, or already taken.
    pub(crate) fn check_out(self: &Arc<Self>, id: TaskId) -> Option<CheckedOut> {
        let mut slots = self.slots.lock();
        let slot = slots.entry(id).or_default();
        if slot.owners > 0 || matches!(slot.store, Store::Taken) {
            return None;
        }
        let follower = match std::mem::replace(&mut slot.store, Store::Taken) {
            Store::Parked(follower) => Some(follower),
            Store::Nothing | Store::Taken => None,
        };
        drop(slots);
        Some(CheckedOut { slots: self.clone(), id, follower })
    }

    /// The parked stores, each with what `look` says of it.
    pub(crate) fn parked<T>(&self, look: impl Fn(&Follower) -> T) -> BTreeMap<TaskId, T> {
        let slots = self.slots.lock();
        let parked = slots.iter().filter_map(|(id, slot)| match &slot.store {
            Store::Parked(follower) => Some((*id, look(follower))),
            Store::Nothing | Store::Taken => None,
        });
        parked.collect()
    }
}

/// A slot in the hands of the standby's thread. Where it is dropped, by a failure for instance, its store is closed.
#[derive(Debug)]
pub(crate) struct CheckedOut {
    slots: Arc<Slots>,
    id: TaskId,
    /// The store, where it is open.
    pub(crate) follower: Option<Follower>,
}

impl CheckedOut {
    /// Lays the store back.
    pub(crate) fn park(mut self, follower: Follower) {
        self.follower = Some(follower);
    }
}

impl Drop for CheckedOut {
    fn drop(&mut self) {
        let store = match self.follower.take() {
            // One that unwinds has crashed, and a store that was cut off in the middle is not gone on with.
            Some(follower) if !std::thread::panicking() => Store::Parked(follower),
            Some(_) | None => Store::Nothing,
        };
        self.slots.set(self.id, store);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        thread,
        time::{Duration, Instant},
    };

    use millstream_pipeline::plan::StageIndex;
    use millstream_state::{MemoryBackends, StateBackends};

    use super::*;

    const TASK: TaskId = (StageIndex(0), 0);

    /// A worker that wants the store while the standby takes it out and lays it back.
    #[test]
    fn a_store_that_is_laid_back_reaches_the_worker_that_waits_for_it() {
        let slots = Arc::new(Slots::default());
        let backends = MemoryBackends::default();
        let follower = Follower::new(backends.open("task").expect("a store"), Duration::ZERO);
        slots.check_out(TASK).expect("free").park(follower);
        let has_ended = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !has_ended.load(Ordering::Relaxed) {
                    let Some(mut slot) = slots.check_out(TASK) else { continue };
                    let follower = slot.follower.take().expect("it is parked");
                    slot.park(follower);
                }
            });
            let began = Instant::now();
            for _ in 0..20_000 {
                let (ownership, follower) = slots.own(TASK, || {
                    if began.elapsed() > Duration::from_secs(60) {
                        has_ended.store(true, Ordering::Relaxed);
                        panic!("the store never came");
                    }
                });
                let follower = follower.expect("the standby had it open");
                slots.set(TASK, Store::Parked(follower));
                drop(ownership);
            }
            has_ended.store(true, Ordering::Relaxed);
        });
    }
}
