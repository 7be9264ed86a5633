//! Every persisted format, byte for byte. A change here is a change of stored data: raise the format's number
//! or add a field with a default.

use millstream_types::Digest;

use super::{operator, pipeline};
use crate::{Desired, Entry, LogRecord, RegistryState, SpecFormat, format};

fn records() -> Vec<LogRecord> {
    let entries = [
        Entry::PluginRegistered {
            operator: operator("score@1.0.0"),
            digest: Digest([0xab; 32]),
            size_bytes: 4096,
            kind: "operator".into(),
            created_ms: 1_700_000_000_000,
            description: serde_json::json!({"outputs": ["main", "late"]}),
        },
        Entry::PipelineApplied {
            name: pipeline("fraud"),
            generation: 1,
            spec_text: "pipeline: fraud\n".into(),
            spec_format: SpecFormat::Yaml,
            operators: [("score".to_owned(), operator("score@1.0.0"))].into(),
            applied_ms: 1_700_000_000_001,
        },
        Entry::PipelineDesired { name: pipeline("fraud"), desired: Desired::Running },
        Entry::StepSwapped { name: pipeline("fraud"), step: "score".into(), operator: operator("score@2.0.0") },
        Entry::PipelineRemoved { name: pipeline("fraud") },
        Entry::PluginRemoved { operator: operator("score@1.0.0") },
    ];
    (1..).zip(entries).map(|(sequence, entry)| LogRecord { sequence, writer: "w-1".into(), entry }).collect()
}

const CONTENTS: [&str; 6] = [
    r#"{"type":"plugin-registered","operator":"score@1.0.0","digest":"sha256:abababababababababababababababababababababababababababababababab","size_bytes":4096,"kind":"operator","created_ms":1700000000000,"description":{"outputs":["main","late"]}}"#,
    r#"{"type":"pipeline-applied","name":"fraud","generation":1,"spec_text":"pipeline: fraud\n","spec_format":"yaml","operators":{"score":"score@1.0.0"},"applied_ms":1700000000001}"#,
    r#"{"type":"pipeline-desired","name":"fraud","desired":"running"}"#,
    r#"{"type":"step-swapped","name":"fraud","step":"score","operator":"score@2.0.0"}"#,
    r#"{"type":"pipeline-removed","name":"fraud"}"#,
    r#"{"type":"plugin-removed","operator":"score@1.0.0"}"#,
];

#[test]
fn entries_keep_their_bytes() {
    for (record, content) in records().iter().zip(CONTENTS) {
        let checksum = crate::digest_of(content.as_bytes());
        let expected = format!(
            "{{\"format\":1,\"sequence\":{},\"writer\":\"w-1\",\"checksum\":\"{checksum}\",\"content\":{content}}}\n",
            record.sequence
        );
        let bytes = format::encode_record(record).expect("encodes");
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
        assert_eq!(format::decode_record(record.sequence, &bytes).as_ref(), Ok(record));
    }
}

#[test]
fn snapshots_keep_their_bytes() {
    let mut state = RegistryState::default();
    for record in &records()[..4] {
        state.apply(record).expect("folds");
    }
    let content = r#"{"sequence":4,"plugins":{"score@1.0.0":{"operator":"score@1.0.0","digest":"sha256:abababababababababababababababababababababababababababababababab","size_bytes":4096,"kind":"operator","created_ms":1700000000000,"description":{"outputs":["main","late"]}}},"pipelines":{"fraud":{"name":"fraud","generation":1,"spec_text":"pipeline: fraud\n","spec_format":"yaml","desired":"running","declared":{"score":"score@1.0.0"},"swaps":{"score":"score@2.0.0"},"applied_ms":1700000000001}},"removed_generations":{}}"#;
    let bytes = format::encode_snapshot("w", &state).expect("encodes");
    assert!(String::from_utf8_lossy(&bytes).contains(content), "{}", String::from_utf8_lossy(&bytes));
    assert_eq!(format::decode_snapshot(4, &bytes), Ok(state));
}

#[test]
fn whatever_is_not_as_written_is_noticed() {
    let record = &records()[1];
    let bytes = format::encode_record(record).expect("encodes");
    let text = String::from_utf8(bytes).expect("UTF-8");
    let refused = |text: &str| format::decode_record(2, text.as_bytes()).expect_err("must be refused");
    assert!(refused(&text.replace("pipeline: fraud", "pipeline: freud")).contains("digest"));
    assert!(refused(&text.replace("\"sequence\":2", "\"sequence\":3")).contains("number 3"));
    assert!(refused(&text.replace("\"format\":1", "\"format\":2")).contains("format 2"));
    for length in [0, 1, 40, text.len() - 3] {
        refused(&text[..length]);
    }
}

#[test]
fn entries_that_cannot_follow_are_refused_and_change_nothing() {
    let mut state = RegistryState::default();
    for record in records() {
        for other in records() {
            if other.sequence != state.sequence() + 1 {
                let before = state.clone();
                assert!(state.apply(&other).is_err());
                assert_eq!(state, before);
            }
        }
        state.apply(&record).expect("folds");
    }
    let again = LogRecord { sequence: 7, ..records()[5].clone() };
    assert!(state.apply(&again).expect_err("removed already").to_string().contains("not registered"));
}
