//! Files in a tar archive (POSIX ustar).

use std::io::Read;

use tar::{Archive, Builder, EntryType, Header};

use crate::{MAX_FILES, ScriptError, SourceFile};

/// The bytes of an archive begin with a header of this length.
const HEADER_BYTES: usize = 512;

/// Whether bytes begin as an archive does: `ustar` stands in the first header.
pub(crate) fn is_archive(bytes: &[u8]) -> bool {
    bytes.len() >= HEADER_BYTES && bytes.get(257..262) == Some(b"ustar")
}

/// Packs files as they come. The bytes depend on nothing else: no times, no owners, mode 644.
pub(crate) fn write<'a>(files: impl Iterator<Item = &'a SourceFile>) -> Result<Vec<u8>, ScriptError> {
    let mut builder = Builder::new(Vec::new());
    for file in files {
        let mut header = Header::new_ustar();
        header.set_path(&file.path).map_err(|_| ScriptError::PathTooLong(file.path.clone()))?;
        header.set_size(file.content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        builder.append(&header, &*file.content).map_err(broken)?;
    }
    builder.into_inner().map_err(broken)
}

/// Unpacks an archive. Directories are left out; anything else than a file is refused.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<SourceFile>, ScriptError> {
    if !is_archive(bytes) {
        return Err(ScriptError::NotAnArchive("it does not begin as one".into()));
    }
    let mut files = Vec::new();
    for entry in Archive::new(bytes).entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {}
            EntryType::Directory | EntryType::XGlobalHeader => continue,
            _ => return Err(ScriptError::Entry { path, problem: "no ordinary file" }),
        }
        if files.len() > MAX_FILES {
            return Err(ScriptError::Files(files.len()));
        }
        // What an entry says of its size is a stranger's word; there is no more than the archive holds.
        let mut content = Vec::with_capacity((entry.size() as usize).min(bytes.len()));
        entry.read_to_end(&mut content).map_err(broken)?;
        if content.len() as u64 != entry.size() {
            return Err(ScriptError::NotAnArchive(format!("`{path}` is cut off")));
        }
        let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
        files.push(SourceFile { path, content });
    }
    Ok(files)
}

fn broken(error: std::io::Error) -> ScriptError {
    ScriptError::NotAnArchive(error.to_string())
}
