//! Pipeline files and what is made of them: the plan as it is drawn, or the errors. `MILLSTREAM_BLESS=1`
//! writes what is made of them now as what is expected.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod catalog;

use std::{
    fs,
    path::{Path, PathBuf},
};

use catalog::Operators;
use millstream_pipeline::{explain, parse, plan};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn is_blessing() -> bool {
    std::env::var_os("MILLSTREAM_BLESS").is_some_and(|value| value == "1")
}

/// The plan, drawn, or the errors, one a line.
fn outcome(file: &str, text: &str) -> (&'static str, String) {
    let spec = match parse(file, text) {
        Ok(spec) => spec,
        Err(errors) => return ("errors.txt", format!("{errors}\n")),
    };
    match plan(&spec, &Operators) {
        Ok(mut plan) => {
            if spec.workers.is_none() {
                plan.settings.workers = 2;
            }
            ("plan.txt", explain(&plan))
        }
        Err(errors) => ("errors.txt", format!("{errors}\n")),
    }
}

#[test]
fn pipeline_files_have_the_expected_outcome() {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root()).expect("the cases").map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    assert!(folders.len() >= 40, "only {} cases", folders.len());
    let mut wrong = Vec::new();
    for folder in folders {
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let file = ["pipeline.yaml", "pipeline.json"].into_iter().find(|file| folder.join(file).exists());
        let file = file.unwrap_or_else(|| panic!("{name} has no pipeline"));
        let text = fs::read_to_string(folder.join(file)).expect("a pipeline");
        let (kind, found) = outcome(file, &text);
        assert_eq!(kind == "plan.txt", name.starts_with("plan-"), "{name}:\n{found}");
        if is_blessing() {
            fs::write(folder.join(kind), &found).expect("a blessing");
        }
        let expected = fs::read_to_string(folder.join(kind)).unwrap_or_default();
        if found != expected {
            wrong.push(format!("== {name}: expected\n{expected}\n== {name}: found\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}\nMILLSTREAM_BLESS=1 accepts what was found", wrong.join("\n"));
}

#[test]
fn the_schema_is_the_committed_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/pipeline.schema.json");
    let found = format!("{:#}\n", millstream_pipeline::json_schema());
    if is_blessing() {
        fs::write(&path, &found).expect("a blessing");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "docs/pipeline.schema.json is not up to date; MILLSTREAM_BLESS=1 writes it");
}
