//! Files of expected records, which one environment variable makes anew.

use std::{fs, io, path::Path};

use crate::{
    Record,
    compare::{common, side_by_side},
};

/// With this set to `1`, what comes is written as what is expected.
pub const BLESS: &str = "MILLSTREAM_BLESS";

/// Whether the environment says that golden files are made anew.
pub fn is_blessing() -> bool {
    std::env::var_os(BLESS).is_some_and(|value| value == "1")
}

/// Compares records with those of a file, or writes the file with `bless`; what differs, or `None`.
///
/// # Errors
/// When the file cannot be read or written.
pub(crate) fn difference(path: &Path, found: &[Record], bless: bool) -> io::Result<Option<String>> {
    let found: Vec<String> = found.iter().map(Record::to_string).collect();
    if bless {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(path, found.iter().map(|line| format!("{line}\n")).collect::<String>())?;
        return Ok(None);
    }
    let text = fs::read_to_string(path)?;
    let expected: Vec<String> = text.lines().map(str::to_owned).collect();
    if expected == found {
        return Ok(None);
    }
    let pairs = common(expected.len(), found.len(), |at, of| expected.get(at) == found.get(of));
    Ok(Some(side_by_side(&expected, &found, &pairs)))
}
