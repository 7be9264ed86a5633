//! Whatever a file holds, it is answered by a plan or by errors that point into it.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod catalog;

use std::{fs, path::Path, sync::LazyLock};

use catalog::Operators;
use millstream_pipeline::{PipelineSpec, explain, parse, plan};
use proptest::prelude::*;

fn cases() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut texts = Vec::new();
    for folder in fs::read_dir(root).expect("the cases") {
        let folder = folder.expect("a folder").path();
        texts.extend(fs::read_to_string(folder.join("pipeline.yaml")).ok());
        texts.extend(fs::read_to_string(folder.join("pipeline.json")).ok());
    }
    texts.sort();
    texts
}

fn take(text: &str) {
    match parse("file", text) {
        Ok(spec) => match plan(&spec, &Operators) {
            Ok(plan) => assert!(!explain(&plan).is_empty()),
            Err(errors) => assert!(!errors.is_empty()),
        },
        Err(errors) => {
            assert!(!errors.is_empty());
            let lines = text.split(['\r', '\n']).count();
            for error in errors.iter() {
                assert!(error.line >= 1 && error.line <= lines && error.column >= 1, "{error}");
                assert!(!error.message.is_empty());
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Change {
    Delete(prop::sample::Index, usize),
    Insert(prop::sample::Index, String),
    /// Copies a piece to another place.
    Copy(prop::sample::Index, usize, prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let piece = prop_oneof![
        "[-{}\\[\\]:,#&*!|>'\"%@ \n/]{1,3}",
        prop::sample::select(vec!["null", "-1", "1e999", "{}", "[]", "&a ", "*a", "\t", "\u{feff}", "\u{85}", "? "])
            .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ];
    prop_oneof![
        (any::<prop::sample::Index>(), 1..40_usize).prop_map(|(at, length)| Change::Delete(at, length)),
        (any::<prop::sample::Index>(), piece).prop_map(|(at, piece)| Change::Insert(at, piece)),
        (any::<prop::sample::Index>(), 1..80_usize, any::<prop::sample::Index>())
            .prop_map(|(from, length, to)| Change::Copy(from, length, to)),
    ]
}

fn changed(text: &str, changes: &[Change]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for change in changes {
        let size = characters.len() + 1;
        match change {
            Change::Delete(at, length) => {
                let at = at.index(size).min(characters.len());
                let end = (at + length).min(characters.len());
                characters.drain(at..end);
            }
            Change::Insert(at, piece) => {
                let at = at.index(size);
                characters.splice(at..at, piece.chars());
            }
            Change::Copy(from, length, to) => {
                let from = from.index(size).min(characters.len());
                let piece = characters[from..(from + length).min(characters.len())].to_vec();
                let to = to.index(size);
                characters.splice(to..to, piece);
            }
        }
    }
    characters.into_iter().collect()
}

/// `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases.unwrap_or(3000)) }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn mutated_files_are_taken(
        case in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(), 1..6),
    ) {
        static CASES: LazyLock<Vec<String>> = LazyLock::new(cases);
        let text: &String = case.get(&CASES);
        take(&changed(text, &changes));
    }

    #[test]
    fn random_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        take(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn large_files_end() {
    take(&"[".repeat(900_000));
    take(&"{a: ".repeat(200_000));
    take(&"- ".repeat(400_000));
    take(&"? ".repeat(400_000));
    take(&format!("pipeline: x\nsources: {{ a: {{ topic: a }} }}\nsteps:\n{}", chain(900)));
    take(&format!("pipeline: x\nsteps:\n{}", chain(1100)));
    take(&format!("pipeline: x\nsources:\n{}", "  a: b\n".repeat(90_000)));
    let filter = "/a > 1 and ".repeat(5_000);
    take(&format!("pipeline: x\nsources: {{ a: {{ topic: a }} }}\nsteps: {{ f: {{ from: a, filter: {filter} }} }}\n"));
}

/// Steps one behind the other, every second with a key.
fn chain(length: usize) -> String {
    let mut text = String::from("  s0: { from: a, key: /a }\n");
    for step in 1..length {
        let logic = if step % 2 == 0 { "key: /a" } else { "operator: velocity@1.0.0" };
        text.push_str(&format!("  s{step}: {{ from: s{}, {logic} }}\n", step - 1));
    }
    text
}

#[test]
fn a_spec_is_written_as_a_file_that_says_the_same() {
    let json = |spec: &PipelineSpec| serde_json::to_string_pretty(spec).expect("JSON");
    let mut valid = 0;
    for text in cases() {
        if let Ok(spec) = parse("file", &text) {
            let written = json(&spec);
            let again = parse("written", &written).unwrap_or_else(|errors| panic!("{errors}\n{written}"));
            assert_eq!(json(&again), written);
            valid += 1;
        }
    }
    assert!(valid >= 15);
}
