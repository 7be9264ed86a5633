//! The names of objects.

use std::fmt;

use millstream_state::snapshot::SnapshotError;
use millstream_types::{Digest, PipelineName};

const ROOT: &str = "snapshots";
const FLOOR: &str = "floor-";
const MANIFEST_SUFFIX: &str = ".json";
const SAVEPOINT_SUFFIX: &str = ".json";
const MAX_NAME_CHARS: usize = 128;

/// Where the objects of one pipeline are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PipelinePath(String);

impl PipelinePath {
    /// The directory with one for each pipeline.
    pub const ALL: &str = ROOT;

    pub fn parse(pipeline: &str) -> Result<Self, SnapshotError> {
        let name: PipelineName =
            pipeline.parse().map_err(|error: millstream_types::IdError| SnapshotError::Misuse(error.to_string()))?;
        Ok(Self(name.to_string()))
    }

    pub fn tasks(&self) -> String {
        format!("{ROOT}/{}/tasks", self.0)
    }

    pub fn stage(&self, stage: &str) -> String {
        format!("{}/{stage}", self.tasks())
    }

    pub fn savepoints(&self) -> String {
        format!("{ROOT}/{}/savepoints", self.0)
    }

    pub fn savepoint(&self, name: &str) -> String {
        format!("{}/{name}{SAVEPOINT_SUFFIX}", self.savepoints())
    }

    /// What makes the savepoint complete that `writer` wrote.
    pub fn seal(&self, writer: &str) -> String {
        format!("{ROOT}/{}/verified/{writer}", self.0)
    }

    /// The name of the savepoint that lies at `path`.
    pub fn savepoint_name<'a>(&self, path: &'a str) -> Option<&'a str> {
        path.strip_prefix(&self.savepoints())?.strip_prefix('/')?.strip_suffix(SAVEPOINT_SUFFIX)
    }
}

impl fmt::Display for PipelinePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where the objects of one task are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TaskPath {
    pub pipeline: PipelinePath,
    pub stage: String,
    pub partition: u32,
}

impl TaskPath {
    /// Reads a path such as `fraud/velocity/3`.
    pub fn parse(task: &str) -> Result<Self, SnapshotError> {
        let refused = || SnapshotError::Misuse(format!("`{task}` is not a task: expected PIPELINE/STAGE/PARTITION"));
        let mut parts = task.split('/');
        let (Some(pipeline), Some(stage), Some(partition), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(refused());
        };
        let number: u32 = partition.parse().map_err(|_| refused())?;
        if !is_segment(stage) || number.to_string() != partition {
            return Err(refused());
        }
        let pipeline = PipelinePath::parse(pipeline).map_err(|_| refused())?;
        Ok(Self { pipeline, stage: stage.to_owned(), partition: number })
    }

    fn root(&self) -> String {
        format!("{}/{}", self.pipeline.stage(&self.stage), self.partition)
    }

    pub fn manifests(&self) -> String {
        format!("{}/manifests", self.root())
    }

    pub fn manifest(&self, number: u64) -> String {
        format!("{}/{number:020}{MANIFEST_SUFFIX}", self.manifests())
    }

    /// Says that no manifest up to `number` counts. Sorts after all manifests and by its number.
    pub fn floor(&self, number: u64) -> String {
        format!("{}/{FLOOR}{number:020}", self.manifests())
    }

    pub fn files(&self) -> String {
        format!("{}/files", self.root())
    }

    pub fn file(&self, origin: u64, digest: Digest) -> String {
        format!("{}/{origin:020}-{}", self.files(), hex(digest))
    }

    /// What lies at `path` among the manifests.
    pub fn numbered(&self, path: &str) -> Option<Numbered> {
        let name = path.strip_prefix(&self.manifests())?.strip_prefix('/')?;
        match name.strip_prefix(FLOOR) {
            Some(floor) => number(floor).map(Numbered::Floor),
            None => name.strip_suffix(MANIFEST_SUFFIX).and_then(number).map(Numbered::Manifest),
        }
    }

    /// The snapshot that the file at `path` was first part of, and its digest.
    pub fn file_at(&self, path: &str) -> Option<(u64, Digest)> {
        let name = path.strip_prefix(&self.files())?.strip_prefix('/')?;
        let (origin, digest) = name.split_once('-')?;
        Some((number(origin)?, format!("sha256:{digest}").parse().ok()?))
    }
}

impl fmt::Display for TaskPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.pipeline, self.stage, self.partition)
    }
}

/// An object among a task's manifests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbered {
    Manifest(u64),
    Floor(u64),
}

/// Refuses what is not the name of a savepoint.
pub(super) fn check_savepoint_name(name: &str) -> Result<(), SnapshotError> {
    if is_segment(name) {
        return Ok(());
    }
    Err(SnapshotError::Misuse(format!(
        "`{name}` is not a name for a savepoint: 1 to {MAX_NAME_CHARS} of A-Z, a-z, 0-9, `.`, `-` and `_`, not \
         beginning with a dot"
    )))
}

/// Whether it can be a part of a path on every store.
fn is_segment(text: &str) -> bool {
    (1..=MAX_NAME_CHARS).contains(&text.len())
        && !text.starts_with('.')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

/// Whether it is the name of a file directly in a directory.
pub(super) fn is_file_name(text: &str) -> bool {
    let mut parts = std::path::Path::new(text).components();
    matches!((parts.next(), parts.next()), (Some(std::path::Component::Normal(name)), None) if name == text)
}

fn number(digits: &str) -> Option<u64> {
    if digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

fn hex(digest: Digest) -> String {
    let text = digest.to_string();
    text.strip_prefix("sha256:").unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_these_names_and_are_found_by_them() {
        let task = TaskPath::parse("fraud/velocity/3").expect("a task");
        assert_eq!(task.to_string(), "fraud/velocity/3");
        let manifest = task.manifest(7);
        assert_eq!(manifest, "snapshots/fraud/tasks/velocity/3/manifests/00000000000000000007.json");
        assert_eq!(task.numbered(&manifest), Some(Numbered::Manifest(7)));
        let floor = task.floor(6);
        assert_eq!(floor, "snapshots/fraud/tasks/velocity/3/manifests/floor-00000000000000000006");
        assert_eq!(task.numbered(&floor), Some(Numbered::Floor(6)));
        assert!(floor > manifest);
        let digest = Digest([0xab; 32]);
        let file = task.file(7, digest);
        let expected = format!("snapshots/fraud/tasks/velocity/3/files/00000000000000000007-{}", "ab".repeat(32));
        assert_eq!(file, expected);
        assert_eq!(task.file_at(&file), Some((7, digest)));
        assert_eq!(task.pipeline.savepoint("a.b"), "snapshots/fraud/savepoints/a.b.json");
        assert_eq!(task.pipeline.seal("0123-4"), "snapshots/fraud/verified/0123-4");
        assert_eq!(task.pipeline.savepoint_name("snapshots/fraud/savepoints/a.b.json"), Some("a.b"));
        for other in ["snapshots/fraud/tasks/velocity/3/manifests/x.json", "elsewhere", &file] {
            assert_eq!(task.numbered(other), None, "{other}");
        }
    }

    #[test]
    fn names_that_could_lead_elsewhere_are_refused() {
        for task in ["", "fraud", "fraud/velocity", "fraud/velocity/03", "fraud/../3", "a/b/3/4", "fraud//3", "F/b/1"] {
            assert!(matches!(TaskPath::parse(task), Err(SnapshotError::Misuse(_))), "{task}");
        }
        for name in ["", "..", "a/b", ".hidden", "ä"] {
            assert!(matches!(check_savepoint_name(name), Err(SnapshotError::Misuse(_))), "{name}");
        }
        for (name, allowed) in [("000012.sst", true), ("..", false), ("a/b", false), ("/etc", false), ("", false)] {
            assert_eq!(is_file_name(name), allowed, "{name}");
        }
    }
}
