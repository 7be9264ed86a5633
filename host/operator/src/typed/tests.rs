use millstream_types::{BytesColumn, FieldType, TypedColumn};
use proptest::prelude::*;

use super::{FieldReader, FieldWriter, READ, WRITTEN, WriteError, refusals};
use crate::FieldDeclaration;

fn field(path: &str, kind: FieldType) -> FieldDeclaration {
    FieldDeclaration { path: path.into(), kind, optional: false }
}

fn optional(path: &str, kind: FieldType) -> FieldDeclaration {
    FieldDeclaration { optional: true, ..field(path, kind) }
}

fn all() -> Vec<FieldDeclaration> {
    vec![
        field("/user", FieldType::Utf8),
        field("/amount", FieldType::Float64),
        optional("/next/n", FieldType::Int64),
        optional("/next/flag", FieldType::Boolean),
        optional("/extra", FieldType::Bytes),
    ]
}

fn values(values: &[Option<&str>]) -> BytesColumn {
    values.iter().copied().collect()
}

fn texts(column: &BytesColumn) -> Vec<&str> {
    column.iter().map(|value| std::str::from_utf8(value.expect("a value")).expect("UTF-8")).collect()
}

#[test]
fn fields_become_columns_and_columns_values_again() {
    let records = [
        r#"{"user":"ada","amount":1.5,"next":{"n":-7,"flag":true},"extra":[1, {"a":null}]}"#,
        r#"{"user":"b\"ö\u00e9","amount":2.0}"#,
        r#"{"user":"","amount":-3.0,"next":{"n":9223372036854775807}}"#,
    ];
    let read = FieldReader::new(&all()).expect("paths").read(&values(&records.map(Some)));
    assert_eq!(read.failures, []);
    assert_eq!(read.kept(3), None);
    assert!(matches!(&read.columns[1], TypedColumn::Float64(values, None) if *values == [1.5, 2.0, -3.0]));
    let written = FieldWriter::new(&all()).expect("paths").write(&read.columns, 3).expect("values");
    assert_eq!(texts(&written), [records[0], r#"{"user":"b\"öé","amount":2.0}"#, records[2]]);
}

#[test]
fn a_record_without_what_is_wanted_fails_with_the_field() {
    let records = values(&[
        Some(r#"{"user":"a","amount":1}"#),
        Some(r#"{"user":"a"}"#),
        None,
        Some(r#"{"user":7,"amount":1}"#),
        Some(r#"{"user":null,"amount":1}"#),
        Some(r#"{"user":"a","amount":"1"}"#),
        Some(r#"{"user":"a","amount":1,"next":{"n":1.5}}"#),
        Some(r#"{"user":"a","amount":1,"next":{"n":9223372036854775808}}"#),
        Some(r#"{"user":"a","amount":1,"next":{"flag":0}}"#),
        Some("nope"),
        Some(r#"{"user":"z","amount":2}"#),
    ]);
    let read = FieldReader::new(&all()).expect("paths").read(&records);
    let reasons: Vec<_> = read.failures.iter().map(|failure| (failure.record, &*failure.reason)).collect();
    assert_eq!(
        reasons,
        [
            (1, "/amount is missing"),
            (2, "/user is missing: the record is a tombstone and has no value"),
            (3, "/user: `7` where a string is declared"),
            (4, "/user is null"),
            (5, "/amount: `\"1\"` where a number is declared"),
            (6, "/next/n: `1.5` where an integer of 64 bits is declared"),
            (7, "/next/n: `9223372036854775808` where an integer of 64 bits is declared"),
            (8, "/next/flag: `0` where true or false is declared"),
            (9, "the value is not JSON: expected a value at byte 0"),
        ]
    );
    assert_eq!(read.kept(11), Some(vec![0, 10]));
    assert!(read.columns.iter().all(|column| column.len() == 2));
    assert!(matches!(&read.columns[0], TypedColumn::Utf8(column) if texts(column) == ["a", "z"]));
}

#[test]
fn text_that_is_not_utf8_fails_its_record_alone() {
    let records: BytesColumn = [&b"{\"user\":\"\xff\"}"[..], b"{\"user\":\"ok\"}"].into_iter().map(Some).collect();
    let read = FieldReader::new(&[field("/user", FieldType::Utf8)]).expect("paths").read(&records);
    assert_eq!(read.failures.len(), 1);
    assert_eq!(read.failures[0].record, 0);
    assert!(matches!(&read.columns[0], TypedColumn::Utf8(column) if texts(column) == ["ok"]));
}

#[test]
fn what_json_cannot_hold_is_refused() {
    let mut writer = FieldWriter::new(&[field("/a", FieldType::Float64)]).expect("paths");
    let nan = TypedColumn::Float64(vec![0.5, f64::NAN], None);
    let error = writer.write(&[nan], 2).expect_err("must be refused");
    assert_eq!(error.to_string(), "NaN as `/a` of record 1 of its output, which JSON has no form of");
    let mut null = TypedColumn::Float64(vec![0.5], None);
    null.push_null();
    assert_eq!(writer.write(&[null], 2), Err(WriteError::Null { path: "/a".into(), record: 1 }));
    let other = TypedColumn::Int64(vec![1, 2], None);
    let error = writer.write(&[other], 2).expect_err("must be refused");
    assert_eq!(error.to_string(), "for `/a` a column of 2 int64 where 2 float64 is declared");
    assert_eq!(writer.write(&[], 0), Err(WriteError::Columns { declared: 1, found: 0 }));

    let mut writer = FieldWriter::new(&[field("/a", FieldType::Bytes)]).expect("paths");
    let broken = TypedColumn::Bytes([Some("{}"), Some("{")].into_iter().collect());
    let error = writer.write(&[broken], 2).expect_err("must be refused");
    assert!(error.to_string().starts_with("what is not JSON as `/a` of record 1 of its output: EOF"), "{error}");
}

#[test]
fn declarations_that_contradict_are_told() {
    let fields = [field("/a", FieldType::Utf8), field("/a/b", FieldType::Utf8), field("/a", FieldType::Int64)];
    assert_eq!(refusals(READ, &fields), ["the field `/a` is read twice"]);
    assert_eq!(
        refusals(WRITTEN, &fields),
        ["the fields `/a` and `/a/b` are written, of which one is within the other", "the field `/a` is written twice"]
    );
    let [reason] = &refusals(READ, &[field("a", FieldType::Utf8)])[..] else { panic!("one reason") };
    assert!(reason.starts_with("a field that is read: `a` is not a field path"), "{reason}");
}

proptest! {
    #[test]
    fn any_columns_are_the_same_after_writing_and_reading(
        rows in prop::collection::vec((any::<String>(), any::<f64>(), any::<Option<i64>>(), any::<Option<bool>>()), 0..20)
    ) {
        let rows: Vec<_> = rows.into_iter().filter(|(_, amount, ..)| amount.is_finite()).collect();
        let mut columns: Vec<_> =
            all().iter().map(|field| TypedColumn::with_capacity(field.kind, rows.len())).collect();
        for (user, amount, n, flag) in &rows {
            let json = |value: &dyn std::fmt::Debug| format!("[{value:?}]");
            for column in &mut columns {
                match column {
                    TypedColumn::Utf8(column) => column.push(Some(user.as_bytes())),
                    TypedColumn::Float64(values, _) => values.push(*amount),
                    TypedColumn::Int64(values, validity) => match n {
                        Some(n) => {
                            values.push(*n);
                            if let Some(validity) = validity { validity.push(true) }
                        }
                        None => column.push_null(),
                    },
                    TypedColumn::Boolean(values, validity) => match flag {
                        Some(flag) => {
                            values.push(*flag);
                            if let Some(validity) = validity { validity.push(true) }
                        }
                        None => column.push_null(),
                    },
                    TypedColumn::Bytes(column) => column.push(n.map(|n| json(&n).into_bytes()).as_deref()),
                }
            }
        }
        let written = FieldWriter::new(&all()).unwrap().write(&columns, rows.len()).unwrap();
        let read = FieldReader::new(&all()).unwrap().read(&written);
        prop_assert_eq!(read.failures, []);
        prop_assert_eq!(read.columns, columns);
    }
}
