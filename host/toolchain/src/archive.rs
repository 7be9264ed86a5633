//! Source programs as one file: a tar archive that is the same bytes for the same files.

use crate::Error;

/// The size of everything in a tar archive.
const BLOCK: usize = 512;

/// Packs files, (path, content) each, into a POSIX (ustar) archive: ordered by path, without times and owners, mode
/// 644. Paths are relative, with `/` between the parts.
///
/// # Errors
/// When a path does not fit the format: more than 100 bytes, or a name of more than 100 behind 155.
pub fn archive(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>, Error> {
    let mut files: Vec<&(String, Vec<u8>)> = files.iter().collect();
    files.sort();
    let mut bytes = Vec::new();
    for (path, content) in files {
        bytes.extend(header(path, content.len())?);
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    }
    bytes.resize(bytes.len() + 2 * BLOCK, 0);
    Ok(bytes)
}

fn header(path: &str, size: usize) -> Result<Vec<u8>, Error> {
    let (prefix, name) = split(path)
        .ok_or_else(|| Error::project(format!("the path of a source file is too long: {path}")).hint("shorten it"))?;
    let fields = |checksum: &str| {
        let mut header = Vec::with_capacity(BLOCK);
        let mut put = |text: &str, width: usize| {
            header.extend_from_slice(text.as_bytes());
            header.resize(header.len() + width - text.len(), 0);
        };
        put(name, 100);
        put("0000644", 8);
        put("0000000", 8);
        put("0000000", 8);
        put(&format!("{size:011o}"), 12);
        put("00000000000", 12);
        put(checksum, 8);
        put("0", 1);
        put("", 100);
        put("ustar", 6);
        put("00", 2);
        put("", 32 + 32 + 8 + 8);
        put(prefix, 155);
        put("", 12);
        header
    };
    let sum: u32 = fields("        ").iter().map(|byte| u32::from(*byte)).sum();
    Ok(fields(&format!("{sum:06o}\0 ")))
}

/// Prefix and name of a path, 155 and 100 bytes at most.
fn split(path: &str) -> Option<(&str, &str)> {
    if path.len() <= 100 {
        return Some(("", path));
    }
    path.match_indices('/')
        .map(|(at, _)| (&path[..at], &path[at + 1..]))
        .find(|(prefix, name)| prefix.len() <= 155 && name.len() <= 100)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn tar_reads_it_and_the_order_does_not_matter() {
        let long = format!("{}/{}.py", "d".repeat(120), "f".repeat(90));
        let files =
            [("main.py".to_owned(), b"x = 1\n".to_vec()), ("a/b.py".into(), vec![7; 600]), (long.clone(), vec![])];
        let bytes = archive(&files).unwrap();
        let mut turned = files.clone();
        turned.reverse();
        assert_eq!(archive(&turned).unwrap(), bytes);

        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a.tar"), &bytes).unwrap();
        let status = Command::new("tar").args(["-xf", "a.tar"]).current_dir(directory.path()).status().unwrap();
        assert!(status.success());
        for (path, content) in &files {
            assert_eq!(std::fs::read(directory.path().join(path)).unwrap(), *content, "{path}");
        }
        assert!(archive(&[("p".repeat(101), vec![])]).is_err());
    }
}
