//! Files that are complete when they appear: JSON lines, CSV or Parquet, rolled by size, age and records, in a
//! directory or an object store.
//!
//! Readers never see a file that is not committed, and every record that is committed appears in one file, once.
//!
//! # Where rows are until their file is complete
//!
//! A commit every 100 ms must not make a file every 100 ms, so that most commits find a file half written. Its
//! rows must survive a crash then, also on another host, which has neither this one's disk nor its memory. They
//! could be
//!
//! - in a **file beside the output**, synced at each commit and cut back to the committed length: gone with the
//!   host that has the disk; and where the disk is shared, a worker that was fenced and wakes up still writes into
//!   the file that its successor goes on with;
//! - in an **object for each commit**, or the parts of a multipart upload: tens of milliseconds and a paid request
//!   for each commit of each task, and parts have a smallest size;
//! - in the **input**, by committing positions only when a file is complete, as Kafka Connect does: then a task
//!   commits every few minutes, and with it its state and its other outputs;
//! - in the **task's state**, as compressed chunks.
//!
//! The last is what is done. The chunks go into the same atomic commit as positions and outputs, wait for nothing
//! else, and are wherever the task is: taking over needs no more than any state does. They cost what the rows,
//! compressed, cost in a topic, are bounded by the size at which files roll, and are removed when the file is
//! there.
//!
//! ```text
//!            write                   prepare              commit             finish
//!  records ---------> scratch file ----------> complete ----------> ... ------------> archive-0-0000000007.jsonl
//!              |      (no name, nothing lost     file                  put if absent      |
//!              |       with it)                                                           | next prepare
//!              '----> chunks of rows --------> task's state ------------------------------'-> chunks removed
//! ```
//!
//! The file itself is written as records come, into a scratch file on this host that has no name and is never
//! needed again: another owner makes the same file anew from the chunks.
//!
//! # Showing
//!
//! A complete file is named in the commit that completes it, by sink, task and a number that is part of the
//! record, and put under that name only after the commit, by a thread of its own, so that a store that is slow or
//! away for a while does not hold up commits: they wait only when [`MAX_BACKLOG`] files of a task have not come to
//! their place, or the task is closed. Until a later commit says that the file is there, whoever opens the task puts it again, if it
//! is absent. What a fenced worker puts late is what its successor puts: the same rows under the same name. So
//!
//! | a crash | leaves |
//! |---|---|
//! | before the commit | the rows of the commits before it, in the state |
//! | between the commit and the file | the file's name and its rows in the state: it is put by the next owner |
//! | after the file, before a commit says so | the same, and the next owner finds it there |
//!
//! A file of that name with another length is somebody else's, and an error: nothing is overwritten.

mod chunks;
mod columns;
mod encode;
mod layout;
mod put;
mod record;
mod recovery;
mod writer;

use std::{sync::Arc, time::Duration};

use millstream_pipeline::spec::{FilesPlace, FilesSink, RollSpec};
use millstream_types::Clock;

use crate::{ConnectorError, DirectoryStore, FileStore, Sink, SinkHost, SinkState, SinkWriter};

use self::layout::Layout;

/// A sink of files that are complete when they appear.
pub(crate) struct RolledFiles(Arc<Files>);

/// What the writers of a sink share.
struct Files {
    sink: String,
    layout: Layout,
    roll: RollSpec,
    store: Arc<dyn FileStore>,
    host: Arc<dyn SinkHost>,
    clock: Arc<dyn Clock>,
    /// Complete files are put by threads; otherwise by the worker, whenever it looks for them.
    threads: bool,
    /// How long a commit that must wait for a file does so while the store does not answer.
    patience: Duration,
}

/// The most committed files of a task that are not at their place. Their rows are in its state and the files on the
/// host's disk.
const MAX_BACKLOG: usize = 16;
/// See [`Files::patience`].
const PATIENCE: Duration = Duration::from_secs(10);

impl RolledFiles {
    pub fn new(
        sink: &str,
        spec: &FilesSink,
        clock: Arc<dyn Clock>,
        host: &Arc<dyn SinkHost>,
    ) -> Result<Self, ConnectorError> {
        let store: Arc<dyn FileStore> = match &spec.place {
            FilesPlace::Directory(directory) => Arc::new(DirectoryStore::open(directory)?),
            FilesPlace::Url(url) => host.store(url)?,
        };
        Ok(Self(Arc::new(Files {
            sink: sink.into(),
            layout: Layout::new(spec),
            roll: spec.roll,
            store,
            host: Arc::clone(host),
            clock,
            threads: true,
            patience: PATIENCE,
        })))
    }
}

impl Sink for RolledFiles {
    fn open(&self, task: u32, committed: SinkState) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        Ok(Box::new(recovery::open(Arc::clone(&self.0), task, &committed)?))
    }
}

#[cfg(test)]
mod tests;
