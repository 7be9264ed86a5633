//! Programs in source text, run by an interpreter.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests, not only tests

mod support;

use millstream_operator::{OperatorError, ProcessInput, ProcessOutput};
use millstream_script::{Language, Script, SourceFile};
use millstream_state::KeyGroups;
use millstream_types::Digest;
use millstream_wasm::{Limits, Plugin, Refusal, World};
use support::{guest, host, three, values};

fn interpreter() -> Digest {
    host().add_interpreter(&guest("words")).expect("an interpreter")
}

fn script(files: &[(&str, &str)]) -> Script {
    let files = files.iter().map(|(path, text)| SourceFile { path: (*path).into(), content: (*text).into() });
    Script::new(Language::Python, "main", files.collect()).expect("a script")
}

fn load(files: &[(&str, &str)]) -> Result<Plugin, Vec<Refusal>> {
    let packed = script(files).run_by(interpreter()).pack().expect("bytes");
    host().load(&packed).map_err(|refused| refused.reasons)
}

fn run(plugin: &Plugin) -> Result<ProcessOutput, OperatorError> {
    let factory = plugin.factory("words@1.0.0".parse().expect("a reference"), "{}".into(), Limits::default())?;
    let records = three();
    let groups = KeyGroups::of(&records.keys);
    let input = ProcessInput { batch: &records, groups: &groups, now_ms: 0, watermark_ms: i64::MIN, seed: 1 };
    factory.instantiate("step")?.process(&input, &mut None)
}

#[test]
fn programs_share_an_interpreter_and_nothing_else() {
    let first = load(&[("main", "world operator\nput <\nvalue\ninclude lib/end"), ("lib/end", "put >")]).expect("one");
    let second = load(&[("main", "world operator\nput second")]).expect("another");
    assert_eq!(first.world(), World::Operator);
    assert_ne!(first.digest(), second.digest());
    assert_eq!(first.script().map(Script::main), Some("main"));
    let output = run(&first).expect("an answer");
    assert_eq!(values(&output.outputs[0].batch)[1], "<{\"user\":\"b\",\"amount\":2}>");
    let output = run(&second).expect("an answer");
    assert_eq!(values(&output.outputs[0].batch), ["second"; 3]);
    assert_eq!(values(&run(&first).expect("an answer").outputs[0].batch)[0], "<{\"user\":\"a\",\"amount\":1}>");
}

#[test]
fn what_the_interpreter_says_against_a_program_is_the_reason() {
    let refused = load(&[("main", "world operator\nprint")]).expect_err("refused");
    assert_eq!(refused, [Refusal::Script("main:2: `print` is no command".into())]);
    let refused = load(&[("main", "world trigger")]).expect_err("refused");
    assert!(refused[0].to_string().contains("runs no programs of the world `trigger`"), "{refused:?}");
    let refused = load(&[("main", "put x")]).expect_err("refused");
    assert_eq!(refused, [Refusal::Script("main does not say which world it is of".into())]);
}

#[test]
fn an_interpreter_that_is_not_there_is_named() {
    let missing = Digest([9; 32]);
    let packed = script(&[("main", "world operator")]).run_by(missing).pack().expect("bytes");
    let refused = host().load(&packed).expect_err("refused");
    assert_eq!(refused.reasons, [Refusal::NoInterpreter(missing.to_string())]);
    let packed = script(&[("main", "world operator")]).pack().expect("bytes");
    assert!(matches!(&host().load(&packed).expect_err("refused").reasons[..], [Refusal::Script(_)]));
}

#[test]
fn what_is_no_interpreter_is_not_taken_as_one() {
    let refused = host().add_interpreter(&guest("echo")).expect_err("refused");
    assert_eq!(refused.reasons, [Refusal::MissingExport("millstream:script/loader@0.1.0".into())]);
}

#[test]
fn a_program_that_crashes_leaves_its_interpreter_to_others() {
    let crashing = load(&[("main", "world operator\ncrash")]).expect("a program");
    assert!(matches!(run(&crashing), Err(OperatorError::Trapped(why)) if why.contains("the program says crash")));
    let sound = load(&[("main", "world operator\nput fine")]).expect("a program");
    assert_eq!(values(&run(&sound).expect("an answer").outputs[0].batch)[0], "fine");
}
