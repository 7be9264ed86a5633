use std::{io::Write, sync::mpsc};

use millstream_pipeline::spec::{ColumnType, CsvOptions, TimeUnit};
use millstream_types::ManualClock;
use proptest::prelude::*;

use super::*;
use crate::{SourceRead, open_source};

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::new(42))
}

fn open(spec: &FileSource) -> Box<dyn Source> {
    let connector = millstream_pipeline::plan::SourceConnector::File(spec.clone());
    open_source(&connector, None, clock()).expect("opens")
}

fn source(path: &Path, format: FileFormat) -> FileSource {
    FileSource { format, ..FileSource::new(FileInput::Path(path.to_str().expect("UTF-8").into())) }
}

fn write(directory: &tempfile::TempDir, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, text).expect("writes");
    path
}

/// Values and places of everything that follows.
fn rest(reader: &mut dyn SplitReader, max_records: usize) -> Result<Vec<(String, String)>, ConnectorError> {
    let mut records = Vec::new();
    loop {
        match reader.read(max_records, 1 << 20)? {
            SourceRead::Batch(batch) => {
                assert!(!batch.is_empty() && batch.len() <= max_records);
                for index in 0..batch.len() {
                    let value = batch.values.get(index).expect("a value");
                    records.push((String::from_utf8(value.to_vec()).expect("UTF-8"), reader.locate(index)));
                }
            }
            SourceRead::Idle(_) => std::thread::yield_now(),
            SourceRead::Finished => return Ok(records),
        }
    }
}

fn all(spec: &FileSource) -> Result<Vec<(String, String)>, ConnectorError> {
    rest(&mut *open(spec).open(0, None)?, 1000)
}

fn error(spec: &FileSource) -> String {
    all(spec).expect_err("must fail").to_string()
}

#[test]
fn lines_come_as_they_are_and_empty_ones_do_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = write(&directory, "in.jsonl", "\u{feff}{\"a\":1}\r\n\n  \r\n{broken\n{\"a\":3}");
    let name = path.display();
    let expected = [("{\"a\":1}", 1), ("{broken", 4), ("{\"a\":3}", 5)];
    let expected = expected.map(|(value, line)| (value.to_owned(), format!("{name}:{line}")));
    assert_eq!(all(&source(&path, FileFormat::Jsonl)).expect("reads"), expected);
    assert_eq!(all(&source(&write(&directory, "empty", ""), FileFormat::Jsonl)).expect("reads"), []);
    assert_eq!(all(&source(&write(&directory, "mark", "\u{feff}"), FileFormat::Jsonl)).expect("reads"), []);
}

#[test]
fn keys_and_times_come_from_fields() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = write(&directory, "in.jsonl", "{\"u\":{\"id\":\"x\"},\"ts\":5}\n{\"u\":{\"id\":7}}\nnot JSON\n");
    let spec = FileSource { key: Some("/u/id".into()), ..source(&path, FileFormat::Jsonl) };
    let mut reader = open(&spec).open(0, None).expect("opens");
    let Ok(SourceRead::Batch(batch)) = reader.read(10, 1000) else { panic!("no batch") };
    assert_eq!(batch.keys.iter().collect::<Vec<_>>(), [Some(&b"x"[..]), Some(b"7"), None]);
    assert_eq!(batch.timestamps, [42; 3]);
    assert!(reader.failures().is_empty());

    let timestamp = TimestampSpec { field: "/ts".into(), unit: TimeUnit::S };
    let connector = millstream_pipeline::plan::SourceConnector::File(spec);
    let source = open_source(&connector, Some(&timestamp), clock()).expect("opens");
    let mut reader = source.open(0, None).expect("opens");
    let Ok(SourceRead::Batch(batch)) = reader.read(10, 1000) else { panic!("no batch") };
    assert_eq!(batch.timestamps, [5000, 42, 42]);
    assert_eq!(reader.failures().iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn csv_rows_become_objects() {
    let directory = tempfile::tempdir().expect("a directory");
    let text =
        "id,name,score,active\r\n1,\"a \"\"b\"\", c\",007,true\r\n\r\n\"2\",\"two\nlines\",,false\n3,é,-1.5e3,\n";
    let path = write(&directory, "in.csv", text);
    let types = vec![
        ("id".to_owned(), ColumnType::Number),
        ("score".to_owned(), ColumnType::Number),
        ("active".to_owned(), ColumnType::Boolean),
    ];
    let csv = CsvOptions { types, ..CsvOptions::default() };
    let found = all(&FileSource { csv, ..source(&path, FileFormat::Csv) }).expect("reads");
    let name = path.display();
    let expected = [
        (r#"{"id":1,"name":"a \"b\", c","score":7,"active":true}"#, 2),
        (r#"{"id":2,"name":"two\nlines","score":null,"active":false}"#, 4),
        (r#"{"id":3,"name":"é","score":-1.5e3,"active":null}"#, 6),
    ];
    assert_eq!(found, expected.map(|(value, line)| (value.to_owned(), format!("{name}:{line}"))));
}

#[test]
fn csv_columns_and_delimiter_can_be_given() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = write(&directory, "in.tsv", "1\t2\n");
    let csv = CsvOptions { delimiter: '\t', columns: Some(vec!["a".into(), "b".into()]), types: Vec::new() };
    let found = all(&FileSource { csv, ..source(&path, FileFormat::Csv) }).expect("reads");
    assert_eq!(found[0].0, r#"{"a":"1","b":"2"}"#);
}

#[test]
fn broken_csv_is_named_by_file_and_line() {
    let directory = tempfile::tempdir().expect("a directory");
    for (text, line, reason) in [
        ("a,b\n1,2\n3\n", 3, "the row has 1 values where there are 2 columns"),
        ("a,b\n1,2\n\"3,4\n5,6\n", 3, "never closed"),
        ("a,b\n1,x\"y\n", 2, "a quote in the middle"),
        ("a,b\n\"1\"x,2\n", 2, "between a closing quote"),
        ("a,a\n", 1, "two columns are called `a`"),
        ("n,b\nten,2\n", 2, "`ten` in column `n` is not a number"),
        ("n,b\nNaN,2\n", 2, "`NaN` in column `n` is not a number"),
    ] {
        let path = write(&directory, "in.csv", text);
        let types = if text.starts_with('n') { vec![("n".to_owned(), ColumnType::Number)] } else { Vec::new() };
        let csv = CsvOptions { types, ..CsvOptions::default() };
        let message = error(&FileSource { csv, ..source(&path, FileFormat::Csv) });
        assert!(message.starts_with(&format!("{}:{line}: ", path.display())), "{message}");
        assert!(message.contains(reason), "{message}");
    }
    let path = write(&directory, "latin.csv", b"a\n\xe9\n");
    assert!(error(&source(&path, FileFormat::Csv)).contains("latin.csv:2: "));
}

#[test]
fn records_before_a_broken_one_come_first() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = write(&directory, "in.csv", "a\n1\n2\n3,4\n");
    let mut reader = open(&source(&path, FileFormat::Csv)).open(0, None).expect("opens");
    assert!(matches!(reader.read(10, 1000), Ok(SourceRead::Batch(batch)) if batch.len() == 2));
    let position = reader.position();
    for _ in 0..2 {
        assert!(reader.read(10, 1000).is_err());
        assert_eq!(reader.position(), position);
    }
}

#[test]
fn a_record_without_end_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    for (format, start) in [(FileFormat::Jsonl, "{}\n"), (FileFormat::Csv, "a\n\"")] {
        let mut text = start.as_bytes().to_vec();
        text.resize(blocks::MAX_RECORD_BYTES + (1 << 20), b'x');
        let path = write(&directory, "long", text);
        let message = error(&source(&path, format));
        assert!(message.ends_with("long:2: the record is longer than 16 MiB"), "{message}");
    }
}

#[test]
fn a_long_record_passes_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let long = format!("\"{}\"", "x".repeat(3 << 20));
    let path = write(&directory, "in.jsonl", format!("1\n{long}\n2\n"));
    let mut reader = open(&source(&path, FileFormat::Jsonl)).open(0, None).expect("opens");
    let mut sizes = Vec::new();
    while let Ok(SourceRead::Batch(batch)) = reader.read(100, 1000) {
        sizes.push((batch.len(), batch.values.data().len()));
    }
    assert_eq!(sizes, [(2, 1 + long.len()), (1, 1)]);
}

#[test]
fn files_of_a_pattern_are_splits_in_order() {
    let directory = tempfile::tempdir().expect("a directory");
    for name in ["b.jsonl", "a.jsonl", "c.txt"] {
        write(&directory, name, format!("\"{name}\"\n"));
    }
    std::fs::create_dir(directory.path().join("d.jsonl")).expect("creates");
    let pattern = format!("{}/*.jsonl", directory.path().display());
    let spec = FileSource::new(FileInput::Glob(pattern.clone()));
    let source = open(&spec);
    assert_eq!(source.splits(), 2);
    for (split, expected) in [(0, "\"a.jsonl\""), (1, "\"b.jsonl\"")] {
        assert_eq!(rest(&mut *source.open(split, None).expect("opens"), 10).expect("reads")[0].0, expected);
    }
    // A new file shifts the splits: the old positions belong to other files.
    let position = source.open(1, None).expect("opens").position();
    write(&directory, "aa.jsonl", "1\n");
    let message = open(&spec).open(1, Some(&position)).map(drop).expect_err("must be refused").to_string();
    assert!(message.contains("b.jsonl`, but this split is") && message.contains("aa.jsonl`"), "{message}");

    let connector = |pattern: &str| {
        millstream_pipeline::plan::SourceConnector::File(FileSource::new(FileInput::Glob(pattern.into())))
    };
    let refused =
        |pattern: &str| open_source(&connector(pattern), None, clock()).map(drop).expect_err("refused").to_string();
    assert!(refused(&format!("{pattern}.gz")).contains("no file matches"));
    assert!(refused("a***").contains("not a pattern"));
}

#[test]
fn what_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("missing.jsonl");
    assert!(error(&source(&path, FileFormat::Jsonl)).starts_with(&format!("cannot read `{}`: ", path.display())));
    assert!(error(&source(directory.path(), FileFormat::Jsonl)).contains("is a directory"));
    let key = FileSource { key: Some("id".into()), ..source(&path, FileFormat::Jsonl) };
    let connector = millstream_pipeline::plan::SourceConnector::File(key);
    assert!(open_source(&connector, None, clock()).is_err_and(|error| error.message.starts_with("key: ")));
}

#[test]
fn changed_files_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = write(&directory, "in.jsonl", "1\n22\n333");
    let spec = source(&path, FileFormat::Jsonl);
    let source = open(&spec);
    let mut reader = source.open(0, None).expect("opens");
    rest(&mut *reader, 10).expect("reads");
    let position = reader.position();
    let reopened = |text: &str| {
        write(&directory, "in.jsonl", text);
        source.open(0, Some(&position)).map(|mut reader| rest(&mut *reader, 10).expect("reads").len())
    };
    assert_eq!(reopened("1\n22\n333").expect("is the same"), 0);
    assert!(reopened("1\n22\n").expect_err("shorter").message.contains("has 5 bytes, but was read up to byte 8"));
    assert!(reopened("1\n22\n3334\n5\n").expect_err("went on within a line").message.contains("was changed"));
    assert!(source.open(0, Some(b"{}")).is_err());
    assert!(source.open(1, None).is_err());
}

#[test]
fn standard_input_is_read_without_waiting_and_goes_on_where_a_reader_left() {
    struct Pipe(mpsc::Receiver<&'static [u8]>);
    impl Read for Pipe {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            match self.0.recv() {
                Ok(mut bytes) => bytes.read(buffer),
                Err(_) => Ok(0),
            }
        }
    }
    let (sender, receiver) = mpsc::channel::<&'static [u8]>();
    let spec = FileSource { format: FileFormat::Csv, ..FileSource::new(FileInput::Stdin(true)) };
    let feed = StdinFeed::over(Pipe(receiver));
    let source = FileSplits::over(Input::Stdin(feed), &spec, None, clock()).expect("opens");
    assert_eq!(source.splits(), 1);
    let mut reader = source.open(0, None).expect("opens");
    assert!(matches!(reader.read(10, 1000), Ok(SourceRead::Idle(_))));
    sender.send(b"a,b\n1,2\n3,4\n5").expect("sends");
    let mut values = Vec::new();
    while values.is_empty() {
        if let Ok(SourceRead::Batch(batch)) = reader.read(1, 1000) {
            values.push(batch.values.get(0).expect("a value").to_vec());
        }
    }
    let position = reader.position();
    drop(reader);
    sender.send(b",6\n").expect("sends");
    drop(sender);
    let mut reader = source.open(0, Some(&position)).expect("opens");
    let later = rest(&mut *reader, 10).expect("reads");
    let expected = [(r#"{"a":"3","b":"4"}"#, 3), (r#"{"a":"5","b":"6"}"#, 4)];
    assert_eq!(later, expected.map(|(value, line)| (value.to_owned(), format!("<stdin>:{line}"))));
    assert_eq!(values, [br#"{"a":"1","b":"2"}"#]);
}

/// Reads in batches of random sizes, and opens the source again at the position after each.
fn read_resuming(source: &dyn Source, sizes: &[usize]) -> Vec<(String, String)> {
    let mut records = Vec::new();
    let mut position: Option<Vec<u8>> = None;
    for &size in sizes.iter().cycle() {
        let mut reader = source.open(0, position.as_deref()).expect("opens");
        match reader.read(size, 1 << 20).expect("reads") {
            SourceRead::Batch(batch) => {
                for index in 0..batch.len() {
                    let value = batch.values.get(index).expect("a value").to_vec();
                    records.push((String::from_utf8(value).expect("UTF-8"), reader.locate(index)));
                }
            }
            SourceRead::Idle(_) => {}
            SourceRead::Finished => break,
        }
        position = Some(reader.position());
    }
    records
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lines_resume_anywhere(
        lines in prop::collection::vec("[a-z\\\\\" ]{0,12}", 0..40),
        ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r\n"]), 40),
        ends_with_break in any::<bool>(),
        sizes in prop::collection::vec(1_usize..7, 1..5),
    ) {
        let directory = tempfile::tempdir().expect("a directory");
        let mut text: String = lines.iter().zip(&ends).map(|(line, end)| format!("{line}{end}")).collect();
        if !ends_with_break {
            text.truncate(text.trim_end_matches(['\r', '\n']).len());
        }
        let spec = source(&write(&directory, "in.jsonl", &text), FileFormat::Jsonl);
        let whole = all(&spec).expect("reads");
        let expected: Vec<&str> = lines.iter().map(String::as_str).filter(|line| !line.trim().is_empty()).collect();
        prop_assert_eq!(whole.iter().map(|(value, _)| value.as_str()).collect::<Vec<_>>(), expected);
        prop_assert_eq!(read_resuming(&*open(&spec), &sizes), whole);
    }

    #[test]
    fn csv_is_read_as_it_was_written_and_resumes_anywhere(
        rows in prop::collection::vec(prop::collection::vec("[a-c,\"\r\n é]{0,6}", 3), 0..30),
        crlf in any::<bool>(),
        quote_all in any::<bool>(),
        sizes in prop::collection::vec(1_usize..7, 1..5),
    ) {
        let mut writer = ::csv::WriterBuilder::new();
        writer.terminator(if crlf { ::csv::Terminator::CRLF } else { ::csv::Terminator::Any(b'\n') });
        if quote_all {
            writer.quote_style(::csv::QuoteStyle::Always);
        }
        let mut writer = writer.from_writer(Vec::new());
        writer.write_record(["x", "y", "z"]).expect("writes");
        for row in &rows {
            writer.write_record(row).expect("writes");
        }
        let text = writer.into_inner().expect("flushes");
        let directory = tempfile::tempdir().expect("a directory");
        let spec = source(&write(&directory, "in.csv", text), FileFormat::Csv);
        let whole = all(&spec).expect("reads");
        let found: Vec<Vec<String>> = whole
            .iter()
            .map(|(value, _)| {
                let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(value).expect("JSON");
                object.values().map(|value| value.as_str().expect("a string").to_owned()).collect()
            })
            .collect();
        prop_assert_eq!(found, rows);
        prop_assert_eq!(read_resuming(&*open(&spec), &sizes), whole);
    }
}

#[test]
fn blocks_may_cut_anything() {
    // Longer than a block, so that rows, quotes and line ends fall on its edges.
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("in.csv");
    let mut file = std::io::BufWriter::new(File::create(&path).expect("creates"));
    write!(file, "n,t\r\n").expect("writes");
    for index in 0..60_000 {
        write!(file, "{index},\"q\"\"{}\n\"\r\n", "é".repeat(index % 7)).expect("writes");
    }
    file.flush().expect("flushes");
    drop(file);
    let found = all(&source(&path, FileFormat::Csv)).expect("reads");
    assert_eq!(found.len(), 60_000);
    for (index, (value, place)) in found.iter().enumerate() {
        assert_eq!(*value, format!("{{\"n\":\"{index}\",\"t\":\"q\\\"{}\\n\"}}", "é".repeat(index % 7)));
        assert!(place.ends_with(&format!(":{}", 2 + 2 * index)), "{place}");
    }
}
