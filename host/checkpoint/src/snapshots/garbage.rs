//! Removing what is no longer needed.
//!
//! See [`crate::snapshots`] for why nothing that is needed is ever removed.

use std::collections::BTreeSet;

use futures::{StreamExt, TryStreamExt};
use millstream_state::snapshot::{GcReport, SkippedGarbage, SnapshotError, SnapshotInfo};
use tracing::{debug, warn};

use super::{
    Engine,
    layout::{PipelinePath, TaskPath},
    manifests::Numbers,
};

/// Tasks that are looked at, and manifests of each that are read, at a time.
const AT_ONCE: usize = 8;
/// Floors that are kept, so that a listing that is made while others are written sees one.
const FLOORS_KEPT: usize = 4;

/// What to keep of each task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retention {
    /// This many of the newest snapshots, at least one.
    Newest(usize),
    /// None, and none that is being written either.
    Nothing,
}

/// A manifest above the floor, or why it could not be read.
type ReadManifest = (u64, Result<SnapshotInfo, String>);

/// What to do about one task.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Decision {
    /// No manifest up to this number counts from now on.
    floor: u64,
    /// Manifests to delete.
    removed: Vec<u64>,
    /// How many stay.
    kept: usize,
    /// Which files may go.
    files: Files,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Files {
    /// Those that were first part of snapshot `up_to` or one before it and are not among `named`.
    Collect { up_to: u64, named: BTreeSet<String> },
    /// None, for this reason.
    Leave(String),
}

/// Decides what to remove of a task whose manifests above the floor are `manifests`, ascending.
fn decide(task: &TaskPath, numbers: &Numbers, manifests: &[ReadManifest], retention: Retention) -> Decision {
    let newest = numbers.newest();
    let floor = match retention {
        // One above: an attempt to write that number is under way, perhaps.
        Retention::Nothing => newest + 1,
        Retention::Newest(keep) => {
            let mut readable = manifests.iter().rev().filter(|(_, read)| read.is_ok());
            let oldest = readable.nth(keep.max(1) - 1);
            oldest.map_or(numbers.floor, |(number, _)| number - 1)
        }
    };
    let live: Vec<_> = manifests.iter().filter(|(number, _)| *number > floor).collect();
    let removed = numbers.dead.iter().chain(&numbers.live).copied().filter(|number| *number <= floor).collect();
    let files = match first_doubt(floor, &live) {
        Some(doubt) => Files::Leave(doubt),
        None => Files::Collect {
            up_to: newest.max(floor),
            named: live
                .iter()
                .filter_map(|(_, read)| read.as_ref().ok())
                .flat_map(|info| objects(task, info))
                .collect(),
        },
    };
    Decision { floor, removed, kept: live.len(), files }
}

/// Why it is not known what the manifests above `floor` name.
fn first_doubt(floor: u64, live: &[&ReadManifest]) -> Option<String> {
    for ((number, read), expected) in live.iter().zip(floor + 1..) {
        if *number != expected {
            return Some(format!("snapshot {expected} has no manifest, and there are later ones"));
        }
        if let Err(reason) = read {
            return Some(reason.clone());
        }
    }
    None
}

fn objects<'a>(task: &'a TaskPath, snapshot: &'a SnapshotInfo) -> impl Iterator<Item = String> + 'a {
    snapshot.files.iter().map(|file| task.file(file.origin, file.digest))
}

impl Engine {
    pub(super) async fn collect_garbage(
        &self,
        pipeline: &PipelinePath,
        retention: Retention,
    ) -> Result<GcReport, SnapshotError> {
        let collected: Vec<(TaskPath, Decision)> = futures::stream::iter(self.tasks(pipeline).await?)
            .map(|task| self.remove_manifests(task, retention))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let mut report = count_manifests(&collected);
        // Only now, after the last floor is written: see the module's documentation.
        let held = match self.held_by_savepoints(pipeline).await {
            Ok(held) => held,
            Err(error @ (SnapshotError::Unavailable { .. } | SnapshotError::Denied { .. })) => return Err(error),
            Err(error) => {
                warn!(%pipeline, %error, "no files are removed, since a savepoint cannot be read");
                report.skipped.push(SkippedGarbage { path: pipeline.to_string(), reason: error.to_string() });
                return Ok(report);
            }
        };
        for (task, decision) in collected {
            match decision.files {
                Files::Leave(reason) => {
                    warn!(%task, reason, "no files are removed");
                    report.skipped.push(SkippedGarbage { path: task.to_string(), reason });
                }
                Files::Collect { up_to, named } => {
                    let (files, bytes) = self.remove_files(&task, up_to, &named, &held).await?;
                    report.files_removed += files;
                    report.bytes_removed += bytes;
                }
            }
        }
        debug!(%pipeline, ?report, "collected garbage");
        Ok(report)
    }

    async fn tasks(&self, pipeline: &PipelinePath) -> Result<Vec<TaskPath>, SnapshotError> {
        let mut tasks = Vec::new();
        for stage in self.storage.list_directories(&pipeline.tasks()).await? {
            for partition in self.storage.list_directories(&pipeline.stage(&stage)).await? {
                // What is not a task is nothing of ours.
                tasks.extend(TaskPath::parse(&format!("{pipeline}/{stage}/{partition}")));
            }
        }
        Ok(tasks)
    }

    /// Raises the floor of a task and deletes the manifests below it.
    async fn remove_manifests(
        &self,
        task: TaskPath,
        retention: Retention,
    ) -> Result<(TaskPath, Decision), SnapshotError> {
        let numbers = self.numbers(&task).await?;
        let read: Vec<ReadManifest> = futures::stream::iter(numbers.live.clone())
            .map(|number| self.try_manifest(&task, number))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let decision = decide(&task, &numbers, &read, retention);
        if decision.floor > numbers.floor {
            // Somebody else may have created the same, which is as good.
            self.storage.create(&task.floor(decision.floor), Vec::new()).await?;
        }
        let old_floors = numbers.floors.iter().rev().skip(FLOORS_KEPT - 1).map(|&floor| task.floor(floor));
        let manifests = decision.removed.iter().map(|&number| task.manifest(number));
        self.storage.delete_all(manifests.chain(old_floors)).await?;
        Ok((task, decision))
    }

    /// The outer error: the store. The inner one: it is not what it should be.
    async fn try_manifest(&self, task: &TaskPath, number: u64) -> Result<ReadManifest, SnapshotError> {
        match self.manifest(task, number).await {
            Ok(Some(document)) => Ok((number, Ok(document.content))),
            Ok(None) => Ok((number, Err(format!("snapshot {number} was removed meanwhile")))),
            Err(error @ (SnapshotError::Unavailable { .. } | SnapshotError::Denied { .. })) => Err(error),
            Err(error) => Ok((number, Err(error.to_string()))),
        }
    }

    async fn remove_files(
        &self,
        task: &TaskPath,
        up_to: u64,
        named: &BTreeSet<String>,
        held: &BTreeSet<String>,
    ) -> Result<(usize, u64), SnapshotError> {
        let mut garbage = Vec::new();
        let mut bytes = 0;
        for ((origin, digest), size_bytes) in self.objects(task).await? {
            let object = task.file(origin, digest);
            if origin <= up_to && !named.contains(&object) && !held.contains(&object) {
                garbage.push(object);
                bytes += size_bytes;
            }
        }
        let files = garbage.len();
        self.storage.delete_all(garbage).await?;
        Ok((files, bytes))
    }
}

fn count_manifests(collected: &[(TaskPath, Decision)]) -> GcReport {
    GcReport {
        snapshots_kept: collected.iter().map(|(_, decision)| decision.kept).sum(),
        snapshots_removed: collected.iter().map(|(_, decision)| decision.removed.len()).sum(),
        ..GcReport::default()
    }
}

#[cfg(test)]
mod tests {
    use millstream_state::snapshot::{SnapshotAbout, SnapshotFile};
    use millstream_types::Digest;

    use super::*;
    use crate::snapshots::layout::Numbered;

    fn task() -> TaskPath {
        TaskPath::parse("fraud/velocity/3").expect("a task")
    }

    /// A snapshot whose only file was first part of snapshot `origin`.
    fn snapshot(number: u64, origin: u64) -> ReadManifest {
        let about = SnapshotAbout {
            pipeline: "fraud".parse().expect("a name"),
            stage: "velocity".into(),
            partition: 3,
            changelog: "changelog".into(),
            created_ms: 0,
            operators: Vec::new(),
        };
        let digest = Digest([u8::try_from(origin).expect("small"); 32]);
        let files = vec![SnapshotFile { name: "a".into(), size_bytes: 1, digest, origin }];
        (number, Ok(SnapshotInfo { task: task().to_string(), number, position: 0, about, files }))
    }

    fn decided(floor: u64, manifests: &[ReadManifest], retention: Retention) -> Decision {
        let found = manifests.iter().map(|(number, _)| Numbered::Manifest(*number));
        decide(&task(), &Numbers::of(found.chain([Numbered::Floor(floor)])), manifests, retention)
    }

    fn named(origins: &[u8]) -> BTreeSet<String> {
        origins.iter().map(|&origin| task().file(u64::from(origin), Digest([origin; 32]))).collect()
    }

    #[test]
    fn the_newest_stay_with_what_they_name() {
        let manifests = [snapshot(4, 4), snapshot(5, 5), snapshot(6, 4)];
        let decision = decided(3, &manifests, Retention::Newest(2));
        assert_eq!((decision.floor, decision.removed, decision.kept), (4, vec![4], 2));
        assert_eq!(decision.files, Files::Collect { up_to: 6, named: named(&[4, 5]) });
        let decision = decided(3, &manifests, Retention::Newest(0));
        assert_eq!((decision.floor, decision.kept), (5, 1));
        let decision = decided(3, &manifests, Retention::Newest(9));
        assert_eq!((decision.floor, decision.removed.len(), decision.kept), (3, 0, 3));
    }

    #[test]
    fn nothing_is_kept_of_a_pipeline_that_is_removed_nor_of_an_attempt_under_way() {
        let decision = decided(3, &[snapshot(4, 4), snapshot(5, 5)], Retention::Nothing);
        assert_eq!((decision.floor, decision.removed, decision.kept), (6, vec![4, 5], 0));
        assert_eq!(decision.files, Files::Collect { up_to: 6, named: BTreeSet::new() });
    }

    #[test]
    fn files_stay_where_it_is_not_known_what_names_them() {
        let damaged = (6, Err("broken".to_owned()));
        let manifests = [snapshot(4, 4), snapshot(5, 5), damaged.clone(), snapshot(7, 7)];
        let decision = decided(3, &manifests, Retention::Newest(2));
        assert_eq!((decision.floor, decision.kept), (4, 3), "a damaged one is not one of the two");
        assert_eq!(decision.files, Files::Leave("broken".into()));
        let decision = decided(3, &manifests, Retention::Newest(1));
        assert_eq!((decision.floor, decision.removed.len()), (6, 3), "damaged ones go with their time");
        assert!(matches!(decision.files, Files::Collect { up_to: 7, .. }));
        let decision = decided(5, &[damaged, snapshot(7, 7)], Retention::Newest(2));
        assert_eq!((decision.floor, decision.kept), (5, 2), "too few are whole to remove any");

        let decision = decided(3, &[snapshot(4, 4), snapshot(6, 6)], Retention::Newest(5));
        assert!(matches!(decision.files, Files::Leave(reason) if reason.contains("snapshot 5")));
        let decision = decided(3, &[snapshot(6, 6)], Retention::Newest(1));
        assert!(matches!(decision.files, Files::Collect { up_to: 6, .. }), "whatever was before does not count");
    }

    #[test]
    fn where_nothing_was_kept_nothing_is_removed() {
        let decision = decide(&task(), &Numbers::default(), &[], Retention::Newest(3));
        assert_eq!((decision.floor, decision.removed.len()), (0, 0));
        assert_eq!(decision.files, Files::Collect { up_to: 0, named: BTreeSet::new() });
    }
}
