//! Savepoints: named sets of snapshots.
//!
//! A savepoint is written first, sealed when everything that it names has been found to be there, and counts
//! from then on. Its files are held from the first moment, so that no collection of garbage comes in between.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use millstream_state::snapshot::{ListedSavepoint, Savepoint, SnapshotError, SnapshotInfo};

use super::{
    Engine,
    document::{Document, NamedSavepoint, decode, encode},
    layout::{PipelinePath, TaskPath, check_savepoint_name},
};
use crate::storage::Create;

/// Objects that are asked for at a time.
const CHECKED_AT_ONCE: usize = 8;

impl Engine {
    pub(super) async fn create_savepoint(&self, name: &str, savepoint: &Savepoint) -> Result<(), SnapshotError> {
        check_savepoint_name(name)?;
        let pipeline = PipelinePath::parse(savepoint.pipeline.as_str())?;
        let tasks = check_tasks(&pipeline, savepoint)?;
        let object = pipeline.savepoint(name);
        let writer = self.writers.next();
        let content = NamedSavepoint { name: name.to_owned(), savepoint: savepoint.clone() };
        let bytes = encode(&object, &writer, &content)?;
        if self.storage.create(&object, bytes).await? == Create::Exists && !self.is_ours(&object, &writer).await? {
            return Err(SnapshotError::SavepointExists { pipeline: pipeline.to_string(), name: name.to_owned() });
        }
        let checked = futures::stream::iter(tasks)
            .map(|(task, snapshot)| self.check_kept(task, snapshot))
            .buffer_unordered(CHECKED_AT_ONCE)
            .try_collect::<Vec<()>>()
            .await;
        if let Err(error) = checked {
            // Best effort: what is left says of itself that it is incomplete.
            if self.is_ours(&object, &writer).await.unwrap_or(false)
                && let Err(error) = self.storage.delete(&object).await
            {
                tracing::warn!(object, reason = error.reason, "an unfinished savepoint could not be removed");
            }
            return Err(error);
        }
        // Named by its writer: somebody may have removed this savepoint and made another of its name meanwhile.
        Ok(self.storage.put(&pipeline.seal(&writer), Bytes::new()).await?)
    }

    /// Whether the snapshot is there, as described.
    async fn check_kept(&self, task: TaskPath, snapshot: &SnapshotInfo) -> Result<(), SnapshotError> {
        let gone = || SnapshotError::Gone { task: task.to_string(), number: snapshot.number };
        let kept = self.manifest(&task, snapshot.number).await?.ok_or_else(gone)?;
        if kept.content != *snapshot {
            return Err(SnapshotError::Misuse(format!(
                "snapshot {} of task {task} is not the one that the savepoint describes",
                snapshot.number
            )));
        }
        // After the manifest was seen: a manifest may come back that does not count.
        if snapshot.number <= self.numbers(&task).await?.floor {
            return Err(gone());
        }
        Ok(())
    }

    async fn is_ours(&self, object: &str, writer: &str) -> Result<bool, SnapshotError> {
        match self.storage.get(object).await? {
            Some(bytes) => Ok(decode::<NamedSavepoint>(object, &bytes).is_ok_and(|found| found.writer == writer)),
            None => Ok(false),
        }
    }

    pub(super) async fn list_savepoints(&self, pipeline: &PipelinePath) -> Result<Vec<ListedSavepoint>, SnapshotError> {
        let names = self.savepoint_names(pipeline).await?;
        let listed: Vec<Option<ListedSavepoint>> = futures::stream::iter(names)
            .map(|name| async move {
                let savepoint = self.get_savepoint(pipeline, &name).await;
                match savepoint {
                    Err(SnapshotError::UnknownSavepoint { .. }) => Ok(None),
                    Err(error @ (SnapshotError::Unavailable { .. } | SnapshotError::Denied { .. })) => Err(error),
                    savepoint => Ok(Some(ListedSavepoint { name, savepoint })),
                }
            })
            .buffered(CHECKED_AT_ONCE)
            .try_collect()
            .await?;
        Ok(listed.into_iter().flatten().collect())
    }

    pub(super) async fn pipelines_with_savepoints(&self) -> Result<Vec<String>, SnapshotError> {
        let mut pipelines = Vec::new();
        for name in self.storage.list_directories(PipelinePath::ALL).await? {
            // What is not a pipeline is nothing of ours.
            let Ok(pipeline) = PipelinePath::parse(&name) else { continue };
            if !self.savepoint_names(&pipeline).await?.is_empty() {
                pipelines.push(name);
            }
        }
        Ok(pipelines)
    }

    async fn savepoint_names(&self, pipeline: &PipelinePath) -> Result<Vec<String>, SnapshotError> {
        let directory = pipeline.savepoints();
        let listed = self.storage.list_after(&directory, &directory).await?;
        Ok(listed.iter().filter_map(|object| pipeline.savepoint_name(&object.path)).map(str::to_owned).collect())
    }

    pub(super) async fn get_savepoint(&self, pipeline: &PipelinePath, name: &str) -> Result<Savepoint, SnapshotError> {
        let document = self.savepoint(pipeline, name).await?.ok_or_else(|| unknown(pipeline, name))?;
        let sealed = self.storage.size(&pipeline.seal(&document.writer)).await?.is_some();
        if !sealed {
            return Err(SnapshotError::SavepointIncomplete { pipeline: pipeline.to_string(), name: name.to_owned() });
        }
        Ok(document.content.savepoint)
    }

    /// A savepoint, sealed or not.
    async fn savepoint(
        &self,
        pipeline: &PipelinePath,
        name: &str,
    ) -> Result<Option<Document<NamedSavepoint>>, SnapshotError> {
        check_savepoint_name(name)?;
        let object = pipeline.savepoint(name);
        let Some(bytes) = self.storage.get(&object).await? else { return Ok(None) };
        let document = decode::<NamedSavepoint>(&object, &bytes)?;
        let found = format!("{}/{}", document.content.savepoint.pipeline, document.content.name);
        let expected = format!("{pipeline}/{name}");
        if found != expected {
            return Err(SnapshotError::Foreign { object, found, expected });
        }
        Ok(Some(document))
    }

    pub(super) async fn remove_savepoint(&self, pipeline: &PipelinePath, name: &str) -> Result<(), SnapshotError> {
        match self.savepoint(pipeline, name).await {
            // The seal first, so that it is incomplete in between.
            Ok(Some(document)) => self.storage.delete(&pipeline.seal(&document.writer)).await?,
            Ok(None) => return Err(unknown(pipeline, name)),
            // It does not count, and its seal is of no use to another.
            Err(SnapshotError::Corrupt { .. } | SnapshotError::Format { .. } | SnapshotError::Foreign { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(self.storage.delete(&pipeline.savepoint(name)).await?)
    }

    /// The objects that the savepoints of a pipeline name, sealed ones or not.
    ///
    /// # Errors
    /// Also where one cannot be read, since it is not known then what it names.
    pub(super) async fn held_by_savepoints(&self, pipeline: &PipelinePath) -> Result<BTreeSet<String>, SnapshotError> {
        let names = self.savepoint_names(pipeline).await?;
        let held: Vec<Vec<String>> = futures::stream::iter(names)
            .map(|name| async move {
                match self.savepoint(pipeline, &name).await? {
                    Some(document) => objects_of(&document.content.savepoint),
                    None => Ok(Vec::new()),
                }
            })
            .buffer_unordered(CHECKED_AT_ONCE)
            .try_collect()
            .await?;
        Ok(held.into_iter().flatten().collect())
    }
}

fn objects_of(savepoint: &Savepoint) -> Result<Vec<String>, SnapshotError> {
    let mut objects = Vec::new();
    for snapshot in &savepoint.tasks {
        let task = TaskPath::parse(&snapshot.task)?;
        objects.extend(snapshot.files.iter().map(|file| task.file(file.origin, file.digest)));
    }
    Ok(objects)
}

/// The tasks of a savepoint, which are those of its pipeline, each once.
fn check_tasks<'a>(
    pipeline: &PipelinePath,
    savepoint: &'a Savepoint,
) -> Result<Vec<(TaskPath, &'a SnapshotInfo)>, SnapshotError> {
    let mut seen = BTreeSet::new();
    let mut tasks = Vec::with_capacity(savepoint.tasks.len());
    for snapshot in &savepoint.tasks {
        let task = TaskPath::parse(&snapshot.task)?;
        if task.pipeline != *pipeline || !seen.insert(&snapshot.task) {
            return Err(SnapshotError::Misuse(format!(
                "a savepoint of pipeline {pipeline} names each of its tasks once, and {task} is of another or is named \
                 again"
            )));
        }
        tasks.push((task, snapshot));
    }
    Ok(tasks)
}

fn unknown(pipeline: &PipelinePath, name: &str) -> SnapshotError {
    SnapshotError::UnknownSavepoint { pipeline: pipeline.to_string(), name: name.to_owned() }
}
