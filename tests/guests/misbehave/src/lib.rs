//! Does what its configuration says, mostly something that it should not.

mod bad_output;
mod host_calls;

mod bindings {
    wit_bindgen::generate!({ world: "operator", path: "../../../wit" });
}

use std::{
    hint::black_box,
    sync::Mutex,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bindings::{
    exports::millstream::operator::processor::{
        BatchInput, BatchOutput, Description, FailureColumn, FiredTimers, Guest, OutputBatch, StateDeclaration,
        StateKind,
    },
    millstream::operator::{
        clock, log, metrics,
        types::{BytesColumn, HeaderColumn, RecordBatch},
    },
};

struct Misbehave;

static BEHAVIOUR: Mutex<String> = Mutex::new(String::new());
static BATCHES: Mutex<u32> = Mutex::new(0);

/// A column of present values.
pub fn column<T: AsRef<[u8]>>(values: impl IntoIterator<Item = T>) -> BytesColumn {
    let mut column = BytesColumn { offsets: vec![0; 4], data: Vec::new(), validity: Vec::new() };
    for value in values {
        column.data.extend_from_slice(value.as_ref());
        column.offsets.extend_from_slice(&(column.data.len() as u32).to_le_bytes());
    }
    column
}

pub fn u32s(values: impl IntoIterator<Item = u32>) -> Vec<u8> {
    values.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// A batch of values without keys.
pub fn batch(values: Vec<String>) -> RecordBatch {
    let count = values.len() as u32;
    let mut validity = vec![0; values.len().div_ceil(8)];
    validity.iter_mut().for_each(|byte| *byte = 0);
    RecordBatch {
        count,
        keys: BytesColumn { offsets: vec![0; (values.len() + 1) * 4], data: Vec::new(), validity },
        timestamps: vec![0; values.len() * 8],
        values: column(values),
        headers: HeaderColumn { offsets: Vec::new(), names: column::<&str>([]), values: column::<&str>([]) },
        columns: Vec::new(),
    }
}

pub fn nothing() -> BatchOutput {
    BatchOutput {
        outputs: Vec::new(),
        changes: Vec::new(),
        failures: FailureColumn { records: Vec::new(), reasons: column::<&str>([]) },
        timers: Vec::new(),
    }
}

/// One batch of values, all from record 0.
pub fn answer(values: Vec<String>) -> BatchOutput {
    let sources = u32s(values.iter().map(|_| 0));
    BatchOutput { outputs: vec![OutputBatch { output: 0, sources, batch: batch(values) }], ..nothing() }
}

#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let page = black_box([depth; 64]);
    if depth == u64::MAX { 0 } else { recurse(depth + 1) + page[1] }
}

fn declare(name: &str, kind: StateKind, prefetch: bool) -> StateDeclaration {
    StateDeclaration { name: name.into(), kind, schema_version: 1, ttl_ms: None, prefetch }
}

impl Guest for Misbehave {
    fn describe() -> Description {
        Description {
            outputs: vec!["main".into(), "other".into()],
            states: vec![
                declare("plain", StateKind::Value, false),
                declare("fields", StateKind::Map, false),
                declare("events", StateKind::List, false),
                declare("ahead", StateKind::Value, true),
            ],
            reads: Vec::new(),
            writes: Vec::new(),
            raw_values: false,
            timers: false,
            config_schema: None,
        }
    }

    fn configure(config: String) -> Result<(), String> {
        match config.as_str() {
            "panic-in-configure" => panic!("no such configuration"),
            "state-in-configure" => host_calls::in_configure()?,
            _ => {}
        }
        *BEHAVIOUR.lock().unwrap() = config;
        Ok(())
    }

    fn process(input: BatchInput) -> Result<BatchOutput, String> {
        *BATCHES.lock().unwrap() += 1;
        let behaviour = BEHAVIOUR.lock().unwrap().clone();
        match behaviour.as_str() {
            "trap" => panic!("a poison record"),
            "trap-after-write" => {
                host_calls::write_one();
                panic!("after the write");
            }
            "loop" => loop {
                black_box(0);
            },
            "oom" => {
                let mut hoard = Vec::new();
                loop {
                    hoard.push(black_box(vec![1_u8; 1 << 20]));
                }
            }
            "stack" => Ok(answer(vec![recurse(0).to_string()])),
            "exit" => std::process::exit(3),
            "sleep" => {
                std::thread::sleep(Duration::from_secs(3600));
                Ok(answer(vec!["awake".into()]))
            }
            "refuse" => Err("not today".into()),
            "leak" => {
                std::mem::forget(black_box(vec![1_u8; 4 << 20]));
                Ok(answer(vec![BATCHES.lock().unwrap().to_string()]))
            }
            "flood" => {
                for line in 0..10_000 {
                    log::write(log::Level::Info, &format!("line {line}"));
                    println!("printed {line}");
                }
                Ok(nothing())
            }
            "print" => {
                print!("one ");
                println!("line");
                eprintln!("a warning");
                log::write(log::Level::Error, "an error");
                Ok(nothing())
            }
            "time" => Ok(answer(time())),
            "outside" => Ok(answer(outside())),
            "metrics" => {
                report_metrics();
                Ok(nothing())
            }
            "state" => Ok(answer(host_calls::every_kind())),
            "state-misuse" => Ok(answer(host_calls::misuse())),
            "state-flood" => {
                host_calls::flood();
                Ok(nothing())
            }
            "many-records" => {
                let values = vec![String::new(); 5000];
                Ok(answer(values))
            }
            "many-bytes" => Ok(answer(vec!["x".repeat(8 << 20)])),
            "headers" => Ok(bad_output::with_headers(&input)),
            other => bad_output::of(other, &input).ok_or_else(|| format!("unknown behaviour {other}")),
        }
    }

    fn on_timer(_: FiredTimers) -> Result<BatchOutput, String> {
        Err("no timers were declared".into())
    }
}

fn time() -> Vec<String> {
    let start = Instant::now();
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let state = std::collections::HashMap::from([(1, 2)]);
    vec![
        clock::now_ms().to_string(),
        wall.as_millis().to_string(),
        start.elapsed().as_nanos().to_string(),
        clock::random_u64().to_string(),
        clock::random_u64().to_string(),
        state.len().to_string(),
    ]
}

/// What of the outside world can be seen.
fn outside() -> Vec<String> {
    let text =
        |result: std::io::Result<()>| result.map_or_else(|error| error.kind().to_string(), |()| "reached".into());
    vec![
        std::env::vars().count().to_string(),
        std::env::args().count().to_string(),
        text(std::fs::read("/etc/hosts").map(|_| ())),
        text(std::fs::write("/tmp/x", "x")),
        text(std::net::TcpStream::connect("127.0.0.1:80").map(|_| ())),
        text(std::net::UdpSocket::bind("127.0.0.1:0").map(|_| ())),
        text(std::io::Read::read(&mut std::io::stdin(), &mut [0]).map(|_| ())),
    ]
}

fn report_metrics() {
    metrics::counter_add("seen", 2);
    metrics::counter_add("seen", 3);
    metrics::gauge_set("level", 1.0);
    metrics::gauge_set("level", 4.5);
    metrics::histogram_record("size", 10.0);
    metrics::histogram_record("size", 20.0);
    metrics::counter_add("Not A Name", 1);
    for name in 0..1000 {
        metrics::counter_add(&format!("n{name}"), 1);
    }
}

bindings::export!(Misbehave with_types_in bindings);
