//! Whether a store is of the changelog that goes by its name now.
//!
//! A changelog that is made anew, by a reset for instance, says so in its first entries. A copy of the state before, on
//! another host or in an object store, is of a position that the new changelog may have as well, and would be gone on
//! with as if nothing had happened.

use std::time::Duration;

use millstream_log::{ErrorKind, Log, LogError, LogSession};
use millstream_state::{
    StateBackend, StateError, TaskState,
    encoding::{ChangelogId, changelog_id, format_key, format_value},
};
use millstream_types::{BytesColumn, TopicPartition};

use crate::{Failure, Host};

/// Changes at the beginning of a changelog among which its name is. It is in the first delta, after the entries of
/// the runtime.
const FIRST: usize = 100_000;

/// How long the beginning of a changelog is waited for.
const POLL: Duration = Duration::from_secs(5);

/// A name that no other changelog has: when it began, and where.
pub(crate) fn new_id(changelog: &TopicPartition, host: &Host) -> ChangelogId {
    let place = host.host_id.bytes().chain([0xff]).chain(changelog.topic.bytes());
    let moment = host.clock.monotonic().as_nanos().to_le_bytes();
    let bytes = place.chain(changelog.partition.to_le_bytes()).chain(moment);
    // 64-bit FNV-1a.
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    ChangelogId((u128::from(host.clock.now_ms() as u64) | u128::from(hash) << 64).to_le_bytes())
}

/// The entry that begins a changelog which has nothing else yet.
pub(crate) fn format_entry(changelog: &TopicPartition, host: &Host) -> ([u8; 8], Vec<u8>) {
    (format_key(), format_value(Some(new_id(changelog, host))))
}

/// The changelog that a store is of; `None`: it is empty, or an earlier version wrote it.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn of_store(store: &dyn StateBackend) -> Result<Option<ChangelogId>, StateError> {
    let key: BytesColumn = [Some(format_key())].into_iter().collect();
    Ok(store.get_many(&key)?.get(0).and_then(changelog_id))
}

/// Whether `state` is of another changelog than the one that is there now.
///
/// # Errors
/// When either cannot be read.
pub(crate) fn is_of_another(
    state: &mut TaskState,
    changelog: &TopicPartition,
    session: &mut dyn LogSession,
) -> Result<bool, Failure> {
    let Some(own) = state.changelog()? else { return Ok(false) };
    let mut search = Search::default();
    let read = session.restore(changelog, None, &mut |delta, _, _| match search.look(&delta.keys, &delta.values) {
        true => Err(LogError::new(ErrorKind::Fatal, "it is found")),
        false => Ok(()),
    });
    match read {
        Err(error) if !search.is_over && error.kind != ErrorKind::User => return Err(error.into()),
        // One whose beginning is gone is told by the restore itself.
        _ => {}
    }
    Ok(search.found.is_some_and(|found| found != own))
}

/// As [`is_of_another`], without a session; `first` and `end` are the bounds of the changelog.
///
/// # Errors
/// When the log cannot be read.
pub(crate) fn of_changelog(
    log: &dyn Log,
    changelog: &TopicPartition,
    (first, end): (i64, i64),
) -> Result<Option<ChangelogId>, LogError> {
    let mut search = Search::default();
    if first >= end {
        return Ok(None);
    }
    let mut reader = log.reader_at(&[(changelog.clone(), first)])?;
    while let Some(fetched) = reader.poll(POLL)? {
        if search.look(&fetched.batch.keys, &fetched.batch.values) || fetched.next_offset >= end {
            break;
        }
    }
    Ok(search.found)
}

/// Looks for the name at the beginning of a changelog.
#[derive(Default)]
struct Search {
    seen: usize,
    found: Option<ChangelogId>,
    is_over: bool,
}

impl Search {
    /// Whether it is over.
    fn look(&mut self, keys: &BytesColumn, values: &BytesColumn) -> bool {
        let key = format_key();
        let at = keys.iter().position(|found| found == Some(&key));
        self.found = at.and_then(|at| values.get(at)).and_then(changelog_id);
        self.seen += keys.len();
        self.is_over = at.is_some() || self.seen >= FIRST;
        self.is_over
    }
}
