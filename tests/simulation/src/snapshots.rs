//! Where snapshots are kept, which does not always answer and sometimes keeps rubbish.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use millstream_state::snapshot::{
    GcReport, ListedSavepoint, Savepoint, SnapshotAbout, SnapshotError, SnapshotInfo, SnapshotStore,
};
use parking_lot::Mutex;

use crate::{
    disk::{Contents, Copies},
    scheduler::{Scheduler, disk_point},
};

/// A snapshot; `None`: its files are damaged.
type Kept = (SnapshotInfo, Option<Contents>);

/// The snapshots of all hosts.
pub(crate) type Shelf = Arc<Mutex<BTreeMap<String, Vec<Kept>>>>;

/// The shelf as one host sees it.
pub(crate) struct SimulatedSnapshots {
    pub(crate) shelf: Shelf,
    pub(crate) copies: Copies,
    pub(crate) scheduler: Arc<Scheduler>,
}

impl SimulatedSnapshots {
    fn answer(&self, what: &str) -> Result<(), SnapshotError> {
        disk_point(&self.scheduler, what);
        if self.scheduler.loses_snapshot() {
            return Err(SnapshotError::Unavailable { object: what.into(), reason: "no answer".into() });
        }
        Ok(())
    }
}

impl SnapshotStore for SimulatedSnapshots {
    fn save(
        &self,
        task: &str,
        checkpoint: &Path,
        position: i64,
        about: &SnapshotAbout,
    ) -> Result<SnapshotInfo, SnapshotError> {
        self.answer("send a snapshot")?;
        let copy = self.copies.lock().remove(checkpoint);
        let whole = copy.filter(|_| !self.scheduler.loses_snapshot());
        let info = {
            let mut shelf = self.shelf.lock();
            let kept = shelf.entry(task.to_owned()).or_default();
            if kept.last().is_some_and(|(last, _)| last.position > position) {
                let reason = "the newest snapshot is ahead".into();
                return Err(SnapshotError::Superseded { task: task.into(), reason });
            }
            let number = kept.last().map_or(1, |(last, _)| last.number + 1);
            let (task, about) = (task.to_owned(), about.clone());
            let info = SnapshotInfo { task, number, position, about, files: Vec::new() };
            kept.push((info.clone(), whole));
            info
        };
        self.answer("hear of a snapshot")?;
        Ok(info)
    }

    fn list(&self, task: &str) -> Result<Vec<SnapshotInfo>, SnapshotError> {
        self.answer("list snapshots")?;
        let shelf = self.shelf.lock();
        Ok(shelf.get(task).into_iter().flatten().rev().map(|(info, _)| info.clone()).collect())
    }

    fn fetch(&self, snapshot: &SnapshotInfo, into: &Path, _reuse: &Path) -> Result<(), SnapshotError> {
        self.answer("fetch a snapshot")?;
        let shelf = self.shelf.lock();
        let kept = shelf.get(&snapshot.task).into_iter().flatten().find(|(info, _)| info.number == snapshot.number);
        match kept {
            Some((_, Some(contents))) => {
                self.copies.lock().insert(into.to_owned(), contents.clone());
                Ok(())
            }
            Some((_, None)) => Err(SnapshotError::Corrupt { object: "a file".into(), reason: "it is short".into() }),
            None => Err(SnapshotError::Gone { task: snapshot.task.clone(), number: snapshot.number }),
        }
    }

    fn collect_garbage(&self, pipeline: &str, keep: usize) -> Result<GcReport, SnapshotError> {
        self.answer("collect snapshots")?;
        let of_pipeline = format!("{pipeline}/");
        for (_, kept) in self.shelf.lock().iter_mut().filter(|(task, _)| task.starts_with(&of_pipeline)) {
            let old = kept.len().saturating_sub(keep.max(1));
            kept.drain(..old);
        }
        Ok(GcReport::default())
    }

    fn remove(&self, _pipeline: &str) -> Result<(), SnapshotError> {
        self.shelf.lock().clear();
        Ok(())
    }

    fn create_savepoint(&self, name: &str, _savepoint: &Savepoint) -> Result<(), SnapshotError> {
        Err(no_savepoints(name))
    }

    fn list_savepoints(&self, _pipeline: &str) -> Result<Vec<ListedSavepoint>, SnapshotError> {
        Ok(Vec::new())
    }

    fn pipelines_with_savepoints(&self) -> Result<Vec<String>, SnapshotError> {
        Ok(Vec::new())
    }

    fn get_savepoint(&self, _pipeline: &str, name: &str) -> Result<Savepoint, SnapshotError> {
        Err(no_savepoints(name))
    }

    fn remove_savepoint(&self, _pipeline: &str, name: &str) -> Result<(), SnapshotError> {
        Err(no_savepoints(name))
    }
}

fn no_savepoints(name: &str) -> SnapshotError {
    SnapshotError::Misuse(format!("savepoint {name}: nobody makes savepoints in a simulation"))
}
