//! The files of the pipeline's sink, as somebody reads them who knows nothing of Millstream.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use millstream_tests::ObjectServer;

use crate::{
    entry::{self, Entry},
    pipeline::ARCHIVE,
};

/// Where the files are: `bucket/prefix`.
pub const PLACE: &str = "chaos/archive";

/// The files that there are.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    /// Their rows in the order of files. The number of the task stands for the partition, the number of the row for the
    /// offset.
    pub rows: Vec<Entry>,
    /// How many there are.
    pub files: u64,
    /// What no reader may ever see: a gap in the numbers, a file that changed or went.
    pub faults: Vec<String>,
}

/// Reads all files.
///
/// # Errors
/// When a file has a name or a row that is none of ours.
pub fn read(store: &ObjectServer) -> Result<Archive> {
    let mut archive = Archive::default();
    let mut next: BTreeMap<u32, (u64, i64)> = BTreeMap::new();
    for (path, bytes) in store.objects(PLACE) {
        let (task, number) = task_and_number(&path).with_context(|| format!("`{path}` is no file of the sink"))?;
        let (next_file, next_row) = next.entry(task).or_default();
        if number != *next_file {
            archive.faults.push(format!("{path}: file {next_file} of task {task} is not there"));
        }
        *next_file = number + 1;
        archive.files += 1;
        ensure!(bytes.ends_with(b"\n"), "`{path}` ends within a row");
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let row = entry::of_value(line, task, *next_row);
            archive.rows.push(row.with_context(|| format!("`{path}`: {}", String::from_utf8_lossy(line)))?);
            *next_row += 1;
        }
    }
    let disturbed = store.disturbed(PLACE).into_iter();
    archive.faults.extend(disturbed.map(|path| format!("{path}: changed or went after it had appeared")));
    Ok(archive)
}

/// 3 and 17 of `chaos/archive/archive-3-0000000017.jsonl`. Listings are in this order, since numbers have ten digits
/// and tasks one.
fn task_and_number(path: &str) -> Option<(u32, u64)> {
    let name = path.strip_prefix(PLACE)?.strip_prefix('/')?.strip_prefix(ARCHIVE)?.strip_prefix('-')?;
    let (task, number) = name.strip_suffix(".jsonl")?.split_once('-')?;
    Some((task.parse().ok()?, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(store: &ObjectServer, name: &str, ids: std::ops::Range<u64>) {
        let rows: String =
            ids.map(|id| format!("{{\"id\":{id},\"key\":\"k1\",\"group\":\"g1\",\"amount\":1}}\n")).collect();
        store.put(&format!("{PLACE}/{name}"), rows.as_bytes());
    }

    #[test]
    fn rows_come_in_the_order_of_files_and_gaps_and_changes_are_faults() {
        let store = ObjectServer::start().expect("a store");
        put(&store, "archive-0-0000000001.jsonl", 5..7);
        put(&store, "archive-0-0000000000.jsonl", 0..2);
        put(&store, "archive-1-0000000000.jsonl", 2..5);
        let archive = read(&store).expect("files");
        let rows: Vec<_> = archive.rows.iter().map(|row| (row.partition, row.offset, row.id)).collect();
        assert_eq!(rows, [(0, 0, 0), (0, 1, 1), (0, 2, 5), (0, 3, 6), (1, 0, 2), (1, 1, 3), (1, 2, 4)]);
        assert_eq!((archive.files, archive.faults.as_slice()), (3, [].as_slice()));

        put(&store, "archive-1-0000000002.jsonl", 7..8);
        put(&store, "archive-0-0000000000.jsonl", 0..3);
        let faults = read(&store).expect("files").faults;
        assert!(
            matches!(faults.as_slice(), [gap, change] if gap.contains("file 1 of task 1") && change.contains("0-0000000000")),
            "{faults:?}"
        );

        put(&store, "other.jsonl", 0..1);
        assert!(read(&store).is_err());
    }
}
