//! The bytes of persisted objects.

use std::collections::BTreeMap;

use millstream_state::snapshot::{Savepoint, SavepointOperator, SnapshotStore};
use millstream_types::Digest;

use super::{TASK, World, files, savepoint};
use crate::registry::digest_of;

const MANIFEST: &str = r#"{"task":"fraud/velocity/3","number":1,"position":10,"about":{"pipeline":"fraud","stage":"velocity","partition":3,"changelog":"fraud.velocity.changelog","created_ms":1700000000000,"operators":[{"step":"score","operator":"score@1.0.0","digest":"sha256:abababababababababababababababababababababababababababababababab","states":[{"name":"seen","kind":"value","schema_version":2,"ttl_ms":60000}]}]},"files":[{"name":"CURRENT","size_bytes":2,"digest":"DIGEST","origin":1}]}"#;

fn content(bytes: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
    let fields: Vec<_> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(fields, ["format", "writer", "checksum", "content"]);
    assert_eq!(value["format"], 1);
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    let (_, content) = text.split_once(",\"content\":").expect("content");
    let content = content.strip_suffix("}\n").expect("a line").to_owned();
    assert_eq!(value["checksum"], digest_of(content.as_bytes()).to_string());
    content
}

fn expected(text: &str) -> String {
    let digest = digest_of(b"M1").to_string();
    text.replace("DIGEST", &digest)
}

#[test]
fn manifests_are_these_bytes() {
    let world = World::new();
    world.save(&world.client(), TASK, 10, &files(&[("CURRENT", "M1")])).expect("saved");
    let path = world.objects("manifests").remove(0);
    assert_eq!(content(&world.read(&path)), expected(MANIFEST));
}

#[test]
fn savepoints_are_these_bytes() {
    let world = World::new();
    let client = world.client();
    let snapshot = world.save(&client, TASK, 10, &files(&[("CURRENT", "M1")])).expect("saved");
    let operator = SavepointOperator { operator: "score@1.0.0".parse().expect("a name"), digest: Digest([0xab; 32]) };
    let savepoint =
        Savepoint { operators: BTreeMap::from([("score".to_owned(), operator)]), ..savepoint(vec![snapshot]) };
    client.create_savepoint("s", &savepoint).expect("created");
    let head = r#"{"name":"s","savepoint":{"pipeline":"fraud","created_ms":1700000000001,"spec_text":"pipeline: fraud\n","generation":3,"operators":{"score":{"operator":"score@1.0.0","digest":"sha256:abababababababababababababababababababababababababababababababab"}},"stages":[{"stage":"velocity","tasks":4}],"positions":[{"topic":"payments","partition":3,"offset":17}],"tasks":["#;
    let bytes = world.read("snapshots/fraud/savepoints/s.json");
    assert_eq!(content(&bytes), expected(&format!("{head}{MANIFEST}]}}}}")));
    let document: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
    let seal = format!("snapshots/fraud/verified/{}", document["writer"].as_str().expect("text"));
    assert_eq!(world.objects("verified"), [seal]);
}

#[test]
fn savepoints_without_stages_are_still_read() {
    let world = World::new();
    let client = world.client();
    client.create_savepoint("s", &savepoint(vec![])).expect("created");
    let path = "snapshots/fraud/savepoints/s.json";
    let before = content(&world.read(path))
        .replace("\"generation\":3,", "")
        .replace("\"stages\":[{\"stage\":\"velocity\",\"tasks\":4}],", "");
    let document: serde_json::Value = serde_json::from_slice(&world.read(path)).expect("JSON");
    let (writer, checksum) = (document["writer"].as_str().expect("text"), digest_of(before.as_bytes()));
    world.write(
        path,
        format!("{{\"format\":1,\"writer\":\"{writer}\",\"checksum\":\"{checksum}\",\"content\":{before}}}\n"),
    );
    let expected = Savepoint { generation: 0, stages: Vec::new(), ..savepoint(vec![]) };
    assert_eq!(client.get_savepoint("fraud", "s"), Ok(expected));
}

#[test]
fn fields_that_a_later_version_adds_are_passed_over() {
    let world = World::new();
    let client = world.client();
    let saved = world.save(&client, TASK, 10, &files(&[("CURRENT", "M1")])).expect("saved");
    let path = world.objects("manifests").remove(0);
    let content = expected(MANIFEST).replace("\"number\":1", "\"later\":true,\"number\":1");
    let checksum = digest_of(content.as_bytes());
    let bytes = format!("{{\"format\":1,\"writer\":\"w\",\"checksum\":\"{checksum}\",\"content\":{content}}}\n");
    world.write(&path, bytes);
    assert_eq!(client.list(TASK), Ok(vec![saved]));
}
