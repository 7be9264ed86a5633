//! Files under commits, crashes and failing stores.

mod formats;
mod model;
mod recovery;
mod store;

use std::{collections::BTreeMap, io::Write as _, time::Duration};

use millstream_pipeline::spec::{
    Column, Compression, DataType, FilesFormat, FilesPlace, FilesSink, LineFormat, RollSpec, TimeUnit,
};
use millstream_types::{ManualClock, RecordBatch, RecordRef};

use super::*;
use crate::{CommitKind, LocalFiles, SinkChange};
use store::{Fault, TestStore};

/// A sink over a store in memory, and what is committed of it.
struct World {
    spec: FilesSink,
    store: TestStore,
    clock: Arc<ManualClock>,
    host: Arc<dyn SinkHost>,
    committed: SinkState,
}

fn spec(format: FilesFormat, roll: RollSpec) -> FilesSink {
    FilesSink {
        place: FilesPlace::Url("test://bucket".into()),
        format,
        line: LineFormat::Value,
        columns: Vec::new(),
        compression: None,
        roll,
    }
}

/// Files of so many records.
fn records(records: u64) -> RollSpec {
    RollSpec { records: Some(records), ..RollSpec::default() }
}

fn batch(values: impl IntoIterator<Item = u64>) -> RecordBatch {
    let mut batch = RecordBatch::default();
    for value in values {
        let json = format!("{{\"n\":{value},\"text\":\"{}\"}}", "x".repeat(value as usize % 7));
        let key = format!("k{}", value % 3);
        let timestamp_ms = 1000 + value as i64;
        batch.push(RecordRef { key: Some(key.as_bytes()), value: Some(json.as_bytes()), timestamp_ms });
    }
    batch
}

impl World {
    fn new(spec: FilesSink) -> Self {
        Self {
            spec,
            store: TestStore::default(),
            clock: Arc::new(ManualClock::new(1_000_000)),
            host: Arc::new(LocalFiles::new(std::env::temp_dir())),
            committed: SinkState::new(),
        }
    }

    fn open(&self) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        self.open_with(false, Duration::ZERO)
    }

    fn open_with(&self, threads: bool, patience: Duration) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        let files = Files {
            sink: "out".into(),
            layout: Layout::new(&self.spec),
            roll: self.spec.roll,
            store: Arc::new(self.store.clone()),
            host: self.host.clone(),
            clock: self.clock.clone(),
            threads,
            patience,
        };
        RolledFiles(Arc::new(files)).open(3, self.committed.clone())
    }

    /// The log commits.
    fn commit(&mut self, changes: Vec<SinkChange>) {
        for (key, value) in changes {
            match value {
                Some(value) => drop(self.committed.insert(key, value)),
                None => assert!(self.committed.remove(&key).is_some(), "{key:?} is removed and was not there"),
            }
        }
    }

    /// Writes and commits.
    fn write(&mut self, writer: &mut dyn SinkWriter, values: impl IntoIterator<Item = u64>, kind: CommitKind) {
        writer.write(&batch(values)).expect("writes");
        let changes = writer.prepare(kind).expect("prepares");
        self.commit(changes);
        writer.finish().expect("finishes");
    }

    /// How many chunks of rows the state has.
    fn chunks(&self) -> usize {
        self.committed.keys().filter(|key| key.starts_with(b"rows/")).count()
    }

    /// The numbers in what readers see, by file.
    fn seen(&self) -> BTreeMap<String, Vec<u64>> {
        let files = self.store.files();
        files.iter().map(|(name, bytes)| (name.clone(), formats::numbers(name, bytes))).collect()
    }
}

fn name(number: u64, extension: &str) -> String {
    format!("out-3-{number:010}.{extension}")
}

#[test]
fn a_file_appears_when_it_is_complete_and_committed() {
    let mut world = World::new(spec(FilesFormat::Jsonl, records(3)));
    let mut writer = world.open().expect("opens");
    world.write(&mut *writer, 0..2, CommitKind::Periodic);
    assert!(world.seen().is_empty());
    writer.write(&batch(2..7)).expect("writes");
    let changes = writer.prepare(CommitKind::Periodic).expect("prepares");
    assert!(world.seen().is_empty(), "not committed");
    world.commit(changes);
    writer.finish().expect("finishes");
    let expected = BTreeMap::from([(name(0, "jsonl"), vec![0, 1, 2]), (name(1, "jsonl"), vec![3, 4, 5])]);
    assert_eq!(world.seen(), expected);
    assert!(writer.wants_commit(CommitKind::Periodic), "the rows of both are still kept");
    assert_eq!(world.chunks(), 4);
    world.write(&mut *writer, [], CommitKind::Periodic);
    assert_eq!((world.chunks(), writer.wants_commit(CommitKind::Periodic)), (1, false));
    assert!(writer.wants_commit(CommitKind::Final));
    world.write(&mut *writer, [], CommitKind::Final);
    assert_eq!(world.seen()[&name(2, "jsonl")], [6]);
    assert!(!writer.wants_commit(CommitKind::Final) || world.chunks() == 1);
    assert_eq!(world.store.files()[&name(2, "jsonl")], b"{\"n\":6,\"text\":\"xxxxxx\"}\n");
}

#[test]
fn a_writer_that_has_nothing_to_do_changes_nothing() {
    let mut world = World::new(spec(FilesFormat::Parquet, RollSpec::default()));
    let mut writer = world.open().expect("opens");
    for kind in [CommitKind::Periodic, CommitKind::Final] {
        assert!(!writer.wants_commit(kind));
        assert_eq!(writer.prepare(kind).expect("prepares"), []);
        writer.finish().expect("finishes");
    }
    world.write(&mut *writer, 0..1, CommitKind::Periodic);
    assert!(!writer.wants_commit(CommitKind::Periodic));
    assert_eq!(writer.prepare(CommitKind::Periodic).expect("prepares"), []);
}

#[test]
fn files_roll_by_age_across_restarts() {
    let roll = RollSpec { age: Duration::from_secs(60), ..RollSpec::default() };
    let mut world = World::new(spec(FilesFormat::Jsonl, roll));
    let mut writer = world.open().expect("opens");
    world.write(&mut *writer, 0..2, CommitKind::Periodic);
    world.clock.advance(40_000);
    world.write(&mut *writer, 2..3, CommitKind::Periodic);
    assert!(!writer.wants_commit(CommitKind::Periodic));
    let mut writer = world.open().expect("opens again");
    world.clock.advance(19_999);
    assert!(!writer.wants_commit(CommitKind::Periodic));
    world.clock.advance(1);
    assert!(writer.wants_commit(CommitKind::Periodic), "a minute after its first record");
    world.write(&mut *writer, [], CommitKind::Periodic);
    assert_eq!(world.seen(), BTreeMap::from([(name(0, "jsonl"), vec![0, 1, 2])]));
    world.clock.advance(1_000_000);
    world.write(&mut *writer, [], CommitKind::Periodic);
    assert!(!writer.wants_commit(CommitKind::Periodic), "no rows, no age");
}

#[test]
fn files_roll_by_size() {
    for (format, compression, extension) in [
        (FilesFormat::Jsonl, Compression::None, "jsonl"),
        (FilesFormat::Jsonl, Compression::Gzip, "jsonl.gz"),
        (FilesFormat::Parquet, Compression::Snappy, "parquet"),
    ] {
        let roll = RollSpec { size: 40_000, ..RollSpec::default() };
        let mut world = World::new(FilesSink { compression: Some(compression), ..spec(format, roll) });
        let mut writer = world.open().expect("opens");
        for round in 0..60 {
            world.write(&mut *writer, round * 1000..(round + 1) * 1000, CommitKind::Periodic);
        }
        world.write(&mut *writer, [], CommitKind::Final);
        let files = world.store.files();
        let (last, full) = files.iter().next_back().zip(Some(files.len() - 1)).expect("files");
        assert!(full >= 3 && last.0.ends_with(extension), "{format:?} {files:?}");
        for (name, bytes) in files.iter().take(full) {
            // What is in the buffers of a compressor is not counted yet, and what is not encoded is by its size.
            assert!((3_000..=60_000).contains(&bytes.len()), "{name} has {} bytes", bytes.len());
        }
        assert_eq!(world.seen().into_values().flatten().collect::<Vec<_>>(), (0..60_000).collect::<Vec<_>>());
    }
}

#[test]
fn a_record_that_does_not_fit_is_told() {
    let column = Column { field: "/n".into(), data_type: Some(DataType::Boolean), unit: TimeUnit::Ms };
    for format in [FilesFormat::Csv, FilesFormat::Parquet] {
        let columns = vec![("flag".into(), column.clone())];
        let world = World::new(FilesSink { columns, ..spec(format, RollSpec::default()) });
        let mut writer = world.open().expect("opens");
        let mut batch = batch([]);
        batch.push(RecordRef { value: Some(b"{\"n\":true}"), ..RecordRef::default() });
        batch.push(RecordRef { value: Some(b"{\"n\":\"yes\"}"), ..RecordRef::default() });
        let error = writer.write(&batch).expect_err("is no boolean");
        assert_eq!(error.message, "column `flag` takes true or false from /n, and found \"yes\"");
        assert_eq!((error.record, error.retriable), (Some(1), false));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_loses_nothing() {
    struct Full;
    impl SinkHost for Full {
        fn scratch(&self) -> std::io::Result<std::fs::File> {
            std::fs::OpenOptions::new().write(true).open("/dev/full")
        }

        fn store(&self, url: &str) -> Result<Arc<dyn FileStore>, ConnectorError> {
            Err(ConnectorError::new(url))
        }
    }
    if Full.scratch().and_then(|mut file| file.write(b"x")).is_ok() {
        return;
    }
    for format in [FilesFormat::Jsonl, FilesFormat::Parquet] {
        let mut world = World::new(spec(format, RollSpec::default()));
        let sound = std::mem::replace(&mut world.host, Arc::new(Full));
        let mut writer = world.open().expect("opens");
        world.write(&mut *writer, 0..3, CommitKind::Periodic);
        let error = writer.prepare(CommitKind::Final).expect_err("the disk is full");
        assert!(error.retriable && error.message.starts_with("cannot write a scratch file: "), "{error}");
        world.host = sound;
        let mut writer = world.open().expect("opens");
        world.write(&mut *writer, [], CommitKind::Final);
        assert_eq!(world.seen().into_values().collect::<Vec<_>>(), [[0, 1, 2]]);
    }
}

#[test]
fn threads_put_files_into_a_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("out");
    let place = FilesPlace::Directory(out.to_str().expect("UTF-8").into());
    let spec = FilesSink { place, ..spec(FilesFormat::Jsonl, records(2)) };
    let host: Arc<dyn SinkHost> = Arc::new(LocalFiles::new(directory.path().join("scratch")));
    let sink = RolledFiles::new("out", &spec, Arc::new(ManualClock::new(0)), &host).expect("a sink");
    let mut world = World::new(spec);
    let mut writer = sink.open(3, SinkState::new()).expect("opens");
    for round in 0..10 {
        world.write(&mut *writer, round * 3..round * 3 + 3, CommitKind::Periodic);
    }
    world.write(&mut *writer, [], CommitKind::Final);
    let mut names: Vec<_> = std::fs::read_dir(&out).expect("reads").map(|entry| entry.expect("reads").path()).collect();
    names.sort();
    assert_eq!(names.len(), 15);
    let numbers = names.iter().flat_map(|path| {
        let name = path.file_name().expect("a name").to_string_lossy();
        formats::numbers(&name, &std::fs::read(path).expect("reads"))
    });
    assert_eq!(numbers.collect::<Vec<_>>(), (0..30).collect::<Vec<_>>());
    let mut writer = sink.open(3, world.committed.clone()).expect("opens again");
    assert!(writer.wants_commit(CommitKind::Periodic), "the last files can be forgotten");
    world.write(&mut *writer, [], CommitKind::Final);
    assert_eq!(world.chunks(), 0);
    assert_eq!(std::fs::read_dir(directory.path().join("scratch")).expect("reads").count(), 0);
}

#[test]
fn a_url_needs_a_host_with_object_stores() {
    let host: Arc<dyn SinkHost> = Arc::new(LocalFiles::new(std::env::temp_dir()));
    let place = FilesPlace::Url("s3://bucket/out?aws_secret_access_key=x".into());
    let spec = FilesSink { place, ..spec(FilesFormat::Jsonl, records(2)) };
    let error = RolledFiles::new("out", &spec, Arc::new(ManualClock::new(0)), &host).map(drop).expect_err("no stores");
    assert_eq!(error.message, "`s3://bucket/out`: this host uses no object stores; give a `directory`");
}
