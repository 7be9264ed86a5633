//! How a standby begins: with the local store, or with a snapshot in its place.

use std::{path::PathBuf, sync::mpsc, thread, time::Duration};

use millstream_protocol::{RestoreError, StandbyFrom, standby_plan};
use millstream_state::{
    StateError,
    snapshot::{SnapshotError, SnapshotInfo},
};

use super::{Follower, RETRY, Standbys};
use crate::{
    Failure, identity,
    shared::TaskId,
    snapshots::{self, WORTH},
};

/// A snapshot on its way here.
pub(super) struct Fetch {
    id: TaskId,
    copy: PathBuf,
    number: u64,
    done: mpsc::Receiver<Result<(), SnapshotError>>,
}

impl Standbys {
    /// Opens the stores of tasks that are to be followed.
    ///
    /// # Errors
    /// When the log cannot be read. What is wrong with one task is noted there.
    pub(super) fn begin(&mut self, now: Duration) -> Result<(), Failure> {
        self.install_fetched(now);
        let parked = self.shared.standbys.parked(|_| ());
        let is_due = |retry: &Option<(String, Duration)>| retry.as_ref().is_none_or(|(_, at)| now >= *at);
        let missing = self.tasks.iter().filter(|(id, standby)| !parked.contains_key(id) && is_due(&standby.problem));
        for id in missing.map(|(id, _)| *id).collect::<Vec<_>>() {
            if self.fetch.as_ref().is_some_and(|fetch| fetch.id == id) {
                continue;
            }
            let outcome = self.open(id, now);
            let Some(standby) = self.tasks.get_mut(&id) else { continue };
            match outcome {
                Ok(true) => standby.problem = None,
                Ok(false) => {}
                Err(reason) => standby.fail(reason, now),
            }
        }
        Ok(())
    }

    /// Opens one; `false`: not yet.
    fn open(&mut self, id: TaskId, now: Duration) -> Result<bool, String> {
        let Some(standby) = self.tasks.get(&id) else { return Ok(false) };
        let store = format!("{}/{}", self.topology.plan.pipeline, standby.name);
        let Some(slot) = self.shared.standbys.check_out(id) else { return Ok(false) };
        let host = &self.shared.host;
        let backend = host.backends.open(&store).map_err(|error| error.to_string())?;
        let (first, end) = standby.bounds;
        let local = backend.position();
        let is_near = local.is_some_and(|local| local >= first && local <= end && end - local <= WORTH);
        let mut kept = Vec::new();
        if let Some(snapshots) = host.snapshots.as_ref().filter(|_| !is_near && end > 0 && self.fetch.is_none()) {
            match snapshots.store.list(&store) {
                Ok(listed) => kept = listed,
                Err(error) => tracing::warn!(task = store, %error, "snapshots cannot be listed"),
            }
        }
        let own = identity::of_store(backend.as_ref()).map_err(|error| error.to_string())?;
        let is_another = match own {
            Some(own) => {
                let found = identity::of_changelog(host.log.as_ref(), &standby.changelog, standby.bounds);
                found.map_err(|error| error.to_string())?.is_some_and(|found| found != own)
            }
            None => false,
        };
        let positions: Vec<i64> = kept.iter().map(|snapshot| snapshot.position).collect();
        match standby_plan(local, is_another, &positions, first, end, WORTH) {
            StandbyFrom::Local => {
                tracing::info!(task = store, position = local, end, "follows");
                slot.park(Follower::new(backend, now));
                Ok(true)
            }
            StandbyFrom::Empty => {
                tracing::warn!(task = store, "the local state is of an earlier changelog, and is dropped");
                drop(backend);
                let emptied = host.backends.remove(&store).and_then(|()| host.backends.open(&store));
                slot.park(Follower::new(emptied.map_err(|error| error.to_string())?, now));
                Ok(true)
            }
            StandbyFrom::Snapshot(index) => {
                drop(backend);
                drop(slot);
                self.fetch(id, &store, kept.swap_remove(index));
                Ok(false)
            }
            StandbyFrom::Wait(error) => Err(waits(error)),
        }
    }

    /// Begins to fetch a snapshot. The store may be a worker's meanwhile.
    fn fetch(&mut self, id: TaskId, store: &str, snapshot: SnapshotInfo) {
        let host = &self.shared.host;
        let Some(snapshots) = host.snapshots.clone() else { return };
        let copy = snapshots::new_copy(&snapshots, "standby");
        let (done, outcome) = mpsc::channel();
        self.fetch = Some(Fetch { id, copy: copy.clone(), number: snapshot.number, done: outcome });
        let reuse = host.backends.path_of(store).unwrap_or_default();
        let keeps = snapshots.store.clone();
        // Nobody may be waiting any more.
        let run = move || drop(done.send(keeps.fetch(&snapshot, &copy, &reuse)));
        if !snapshots.background {
            run();
        } else if let Err(error) = thread::Builder::new().name("standby-fetch".into()).spawn(run) {
            tracing::warn!(%error, "no thread for a snapshot");
        }
    }

    /// Puts a snapshot that has come in the place of its task's store.
    fn install_fetched(&mut self, now: Duration) {
        let Some(Fetch { id, copy, number, done }) = self.fetch.take() else { return };
        let outcome = match done.try_recv() {
            Err(mpsc::TryRecvError::Empty) => {
                self.fetch = Some(Fetch { id, copy, number, done });
                return;
            }
            Err(mpsc::TryRecvError::Disconnected) => Err("it did not come".to_owned()),
            Ok(fetched) => fetched.map_err(|error| error.to_string()),
        };
        let installed = outcome.and_then(|()| self.install(id, &copy, now).map_err(|error| error.to_string()));
        snapshots::remove(&copy);
        let Some(standby) = self.tasks.get_mut(&id) else { return };
        match installed {
            Ok(()) => tracing::info!(task = standby.name, number, "follows from a snapshot"),
            Err(reason) => standby.fail(format!("snapshot {number} cannot be used: {reason}"), now),
        }
    }

    fn install(&self, id: TaskId, copy: &std::path::Path, now: Duration) -> Result<(), StateError> {
        let Some(standby) = self.tasks.get(&id) else { return Ok(()) };
        let store = format!("{}/{}", self.topology.plan.pipeline, standby.name);
        let Some(slot) = self.shared.standbys.check_out(id) else { return Ok(()) };
        let backends = &self.shared.host.backends;
        backends.install(&store, copy)?;
        slot.park(Follower::new(backends.open(&store)?, now));
        Ok(())
    }
}

/// Why a standby does not begin, and what it waits for.
fn waits(error: RestoreError) -> String {
    let seconds = RETRY.as_secs();
    match error {
        RestoreError::StoreAhead { store, end } => format!(
            "the local store is of position {store}, and the changelog ends at {end}; looking again in {seconds} s, since \
             an open transaction may hide its end"
        ),
        RestoreError::ChangelogTrimmed { first, newest } => {
            let newest = newest.map_or_else(|| "there is none".into(), |at| format!("the newest is of position {at}"));
            format!(
                "the changelog begins at {first}, and a store or snapshot that reaches it is needed to follow it ({newest})"
            )
        }
    }
}
