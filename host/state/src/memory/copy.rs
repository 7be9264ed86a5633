//! A store in memory as a file: what a checkpoint of it is.
//!
//! ```text
//!   magic, position i64, entries u64, then for each entry: length u64, key, length u64, value
//! ```
//!
//! Integers are little-endian. Whoever keeps the file checks its bytes; the reader here only refuses what
//! cannot be read.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
};

use crate::StateError;

const FILE: &str = "memory.state";
const MAGIC: &[u8] = b"millstream memory state 1\n";

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

pub(super) fn write(entries: &Entries, position: i64, directory: &Path) -> Result<(), StateError> {
    let write = || {
        if let Some(parent) = directory.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::create_dir(directory)?;
        let mut file = BufWriter::new(File::create_new(directory.join(FILE))?);
        file.write_all(MAGIC)?;
        file.write_all(&position.to_le_bytes())?;
        file.write_all(&(entries.len() as u64).to_le_bytes())?;
        for bytes in entries.iter().flat_map(|(key, value)| [key, value]) {
            file.write_all(&(bytes.len() as u64).to_le_bytes())?;
            file.write_all(bytes)?;
        }
        file.into_inner()?.sync_all()
    };
    write().map_err(|error| failed(directory, &error))
}

pub(super) fn read(directory: &Path) -> Result<(Entries, i64), StateError> {
    let path = directory.join(FILE);
    let bytes = fs::read(&path).map_err(|error| failed(&path, &error))?;
    let damaged = || StateError::Corrupt(format!("{} is not a copy of a store in memory", path.display()));
    let mut rest = bytes.strip_prefix(MAGIC).ok_or_else(damaged)?;
    let position = take_i64(&mut rest).ok_or_else(damaged)?;
    let count = take_i64(&mut rest).ok_or_else(damaged)?;
    let mut entries = Entries::new();
    for _ in 0..count {
        let key = take_bytes(&mut rest).ok_or_else(damaged)?;
        let value = take_bytes(&mut rest).ok_or_else(damaged)?;
        entries.insert(key.to_vec(), value.to_vec());
    }
    if rest.is_empty() { Ok((entries, position)) } else { Err(damaged()) }
}

/// Deletes a copy that was used up.
pub(super) fn remove(directory: &Path) -> Result<(), StateError> {
    fs::remove_dir_all(directory).map_err(|error| failed(directory, &error))
}

fn take_i64(rest: &mut &[u8]) -> Option<i64> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(i64::from_le_bytes(*bytes))
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_i64(rest)?).ok()?;
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(bytes)
}

fn failed(path: &Path, error: &io::Error) -> StateError {
    StateError::Store(format!("{}: {error}", path.display()))
}
