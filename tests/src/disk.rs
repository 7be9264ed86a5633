//! A disk that can be full.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

/// A small file system of its own, unmounted when it goes out of scope.
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// None where one may not be mounted here.
    ///
    /// # Errors
    /// When there is no place to mount it at.
    pub fn mount(size: &str) -> Result<Option<Self>> {
        let directory = tempfile::tempdir()?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(directory.path())
            .output()
            .is_ok_and(|output| output.status.success());
        Ok(mounted.then_some(Self(directory)))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all space but about `left` bytes, with a file that may be deleted.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn fill(&self, left: u64) -> Result<PathBuf> {
        let path = self.path().join("filler");
        let mut file = File::create(&path)?;
        let block = [0_u8; 4096];
        let mut size = 0_u64;
        while file.write_all(&block).is_ok() {
            size += block.len() as u64;
        }
        file.set_len(size.saturating_sub(left))?;
        Ok(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // What is still mounted shows when the directory cannot be removed.
        let _ = Command::new("umount").arg(self.path()).status();
    }
}
