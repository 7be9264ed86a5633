//! What a guest logs and prints reaches the host's log, line by line and within a rate.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests, not only tests

mod support;

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use millstream_wasm::Limits;
use support::{Harness, three};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Captured {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn logged(behaviour: &str, limits: Limits) -> Vec<String> {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt().with_writer(captured.clone()).with_ansi(false).finish();
    tracing::subscriber::with_default(subscriber, || {
        Harness::new("misbehave", behaviour, limits).process(&three()).expect("an answer");
    });
    let text = String::from_utf8(captured.0.lock().expect("not poisoned").clone()).expect("text");
    text.lines().filter(|line| line.contains("millstream::guest")).map(str::to_owned).collect()
}

#[test]
fn lines_carry_level_operator_and_step() {
    let lines = logged("print", Limits::default());
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[0].contains("INFO") && lines[0].contains("one line"), "{}", lines[0]);
    assert!(lines[1].contains("WARN") && lines[1].contains("a warning"), "{}", lines[1]);
    assert!(lines[2].contains("ERROR") && lines[2].contains("an error"), "{}", lines[2]);
    assert!(lines.iter().all(|line| line.contains("guest@1.0.0") && line.contains("step")), "{lines:#?}");
}

#[test]
fn a_flood_is_cut_and_counted() {
    let lines = logged("flood", Limits { log_lines_per_second: 20, ..Limits::default() });
    assert!((20..2000).contains(&lines.len()), "{} lines of 20000", lines.len());
    assert!(lines.last().expect("a line").contains("lines over the rate limit were dropped"));
}
