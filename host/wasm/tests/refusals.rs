//! A component that cannot be an operator is refused with every reason.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests, not only tests

mod support;

use millstream_wasm::{EngineConfig, Limits, Refusal, WasmHost};
use support::{guest, host};

fn refused(bytes: &[u8]) -> Vec<Refusal> {
    host().load(bytes).expect_err("it must be refused").reasons
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("valid text format")
}

#[test]
fn what_is_not_a_component_is_refused() {
    assert!(matches!(refused(b"")[..], [Refusal::NotWebAssembly(_)]));
    assert!(matches!(refused(b"#!/bin/sh\necho hello\n")[..], [Refusal::NotWebAssembly(_)]));
    assert!(matches!(refused(b"\0asm\x07\0\0\0")[..], [Refusal::NotWebAssembly(_)]));
    assert_eq!(refused(&component("(module)")), [Refusal::CoreModule]);
    let mut cut = guest("echo");
    cut.truncate(cut.len() / 2);
    assert!(matches!(refused(&cut)[..], [Refusal::Invalid(_)]));
}

#[test]
fn size_is_refused_together_with_the_rest() {
    let host = WasmHost::new(EngineConfig { max_component_bytes: 4, ..EngineConfig::default() }).expect("a host");
    let reasons = host.load(&component("(module)")).expect_err("it must be refused").reasons;
    assert_eq!(reasons, [Refusal::TooLarge { bytes: 8, limit_bytes: 4 }, Refusal::CoreModule]);
}

#[test]
fn every_import_and_export_is_named() {
    let refused = host().load(&component(
        r#"(component
            (import "wasi:http/outgoing-handler@0.2.0" (instance))
            (import "acme:db/query" (func))
            (import "wasi:io/error@0.3.0" (instance))
            (import "wasi:random/random@0.2.3" (instance)))"#,
    ));
    let refused = refused.expect_err("it must be refused");
    assert_eq!(
        refused.reasons,
        [
            Refusal::ImportNotGranted("wasi:http/outgoing-handler@0.2.0".into()),
            Refusal::ImportNotGranted("acme:db/query".into()),
            Refusal::ImportNotGranted("wasi:io/error@0.3.0".into()),
            Refusal::MissingExport("millstream:operator/processor@0.1.0".into()),
        ]
    );
    let text = refused.to_string();
    assert!(text.contains("acme:db/query") && text.contains("; "), "{text}");
}

/// A component that exports functions without parameters and results.
fn exporting(interface: &str, functions: &[&str]) -> Vec<u8> {
    let exports: String = functions.iter().map(|name| format!("(export \"{name}\" (func $f))")).collect();
    component(&format!(
        r#"(component
            (core module $m (func (export "f")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f")))
            (instance $p {exports})
            (export "{interface}" (instance $p)))"#
    ))
}

#[test]
fn another_version_is_named() {
    let reasons = refused(&exporting("millstream:operator/processor@0.2.0", &["describe"]));
    assert_eq!(
        reasons,
        [Refusal::WrongVersion {
            found: "millstream:operator/processor@0.2.0".into(),
            supported: "millstream:operator/processor@0.1.0".into(),
        }]
    );
}

#[test]
fn missing_functions_are_named() {
    let processor = "millstream:operator/processor@0.1.0";
    let reasons = refused(&exporting(processor, &["describe", "on-timer"]));
    assert_eq!(
        reasons,
        [
            Refusal::MissingExport(format!("{processor}#configure")),
            Refusal::MissingExport(format!("{processor}#process")),
        ]
    );
    let reasons = refused(&exporting(processor, &["describe", "configure", "process", "on-timer"]));
    assert!(matches!(reasons[..], [Refusal::WrongType(_)]), "{reasons:?}");
}

#[test]
fn what_does_not_fit_the_limits_does_not_instantiate() {
    let validation = Limits { memory_bytes: 1 << 20, ..Limits::default() };
    let host = WasmHost::new(EngineConfig { validation, ..EngineConfig::default() }).expect("a host");
    let reasons = host.load(&guest("echo")).expect_err("it needs more").reasons;
    assert!(
        matches!(&reasons[..], [Refusal::DoesNotInstantiate(why)] if why.contains("1024 KiB of memory")),
        "{reasons:?}"
    );
}

#[test]
fn a_failing_describe_is_refused() {
    let reasons = refused(&guest("panics-in-describe"));
    assert!(matches!(&reasons[..], [Refusal::DescribeFailed(why)] if why.contains("who am I")), "{reasons:?}");
}

#[test]
fn every_contradiction_is_named() {
    let reasons: Vec<String> = refused(&guest("contradictory")).iter().map(Refusal::to_string).collect();
    let expected = [
        "two outputs are named `main`",
        "output `Late Ones` is not a name",
        "two states are named `seen`",
        "state `by-day` is prefetched and not value state",
        "state `gone` has a time to live of 0 ms",
        "its configuration schema is not JSON",
        "a field that is read: `amount` is not a field path",
        "the fields `/sum` and `/sum/cents` are written, of which one is within the other",
    ];
    assert_eq!(reasons.len(), expected.len(), "{reasons:#?}");
    for (reason, expected) in reasons.iter().zip(expected) {
        assert!(reason.contains(expected), "{reason}");
    }
}
