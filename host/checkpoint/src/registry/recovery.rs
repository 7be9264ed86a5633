//! Reading the log, and the snapshots that make it short.

use futures::{StreamExt, TryStreamExt};

use super::{LogRecord, RegistryError, RegistryState, SNAPSHOT_EVERY, Shared, entry_path, fold, format, warn};

/// Snapshots that are kept, so that one may be damaged.
const SNAPSHOTS_KEPT: usize = 2;
/// Entries that are read at a time when many are new.
const READ_AHEAD: usize = 16;
/// Sorts before every snapshot and after every entry.
const SNAPSHOT_PREFIX: &str = "control/snapshot-";

impl Shared {
    /// Reads everything: the newest snapshot that is whole, and the entries after it.
    pub(super) async fn recover(&self) -> Result<(), RegistryError> {
        let mut snapshots = self.snapshots().await?;
        while let Some(sequence) = snapshots.pop() {
            match self.read_snapshot(sequence).await? {
                Ok(state) => {
                    self.set_state(state);
                    break;
                }
                // Only a shortcut: the entries are all there.
                Err(reason) => warn!(object = snapshot_path(sequence), reason, "skipped a damaged snapshot"),
            }
        }
        let start = self.state().sequence();
        let listed = self.storage.list_after("control", &entry_path(start)).await?;
        let end = listed.iter().filter_map(|object| sequence_of(&object.path, "control/")).max().unwrap_or(start);
        // A gap would be taken for the end of the log, and filled.
        let records = self.read_entries(start + 1, end).await?;
        if let Some(missing) =
            (start + 1..=end).zip(&records).find_map(|(number, read)| read.is_none().then_some(number))
        {
            let reason = format!("it is missing, and there are entries up to {end}");
            return Err(RegistryError::Corrupt { object: entry_path(missing), reason });
        }
        self.fold_all(records.into_iter().flatten())?;
        self.advance().await?;
        if self.state().sequence() - start >= SNAPSHOT_EVERY {
            self.write_snapshot().await;
        }
        Ok(())
    }

    /// Reads the entries after the state up to the end of the log, and returns them.
    pub(super) async fn advance(&self) -> Result<Vec<LogRecord>, RegistryError> {
        let mut all = Vec::new();
        let mut ahead = 1;
        loop {
            let first = self.state().sequence() + 1;
            let read = self.read_entries(first, first + ahead - 1).await?;
            let expected = read.len();
            let records: Vec<_> = read.into_iter().map_while(|record| record).collect();
            let at_end = records.len() < expected;
            all.extend(records.iter().cloned());
            self.fold_all(records)?;
            if at_end {
                return Ok(all);
            }
            ahead = READ_AHEAD as u64;
        }
    }

    /// Writes a snapshot of the state and deletes old ones. The log does not need it, so it may fail.
    pub(super) async fn write_snapshot(&self) {
        if let Err(error) = self.try_write_snapshot().await {
            warn!(%error, "no snapshot of the registry was written");
        }
    }

    async fn try_write_snapshot(&self) -> Result<(), RegistryError> {
        let state = self.state();
        let object = snapshot_path(state.sequence());
        let bytes = format::encode_snapshot(&format!("{:016x}", self.writer), &state)
            .map_err(|error| RegistryError::Corrupt { object: object.clone(), reason: error.to_string() })?;
        self.storage.put(&object, bytes.into()).await?;
        let snapshots = self.snapshots().await?;
        let (old, _) = snapshots.split_at(snapshots.len().saturating_sub(SNAPSHOTS_KEPT));
        for &sequence in old {
            self.storage.delete(&snapshot_path(sequence)).await?;
        }
        Ok(())
    }

    /// The entries after which there are snapshots, in order.
    async fn snapshots(&self) -> Result<Vec<u64>, RegistryError> {
        let listed = self.storage.list_after("control", SNAPSHOT_PREFIX).await?;
        Ok(listed.iter().filter_map(|object| sequence_of(&object.path, SNAPSHOT_PREFIX)).collect())
    }

    /// The outer error: the store. The inner one: not a snapshot.
    async fn read_snapshot(&self, sequence: u64) -> Result<Result<RegistryState, String>, RegistryError> {
        Ok(match self.storage.get(&snapshot_path(sequence)).await? {
            Some(bytes) => format::decode_snapshot(sequence, &bytes),
            None => Err("it was deleted meanwhile".into()),
        })
    }

    /// The entries from `first` to `last`, in order; `None` for those that do not exist.
    async fn read_entries(&self, first: u64, last: u64) -> Result<Vec<Option<LogRecord>>, RegistryError> {
        futures::stream::iter(first..=last)
            .map(|sequence| async move {
                let object = entry_path(sequence);
                let Some(bytes) = self.storage.get(&object).await? else { return Ok(None) };
                match format::decode_record(sequence, &bytes) {
                    Ok(record) => Ok(Some(record)),
                    Err(reason) => Err(RegistryError::Corrupt { object, reason }),
                }
            })
            .buffered(READ_AHEAD)
            .try_collect()
            .await
    }

    fn fold_all(&self, records: impl IntoIterator<Item = LogRecord>) -> Result<(), RegistryError> {
        let mut records = records.into_iter().peekable();
        if records.peek().is_some() {
            let mut state = (*self.state()).clone();
            for record in records {
                fold(&mut state, &record)?;
            }
            self.set_state(state);
        }
        Ok(())
    }
}

fn snapshot_path(sequence: u64) -> String {
    format!("{SNAPSHOT_PREFIX}{sequence:020}.json")
}

/// The number in a path such as `control/00000000000000000001.json`.
fn sequence_of(path: &str, prefix: &str) -> Option<u64> {
    let digits = path.strip_prefix(prefix)?.strip_suffix(".json")?;
    if digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}
