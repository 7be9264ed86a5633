//! Putting a database in the place of another.
//!
//! Both steps are renames, so that a crash leaves the old one, none, or the new one:
//!
//! ```text
//!   velocity/3  ->  velocity/.3.replaced      the old one is out of the way
//!   copy        ->  velocity/3                the new one is there
//!                   velocity/.3.replaced      is deleted, now or when the task is opened
//! ```

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rocksdb::{DB, Options};

use crate::database::{DatabaseError, quiet};

/// Names the newest of a database's manifests; every database has it.
const CURRENT: &str = "CURRENT";

/// Puts the database in `from` in the place of the one in `path`.
pub(crate) fn replace(path: &Path, from: &Path) -> Result<(), DatabaseError> {
    if !from.join(CURRENT).is_file() {
        let reason = format!("it has no file {CURRENT}, which every database has");
        return Err(DatabaseError::Corrupt { path: from.to_owned(), reason });
    }
    remove_replaced(path)?;
    let old = replaced(path);
    let parent = path.parent().unwrap_or(path);
    let failed = |error: &io::Error| DatabaseError::from_io(path, error);
    fs::create_dir_all(parent).map_err(|error| failed(&error))?;
    let existed = path.exists();
    if existed {
        check_free(path)?;
        fs::rename(path, &old).map_err(|error| failed(&error))?;
    }
    if let Err(error) = fs::rename(from, path) {
        if existed {
            // If that fails, too, the task has no database, which is allowed.
            let _ = fs::rename(&old, path);
        }
        return Err(failed(&error));
    }
    sync_directory(parent).map_err(|error| failed(&error))?;
    remove_replaced(path)
}

/// Deletes a database that was replaced, where a crash came in between.
pub(crate) fn remove_replaced(path: &Path) -> Result<(), DatabaseError> {
    let old = replaced(path);
    match fs::remove_dir_all(&old) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(DatabaseError::from_io(&old, &error)),
        _ => Ok(()),
    }
}

/// Refuses a database that another process has open. Only opening it tells.
fn check_free(path: &Path) -> Result<(), DatabaseError> {
    let mut options = Options::default();
    options.create_if_missing(false);
    options.set_disable_auto_compactions(true);
    quiet(&mut options);
    match DB::open(&options, path).map_err(|error| DatabaseError::from_rocksdb(path, &error)) {
        Err(error @ DatabaseError::InUse { .. }) => Err(error),
        // One that is damaged is replaced all the more.
        _ => Ok(()),
    }
}

fn replaced(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".replaced");
    path.with_file_name(name)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    // Only Unix lets a directory be opened and synced.
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}
