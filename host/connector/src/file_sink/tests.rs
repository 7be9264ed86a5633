use millstream_types::RecordRef;
use proptest::prelude::*;

use super::*;

fn sink(path: &Path) -> LineFile {
    let path = path.to_str().expect("UTF-8").to_owned();
    LineFile::new(&FileSink { path, format: LineFormat::Value }).expect("a sink")
}

fn batch(values: impl IntoIterator<Item = u64>) -> RecordBatch {
    let mut batch = RecordBatch::default();
    for value in values {
        batch.push(RecordRef { value: Some(value.to_string().as_bytes()), ..RecordRef::default() });
    }
    batch
}

fn open(sink: &LineFile, task: u32, committed: Option<&[u8]>) -> Result<Box<dyn SinkWriter>, ConnectorError> {
    sink.open(task, committed.into_iter().map(|record| (Vec::new(), record.to_vec())).collect())
}

/// Prepares and gives the record to commit.
fn prepare(writer: &mut dyn SinkWriter) -> Vec<u8> {
    let changes = writer.prepare(CommitKind::Periodic).expect("prepares");
    let [(key, Some(record))] = changes.as_slice() else { panic!("{changes:?}") };
    assert!(key.is_empty());
    record.clone()
}

fn commit(writer: &mut dyn SinkWriter, values: impl IntoIterator<Item = u64>) -> Vec<u8> {
    writer.write(&batch(values)).expect("writes");
    let committed = prepare(writer);
    writer.finish().expect("finishes");
    committed
}

fn refusal(sink: &LineFile, task: u32, committed: Option<&[u8]>) -> String {
    open(sink, task, committed).map(drop).expect_err("must be refused").to_string()
}

#[test]
fn lines_appear_with_the_first_commit() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("sub/out.jsonl");
    let mut writer = open(&sink(&path), 0, None).expect("opens");
    writer.write(&batch([1, 2])).expect("writes");
    let committed = prepare(&mut *writer);
    assert!(!path.exists());
    writer.finish().expect("finishes");
    writer.finish().expect("finishes again");
    assert_eq!(fs::read_to_string(&path).expect("reads"), "1\n2\n");
    assert_eq!(prepare(&mut *writer), committed, "nothing was added");
    let text = format!("{{\"file\":\"{}\",\"length\":4}}", path.display());
    assert_eq!(String::from_utf8_lossy(&committed), text);
    assert!(!part_of(&path).exists());
}

#[test]
fn what_was_not_committed_is_cut_off() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("out.jsonl");
    let sink = sink(&path);
    let mut writer = open(&sink, 0, None).expect("opens");
    let committed = commit(&mut *writer, [1, 2]);
    writer.write(&batch([3])).expect("writes");
    prepare(&mut *writer);
    drop(writer);
    assert_eq!(fs::read_to_string(&path).expect("reads"), "1\n2\n3\n");
    let mut writer = open(&sink, 0, Some(&committed)).expect("opens");
    assert_eq!(fs::read_to_string(&path).expect("reads"), "1\n2\n");
    commit(&mut *writer, [4]);
    assert_eq!(fs::read_to_string(&path).expect("reads"), "1\n2\n4\n");
}

#[test]
fn a_crash_before_the_first_commit_begins_anew() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("out.jsonl");
    let sink = sink(&path);
    let mut writer = open(&sink, 0, None).expect("opens");
    writer.write(&batch([1])).expect("writes");
    prepare(&mut *writer);
    drop(writer);
    let mut writer = open(&sink, 0, None).expect("opens again");
    commit(&mut *writer, [2]);
    assert_eq!(fs::read_to_string(&path).expect("reads"), "2\n");
}

#[test]
fn a_crash_after_the_first_commit_keeps_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("out.jsonl");
    let sink = sink(&path);
    let mut writer = open(&sink, 0, None).expect("opens");
    writer.write(&batch([1])).expect("writes");
    let committed = prepare(&mut *writer);
    writer.write(&batch([2])).expect("writes");
    prepare(&mut *writer);
    drop(writer);
    let mut writer = open(&sink, 0, Some(&committed)).expect("opens");
    assert_eq!(fs::read_to_string(&path).expect("reads"), "1\n");
    commit(&mut *writer, [3]);
    assert_eq!(fs::read_to_string(&path).expect("reads"), "1\n3\n");
}

#[test]
fn files_of_others_and_changed_ones_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("out.jsonl");
    let sink = sink(&path);
    fs::write(&path, "theirs\n").expect("writes");
    assert!(refusal(&sink, 0, None).contains("has not committed anything to it"));
    assert_eq!(fs::read_to_string(&path).expect("reads"), "theirs\n");
    fs::remove_file(&path).expect("removes");
    let mut writer = open(&sink, 0, None).expect("opens");
    let committed = commit(&mut *writer, [1, 2, 3]);
    drop(writer);
    fs::write(&path, "1\n").expect("writes");
    assert!(refusal(&sink, 0, Some(&committed)).contains("has 2 bytes, but 6 bytes were committed"));
    fs::remove_file(&path).expect("removes");
    assert!(refusal(&sink, 0, Some(&committed)).contains("is missing, but 6 bytes were committed"));
    assert!(refusal(&sink, 0, Some(b"[")).contains("cannot be read"));
    assert!(refusal(&sink, 1, None).contains("{partition}"));
    fs::create_dir(&path).expect("creates");
    assert!(refusal(&sink, 0, None).contains("is a directory"));
    let below_a_file = directory.path().join("file");
    fs::write(&below_a_file, "x").expect("writes");
    let inside = below_a_file.join("out.jsonl");
    assert!(refusal(&super::tests::sink(&inside), 0, None).contains(&below_a_file.display().to_string()));
    assert!(LineFile::new(&FileSink { path: "out/".into(), format: LineFormat::Value }).is_err());
}

#[test]
fn another_file_name_begins_another_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut writer = open(&sink(&directory.path().join("a")), 0, None).expect("opens");
    let committed = commit(&mut *writer, [1]);
    let mut writer = open(&sink(&directory.path().join("b")), 0, Some(&committed)).expect("opens");
    commit(&mut *writer, [2]);
    assert_eq!(fs::read_to_string(directory.path().join("a")).expect("reads"), "1\n");
    assert_eq!(fs::read_to_string(directory.path().join("b")).expect("reads"), "2\n");
}

#[test]
fn each_task_has_its_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let sink = sink(&directory.path().join("{partition}/out-{partition}.jsonl"));
    for task in 0..2 {
        let mut writer = open(&sink, task, None).expect("opens");
        commit(&mut *writer, [u64::from(task)]);
    }
    assert_eq!(fs::read_to_string(directory.path().join("1/out-1.jsonl")).expect("reads"), "1\n");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_may_pass() {
    let full = Path::new("/dev/full");
    if let Ok(file) = OpenOptions::new().write(true).open(full) {
        let mut writer = LineWriter {
            path: full.into(),
            name: "full".into(),
            format: LineFormat::Value,
            file,
            part: None,
            length: 0,
            buffer: Vec::new(),
            is_synced: false,
        };
        writer.write(&batch([1])).expect("is kept");
        let error = writer.prepare(CommitKind::Periodic).expect_err("the disk is full");
        assert!(error.retriable && error.message.starts_with("cannot write to `/dev/full`: "), "{error}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Committed and shown.
    Finish,
    /// Committed; a crash before it is shown.
    CrashAfterCommit,
    /// Prepared; a crash or an abort before the commit.
    CrashBeforeCommit,
    /// A crash before it is prepared.
    CrashBeforePrepare,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_committed_line_is_there_once(
        steps in prop::collection::vec(
            (0_u64..5, prop::sample::select(vec![
                Fate::Finish, Fate::Finish, Fate::CrashAfterCommit, Fate::CrashBeforeCommit, Fate::CrashBeforePrepare,
            ])),
            1..20,
        ),
    ) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("out.jsonl");
        let sink = sink(&path);
        let mut committed: Option<Vec<u8>> = None;
        let mut expected = String::new();
        let mut next = 0;
        let mut writer = open(&sink, 0, None).expect("opens");
        for (count, fate) in steps {
            writer.write(&batch(next..next + count)).expect("writes");
            if !matches!(fate, Fate::CrashBeforePrepare) {
                let prepared = prepare(&mut *writer);
                if !matches!(fate, Fate::CrashBeforeCommit) {
                    committed = Some(prepared);
                    (next..next + count).for_each(|value| expected.push_str(&format!("{value}\n")));
                    next += count;
                }
            }
            if matches!(fate, Fate::Finish) {
                writer.finish().expect("finishes");
            } else {
                drop(writer);
                writer = open(&sink, 0, committed.as_deref()).expect("opens again");
            }
        }
        drop(writer);
        drop(open(&sink, 0, committed.as_deref()).expect("opens at the end"));
        prop_assert_eq!(fs::read_to_string(&path).unwrap_or_default(), expected);
    }
}
