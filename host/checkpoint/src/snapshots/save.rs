//! Keeping a snapshot.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use millstream_state::snapshot::{SnapshotAbout, SnapshotError, SnapshotFile, SnapshotInfo};
use millstream_types::Digest;
use tracing::{debug, warn};

use super::{Engine, blocking, document::encode, layout::TaskPath, local::LocalFile};
use crate::storage::Create;

/// Lost races for the next number after which a save gives up: two owners of one task are one too many.
const MAX_RACES: usize = 3;

/// Objects that hold files: where each was first part of a snapshot, and its digest.
pub(super) type Objects = BTreeMap<(u64, Digest), u64>;

/// What has to be done to keep a snapshot.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    files: Vec<SnapshotFile>,
    /// Digests of the files to send.
    missing: BTreeSet<Digest>,
}

/// A file stays where the snapshot before has it, or where an attempt for this number left it. Nothing else
/// in the store may be used: it may be about to be collected.
fn plan(
    files: &[LocalFile],
    number: u64,
    base: Option<&SnapshotInfo>,
    usable: impl Fn(u64, Digest, u64) -> bool,
) -> Plan {
    let base: BTreeMap<Digest, u64> =
        base.iter().flat_map(|base| &base.files).map(|file| (file.digest, file.origin)).collect();
    let mut missing = BTreeSet::new();
    let files = files
        .iter()
        .map(|file| {
            let kept = base.get(&file.digest).copied().filter(|&origin| usable(origin, file.digest, file.size_bytes));
            let origin = kept.unwrap_or(number);
            if !usable(origin, file.digest, file.size_bytes) {
                missing.insert(file.digest);
            }
            SnapshotFile { name: file.name.clone(), size_bytes: file.size_bytes, digest: file.digest, origin }
        })
        .collect();
    Plan { files, missing }
}

impl Engine {
    pub(super) async fn save(
        self: &Arc<Self>,
        task: &TaskPath,
        checkpoint: &Path,
        position: i64,
        about: &SnapshotAbout,
    ) -> Result<SnapshotInfo, SnapshotError> {
        check_about(task, about)?;
        let files = self.read_checkpoint(task, checkpoint).await?;
        for _ in 0..MAX_RACES {
            let numbers = self.numbers(task).await?;
            let number = numbers.newest() + 1;
            let base = match numbers.live.last() {
                Some(&newest) => self.base(task, newest).await?,
                None => None,
            };
            if let Some(base) = base.as_ref().filter(|base| base.position > position) {
                return Err(superseded(
                    task,
                    format!(
                        "snapshot {} reaches position {}, and this one position {position}",
                        base.number, base.position
                    ),
                ));
            }
            let objects = self.objects(task).await?;
            let usable = |origin, digest, size_bytes| {
                objects.get(&(origin, digest)) == Some(&size_bytes) && !self.is_distrusted(&task.file(origin, digest))
            };
            let Plan { files: kept, missing } = plan(&files, number, base.as_ref(), usable);
            if let Some(base) = base
                && missing.is_empty()
                && says_the_same(&base, position, about, &kept)
            {
                return Ok(base);
            }
            self.send(task, number, &files, missing).await?;
            let snapshot = SnapshotInfo { task: task.to_string(), number, position, about: about.clone(), files: kept };
            if self.publish(task, &snapshot).await? {
                debug!(%task, number, position, bytes = snapshot.new_bytes(), "kept a snapshot");
                return Ok(snapshot);
            }
            debug!(%task, number, "another owner of the task kept a snapshot first");
        }
        Err(superseded(task, format!("it kept snapshots first, {MAX_RACES} times")))
    }

    async fn read_checkpoint(
        self: &Arc<Self>,
        task: &TaskPath,
        checkpoint: &Path,
    ) -> Result<Vec<LocalFile>, SnapshotError> {
        let (engine, task, directory) = (Arc::clone(self), task.to_string(), checkpoint.to_owned());
        blocking(move || engine.digests.read_directory(&task, &directory)).await
    }

    /// The snapshot that this one may share files with: the one directly before it, or none.
    async fn base(&self, task: &TaskPath, newest: u64) -> Result<Option<SnapshotInfo>, SnapshotError> {
        match self.manifest(task, newest).await {
            Ok(document) => Ok(document.map(|document| document.content)),
            Err(SnapshotError::Corrupt { object, reason }) => {
                warn!(%task, object, reason, "sending a whole snapshot, since the one before is damaged");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The files of a task that are in the store, with their sizes.
    pub(super) async fn objects(&self, task: &TaskPath) -> Result<Objects, SnapshotError> {
        let directory = task.files();
        let listed = self.storage.list_after(&directory, &directory).await?;
        Ok(listed.iter().filter_map(|object| Some((task.file_at(&object.path)?, object.size_bytes))).collect())
    }

    async fn send(
        &self,
        task: &TaskPath,
        number: u64,
        files: &[LocalFile],
        mut missing: BTreeSet<Digest>,
    ) -> Result<(), SnapshotError> {
        // Files of the same bytes are one object.
        let uploads = files
            .iter()
            .filter(|file| missing.remove(&file.digest))
            .map(|file| (file.clone(), task.file(number, file.digest)))
            .collect();
        let sent = self.upload_all(uploads).await;
        if matches!(sent, Err(SnapshotError::Local { .. })) {
            self.digests.forget(&task.to_string());
        }
        sent
    }

    /// Makes a snapshot visible. False: its number is another's.
    async fn publish(&self, task: &TaskPath, snapshot: &SnapshotInfo) -> Result<bool, SnapshotError> {
        let object = task.manifest(snapshot.number);
        let writer = self.writers.next();
        let bytes = encode(&object, &writer, snapshot)?;
        if self.storage.create(&object, bytes).await? == Create::Exists {
            // Ours, where the store's client asked again after an answer was lost.
            let ours = match self.manifest(task, snapshot.number).await {
                Ok(found) => found.is_some_and(|found| found.writer == writer),
                Err(SnapshotError::Corrupt { .. }) => false,
                Err(error) => return Err(error),
            };
            if !ours {
                return Ok(false);
            }
        }
        // A writer that slept for long may have created what was removed meanwhile, which does not count.
        let floor = self.numbers(task).await?.floor;
        if snapshot.number <= floor {
            return Err(superseded(task, format!("its snapshots up to number {floor} are no longer kept")));
        }
        Ok(true)
    }
}

fn says_the_same(base: &SnapshotInfo, position: i64, about: &SnapshotAbout, files: &[SnapshotFile]) -> bool {
    base.position == position
        && base.files == files
        && SnapshotAbout { created_ms: about.created_ms, ..base.about.clone() } == *about
}

fn check_about(task: &TaskPath, about: &SnapshotAbout) -> Result<(), SnapshotError> {
    let described = format!("{}/{}/{}", about.pipeline, about.stage, about.partition);
    if described == task.to_string() {
        return Ok(());
    }
    Err(SnapshotError::Misuse(format!("a snapshot of {described} cannot be kept for task {task}")))
}

fn superseded(task: &TaskPath, reason: String) -> SnapshotError {
    SnapshotError::Superseded { task: task.to_string(), reason }
}
