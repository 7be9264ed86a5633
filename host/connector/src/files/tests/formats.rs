//! What the formats make of records, read back by other code than wrote it.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::{Field, Row},
};

use super::*;

/// The bytes before compression.
fn plain(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    if name.ends_with(".gz") {
        MultiGzDecoder::new(bytes).read_to_end(&mut plain).expect("gzip");
    } else if name.ends_with(".zst") {
        plain = vec![0; 16 << 20];
        let length = zstd_safe::decompress(plain.as_mut_slice(), bytes).expect("zstd");
        plain.truncate(length);
    } else {
        plain.extend_from_slice(bytes);
    }
    plain
}

fn rows(bytes: &[u8]) -> Vec<Row> {
    let reader = SerializedFileReader::new(bytes::Bytes::copy_from_slice(bytes)).expect("Parquet");
    reader.get_row_iter(None).expect("rows").map(|row| row.expect("a row")).collect()
}

fn number_of(json: &[u8]) -> u64 {
    serde_json::from_slice::<serde_json::Value>(json).expect("JSON")["n"].as_u64().expect("a number")
}

/// The numbers `n` of the records in a file, which has columns `n` or `value` if it has any.
pub fn numbers(name: &str, bytes: &[u8]) -> Vec<u64> {
    if name.ends_with(".parquet") {
        return rows(bytes).iter().map(number_of_row).collect();
    }
    let plain = plain(name, bytes);
    if name.contains(".csv") {
        let mut reader = csv::Reader::from_reader(plain.as_slice());
        return reader.records().map(|row| row.expect("a row")[0].parse().expect("a number")).collect();
    }
    plain.split_inclusive(|byte| *byte == b'\n').map(number_of).collect()
}

fn number_of_row(row: &Row) -> u64 {
    match row.get_column_iter().find(|(name, _)| matches!(name.as_str(), "n" | "value")).expect("a column").1 {
        Field::Bytes(json) => number_of(json.data()),
        Field::Long(number) => *number as u64,
        other => panic!("{other:?}"),
    }
}

fn written(spec: FilesSink, batch: &RecordBatch) -> (String, Vec<u8>) {
    let mut world = World::new(spec);
    let mut writer = world.open().expect("opens");
    writer.write(batch).expect("writes");
    world.write(&mut *writer, [], CommitKind::Final);
    let mut files = world.store.files().into_iter();
    files.next().expect("a file")
}

fn columns() -> Vec<(String, Column)> {
    let column = |name: &str, field: &str, data_type| {
        (name.to_owned(), Column { field: field.into(), data_type, unit: TimeUnit::S })
    };
    vec![
        column("a, \"text\"", "/text", Some(DataType::String)),
        column("n", "/n", Some(DataType::Long)),
        column("share", "/share", Some(DataType::Double)),
        column("ok", "/ok", Some(DataType::Boolean)),
        column("at", "/at", Some(DataType::Timestamp)),
        column("raw", "/raw", Some(DataType::Bytes)),
        column("event", "timestamp()", Some(DataType::Timestamp)),
        column("task", "partition()", Some(DataType::Long)),
        column("key", "key()", Some(DataType::String)),
    ]
}

fn records_of_all_kinds() -> RecordBatch {
    let mut batch = RecordBatch::default();
    let values: [Option<&[u8]>; 4] = [
        Some(br#"{"text":"say \"hi\",\n you","n":-5,"share":0.25,"ok":true,"at":1700000000.5,"raw":"/wA="}"#),
        Some(br#"{"text":"","n":null,"share":3,"ok":false}"#),
        Some(b"{}"),
        None,
    ];
    for (index, value) in values.into_iter().enumerate() {
        let key = (index < 2).then_some("é ".as_bytes());
        batch.push(RecordRef { key, value, timestamp_ms: index as i64 });
    }
    batch
}

#[test]
fn csv_has_a_header_and_quotes_what_needs_it() {
    let spec = FilesSink { columns: columns(), ..spec(FilesFormat::Csv, RollSpec::default()) };
    let (name, bytes) = written(spec, &records_of_all_kinds());
    assert_eq!(name, super::name(0, "csv"));
    let expected = "\
\"a, \"\"text\"\"\",n,share,ok,at,raw,event,task,key
\"say \"\"hi\"\",
 you\",-5,0.25,true,2023-11-14T22:13:20.5Z,/wA=,1970-01-01T00:00:00Z,3,\"é \"
\"\",,3,false,,,1970-01-01T00:00:00.001Z,3,\"é \"
,,,,,,1970-01-01T00:00:00.002Z,3,
,,,,,,1970-01-01T00:00:00.003Z,3,
";
    assert_eq!(String::from_utf8(bytes).expect("UTF-8"), expected);
    let read: Vec<_> =
        csv::Reader::from_reader(expected.as_bytes()).into_records().map(|row| row.expect("a row")).collect();
    assert_eq!((&read[0][0], &read[0][8], read.len()), ("say \"hi\",\n you", "é ", 4));
}

#[test]
fn a_csv_file_of_one_column_has_no_empty_lines() {
    let column = Column { field: "/text".into(), data_type: None, unit: TimeUnit::Ms };
    let spec = FilesSink { columns: vec![("text".into(), column)], ..spec(FilesFormat::Csv, RollSpec::default()) };
    let (_, bytes) = written(spec, &records_of_all_kinds());
    assert_eq!(csv::Reader::from_reader(bytes.as_slice()).into_records().count(), 4);
}

#[test]
fn parquet_has_the_declared_columns() {
    for compression in [Compression::None, Compression::Snappy, Compression::Gzip] {
        let spec = FilesSink {
            columns: columns(),
            compression: Some(compression),
            ..spec(FilesFormat::Parquet, RollSpec::default())
        };
        let (name, bytes) = written(spec, &records_of_all_kinds());
        assert_eq!(name, super::name(0, "parquet"));
        let text: Vec<String> = rows(&bytes).iter().map(ToString::to_string).collect();
        let expected = [
            "{a, \"text\": \"say \"hi\",\n you\", n: -5, share: 0.25, ok: true, at: 2023-11-14 22:13:20.500 +00:00, \
             raw: [255, 0], event: 1970-01-01 00:00:00.000 +00:00, task: 3, key: \"é \"}",
            "{a, \"text\": \"\", n: null, share: 3.0, ok: false, at: null, raw: null, \
             event: 1970-01-01 00:00:00.001 +00:00, task: 3, key: \"é \"}",
            "{a, \"text\": null, n: null, share: null, ok: null, at: null, raw: null, \
             event: 1970-01-01 00:00:00.002 +00:00, task: 3, key: null}",
            "{a, \"text\": null, n: null, share: null, ok: null, at: null, raw: null, \
             event: 1970-01-01 00:00:00.003 +00:00, task: 3, key: null}",
        ];
        assert_eq!(text, expected);
    }
}

#[test]
fn parquet_without_columns_has_whole_records() {
    let mut batch = batch([7]);
    batch.push(RecordRef { key: None, value: None, timestamp_ms: 2 });
    let (_, bytes) = written(spec(FilesFormat::Parquet, RollSpec::default()), &batch);
    let text: Vec<String> = rows(&bytes).iter().map(ToString::to_string).collect();
    let json: Vec<String> = br#"{"n":7,"text":""}"#.iter().map(ToString::to_string).collect();
    let expected = [
        format!(
            "{{key: [107, 49], value: [{}], timestamp: 1970-01-01 00:00:01.007 +00:00, partition: 3}}",
            json.join(", ")
        ),
        "{key: null, value: null, timestamp: 1970-01-01 00:00:00.002 +00:00, partition: 3}".into(),
    ];
    assert_eq!(text, expected);
}

#[test]
fn parquet_files_have_row_groups_of_bounded_size() {
    let value = format!("{{\"n\":1,\"text\":\"{}\"}}", "y".repeat(1 << 20));
    let mut large = RecordBatch::default();
    for _ in 0..40 {
        large.push(RecordRef { value: Some(value.as_bytes()), ..RecordRef::default() });
    }
    let (_, bytes) = written(spec(FilesFormat::Parquet, RollSpec::default()), &large);
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes.clone())).expect("Parquet");
    assert_eq!(reader.metadata().num_row_groups(), 3);
    assert_eq!(rows(&bytes).len(), 40);
    assert_eq!(reader.metadata().file_metadata().created_by(), Some("millstream"));
}

#[test]
fn lines_are_compressed() {
    for (compression, extension) in
        [(Compression::None, "jsonl"), (Compression::Gzip, "jsonl.gz"), (Compression::Zstd, "jsonl.zst")]
    {
        let line = LineFormat::Record;
        let spec = FilesSink { line, compression: Some(compression), ..spec(FilesFormat::Jsonl, RollSpec::default()) };
        let (name, bytes) = written(spec, &batch([1, 2]));
        assert_eq!(name, super::name(0, extension));
        let expected = "{\"key\":\"k1\",\"value\":{\"n\":1,\"text\":\"x\"},\"timestamp\":1001,\"headers\":{}}\n\
                        {\"key\":\"k2\",\"value\":{\"n\":2,\"text\":\"xx\"},\"timestamp\":1002,\"headers\":{}}\n";
        assert_eq!(String::from_utf8(plain(&name, &bytes)).expect("UTF-8"), expected);
    }
}
