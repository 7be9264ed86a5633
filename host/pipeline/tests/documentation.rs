//! The examples of docs/pipelines.md are what they say they are.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod catalog;

use std::{fs, path::Path};

use catalog::Operators;
use millstream_pipeline::{parse, plan};

/// The fenced blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/pipelines.md");
    let text = fs::read_to_string(path).expect("the page");
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        match &mut open {
            Some(_) if line == "```" => blocks.extend(open.take()),
            Some(block) => {
                block.push_str(line);
                block.push('\n');
            }
            None if line == format!("```{language}") => open = Some(String::new()),
            None => {}
        }
    }
    blocks
}

#[test]
fn every_example_is_a_valid_pipeline() {
    let examples: Vec<_> = blocks("yaml").into_iter().filter(|block| block.starts_with("pipeline:")).collect();
    assert!(examples.len() >= 12, "only {} examples", examples.len());
    for example in examples {
        let spec = parse("example", &example).unwrap_or_else(|errors| panic!("{errors}\n{example}"));
        let plan = plan(&spec, &Operators).unwrap_or_else(|errors| panic!("{errors}\n{example}"));
        assert!(plan.warnings.is_empty(), "{:?}\n{example}", plan.warnings);
    }
}

#[test]
fn the_wrong_example_has_the_errors_that_are_shown() {
    let wrong = blocks("yaml").into_iter().find(|block| block.starts_with("# Five mistakes")).expect("the example");
    let shown = blocks("text").into_iter().find(|block| block.starts_with("mistakes.yaml")).expect("the answer");
    let errors = parse("mistakes.yaml", &wrong).expect_err("five mistakes");
    assert_eq!(format!("{errors}\n"), shown);
}
