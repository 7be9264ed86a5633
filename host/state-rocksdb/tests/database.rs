//! The database through its public interface.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use millstream_state_rocksdb::database::{Database, DatabaseConfig, DatabaseError, WriteBatch};

fn small() -> DatabaseConfig {
    DatabaseConfig { block_cache_bytes: 1 << 20, write_buffer_bytes: 1 << 20, ..DatabaseConfig::default() }
}

fn filled(path: &std::path::Path) -> Database {
    let database = Database::open(path, small()).expect("a new database");
    let mut batch = WriteBatch::new();
    for key in ["a", "b", "c", "d", "e"] {
        batch.put(key.as_bytes(), key.to_uppercase().as_bytes());
    }
    assert_eq!(batch.len(), 5);
    database.write(batch, true).expect("a write");
    database
}

fn keys(cursor: impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), DatabaseError>>) -> String {
    cursor.map(|entry| String::from_utf8(entry.expect("an entry").0).expect("text")).collect()
}

#[test]
fn writes_are_found_after_opening_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("nested/log");
    let database = filled(&path);
    database.put(b"f", b"F").expect("a put");
    database.delete(b"a").expect("a delete");
    let mut batch = WriteBatch::with_capacity(64);
    batch.delete_range(b"b", b"d");
    database.write(batch, false).expect("a write");
    database.sync().expect("a sync");
    drop(database);

    let database = Database::open(&path, small()).expect("the database again");
    assert_eq!(keys(database.iter_from(b"", None)), "def");
    assert_eq!(database.get(b"f").expect("a read"), Some(b"F".to_vec()));
    assert_eq!(database.get(b"b").expect("a read"), None);
    database.compact_range(None, None);
    assert!(database.size_bytes() > 0);
}

#[test]
fn iteration_keeps_to_its_bounds_in_both_directions() {
    let directory = tempfile::tempdir().expect("a directory");
    let database = filled(directory.path());
    assert_eq!(keys(database.iter_from(b"b", Some(b"d"))), "bc");
    assert_eq!(keys(database.iter_from(b"bb", None)), "cde");
    assert_eq!(keys(database.reverse_iter_from(b"d", Some(b"b"))), "dcb");
    assert_eq!(keys(database.reverse_iter_from(b"cc", None)), "cba");
    assert_eq!(keys(database.reverse_iter_from(b"", None)), "");

    let mut cursor = database.iter_from(b"e", None);
    database.put(b"f", b"F").expect("a put");
    assert_eq!(cursor.next_entry().expect("an entry"), Some((&b"e"[..], &b"E"[..])));
    assert_eq!(cursor.next_entry().expect("the end"), None, "a cursor does not see later writes");
    assert_eq!(cursor.next_entry().expect("the end"), None);
}

#[test]
fn a_directory_that_is_in_use_is_refused_and_free_afterwards() {
    let directory = tempfile::tempdir().expect("a directory");
    let database = filled(directory.path());
    let refused = Database::open(directory.path(), small()).err();
    assert_eq!(refused, Some(DatabaseError::InUse { path: directory.path().to_owned() }));
    drop(database);
    Database::open(directory.path(), small()).expect("a free directory");
}

#[test]
fn a_damaged_database_is_told_apart() {
    let directory = tempfile::tempdir().expect("a directory");
    drop(filled(directory.path()));
    std::fs::write(directory.path().join("CURRENT"), "nonsense\n").expect("damage");
    let refused = Database::open(directory.path(), small()).err();
    assert!(matches!(refused, Some(DatabaseError::Corrupt { .. })), "{refused:?}");
}

#[test]
fn a_path_that_is_a_file_is_an_io_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("file");
    std::fs::write(&path, "").expect("a file");
    let refused = Database::open(&path, small()).err();
    assert!(matches!(refused, Some(DatabaseError::Io { .. })), "{refused:?}");
}

#[test]
fn a_checkpoint_is_a_database_of_its_own() {
    let directory = tempfile::tempdir().expect("a directory");
    let database = filled(&directory.path().join("live"));
    let copy = directory.path().join("copy");
    database.checkpoint(&copy).expect("a checkpoint");
    database.delete(b"a").expect("a delete");
    let copy = Database::open(&copy, small()).expect("the copy");
    assert_eq!(keys(copy.iter_from(b"", None)), "abcde");
}

#[test]
fn large_values_survive_in_files_of_their_own() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = DatabaseConfig { separate_values_from_bytes: Some(1024), compress: false, ..small() };
    let database = Database::open(directory.path(), config.clone()).expect("a new database");
    for key in 0..64_u8 {
        database.put(&[key], &vec![key; 64 << 10]).expect("a put");
    }
    drop(database);
    let database = Database::open(directory.path(), config).expect("the database again");
    assert_eq!(database.get(&[7]).expect("a read"), Some(vec![7; 64 << 10]));
}
