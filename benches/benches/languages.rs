//! What operators cost in each language: JSON in, the sum by key, JSON out, beside the same logic as a native operator,
//! all in one run. `./x bench languages [TEXT]`: all, or those whose language or way has the text in it; `--json` for
//! scripts.
//!
//! Three ways to write it: over the records' bytes, with the JSON parsed and written by the guest; over typed fields,
//! record by record; and over whole typed columns. For typed ones the host parses and writes, which is counted.

use std::{
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use millstream_benches::{Task, guest, keyed_sum, payments};
use millstream_script::Script;
use millstream_tests::{binary, guest_target, repository};
use millstream_types::RecordBatch;
use millstream_wasm::{EngineConfig, Limits, Plugin, WasmHost};
use serde::Serialize;

const BATCH_RECORDS: usize = 1000;
const USERS: u64 = 1000;
/// How long each is measured, in turns with all others.
const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(300);
/// Twice native, by the same run, for Rust; otherwise nanoseconds.
const RUST_TARGET: f64 = 2.0;

/// One way to write the operator.
struct Way {
    language: &'static str,
    variant: &'static str,
    /// Where its project is, or the name of the guest that it is.
    source: Source,
    /// At most so many nanoseconds a record.
    target_ns: Option<f64>,
}

enum Source {
    Guest(&'static str),
    Project(&'static str),
}

const WAYS: [Way; 16] = [
    way("rust", "bytes", Source::Guest("keyed-sum"), None),
    way("rust", "typed", Source::Guest("keyed-sum-typed"), None),
    way("c", "bytes", Source::Project("c/bytes"), Some(1000.0)),
    way("c", "typed", Source::Project("c/typed"), Some(1000.0)),
    way("c", "columns", Source::Project("c/columns"), Some(1000.0)),
    way("go", "bytes", Source::Project("go/bytes"), None),
    way("go", "typed", Source::Project("go/typed"), Some(1000.0)),
    way("go", "columns", Source::Project("go/columns"), Some(1000.0)),
    way("javascript", "bytes, built", Source::Project("javascript/built"), Some(5000.0)),
    way("javascript", "bytes", Source::Project("javascript/bytes"), Some(5000.0)),
    way("javascript", "typed", Source::Project("javascript/typed"), Some(1000.0)),
    way("javascript", "columns", Source::Project("javascript/columns"), Some(1000.0)),
    way("python", "bytes, built", Source::Project("python/built"), Some(7000.0)),
    way("python", "bytes", Source::Project("python/bytes"), Some(7000.0)),
    way("python", "typed", Source::Project("python/typed"), Some(3000.0)),
    way("python", "columns", Source::Project("python/columns"), Some(1500.0)),
];

const fn way(language: &'static str, variant: &'static str, source: Source, target_ns: Option<f64>) -> Way {
    Way { language, variant, source, target_ns }
}

/// A row of the table.
#[derive(Serialize)]
struct Row {
    language: &'static str,
    variant: &'static str,
    /// From source, in an interpreter.
    from_source: bool,
    ns_per_record: f64,
    times_native: f64,
    target_ns: Option<f64>,
    /// Of the component, or of the packed source.
    bytes: usize,
    /// From its bytes to code, or of a program in source text, to where it has told what it is.
    load_ms: f64,
    /// The same with the code in the cache.
    cached_load_ms: f64,
    /// Making an instance, describing and configuring it.
    instantiate_ms: f64,
    /// Of the instance, after the measurement.
    memory_bytes: usize,
}

fn built(project: &str) -> Result<Vec<u8>> {
    let directory = repository().join("benches/guests/languages").join(project);
    let file = guest_target().join("languages").join(project.replace('/', "-"));
    fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
    let status = Command::new(binary()).args(["plugin", "build"]).arg(&directory).arg("--to").arg(&file).output()?;
    ensure!(status.status.success(), "{project} does not build: {}", String::from_utf8_lossy(&status.stderr));
    Ok(fs::read(file)?)
}

/// The bytes to load, with the interpreter where they are a program in source text.
fn artefact(way: &Way) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
    let bytes = match way.source {
        Source::Guest(name) => guest(name)?,
        Source::Project(project) => built(project)?,
    };
    if !Script::is_packed(&bytes) {
        return Ok((bytes, None));
    }
    let script = Script::unpack(&bytes)?;
    let interpreter = fs::read(interpreters().join(format!("{}.wasm", script.language())))
        .with_context(|| format!("no interpreter for {}: ./x interpreters builds it", script.language()))?;
    Ok((bytes, Some(interpreter)))
}

fn interpreters() -> PathBuf {
    let cache = || guest_target().parent().map(|cache| cache.join("interpreters")).unwrap_or_default();
    std::env::var_os("MILLSTREAM_INTERPRETERS").map_or_else(cache, PathBuf::from)
}

fn load(host: &WasmHost, bytes: &[u8], interpreter: Option<&[u8]>) -> Result<(Plugin, f64)> {
    let Some(interpreter) = interpreter else {
        let start = Instant::now();
        return Ok((host.load(bytes)?, start.elapsed().as_secs_f64() * 1e3));
    };
    let script = Script::unpack(bytes)?.run_by(host.add_interpreter(interpreter)?).pack()?;
    let start = Instant::now();
    Ok((host.load(&script)?, start.elapsed().as_secs_f64() * 1e3))
}

fn median(mut passes: Vec<f64>) -> f64 {
    passes.sort_by(f64::total_cmp);
    passes.get(passes.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Nanoseconds a record while the time lasts.
fn pass(task: &mut Task, batches: &[RecordBatch]) -> Result<f64> {
    let (start, mut done) = (Instant::now(), 0_usize);
    while start.elapsed() < ROUND {
        for batch in batches {
            let output = black_box(task.process(batch)?);
            ensure!(output.failures.is_empty(), "a record failed: {:?}", output.failures.first());
            done += batch.len();
        }
    }
    Ok(start.elapsed().as_nanos() as f64 / done as f64)
}

fn main() -> Result<()> {
    if std::env::args().any(|argument| argument == "--list" || argument == "--test") {
        return Ok(());
    }
    let cache = tempfile::tempdir()?;
    let config = || EngineConfig { cache_dir: Some(cache.path().into()), ..EngineConfig::default() };
    let (cold, warm) = (WasmHost::new(config())?, WasmHost::new(config())?);
    let batches: Vec<RecordBatch> = (0..8).map(|number| payments(number, BATCH_RECORDS, USERS)).collect();

    let native = keyed_sum();
    let mut native = Task::new(native.as_ref())?;
    let expected = native.process(batches.first().context("a batch")?)?;
    let (mut rows, mut tasks) = (Vec::new(), Vec::new());
    let asked = std::env::args().skip(1).find(|argument| !argument.starts_with("--")).unwrap_or_default();
    for way in WAYS.iter().filter(|way| format!("{} {}", way.language, way.variant).contains(&asked)) {
        let (bytes, interpreter) = artefact(way).with_context(|| format!("{} {}", way.language, way.variant))?;
        let (_, load_ms) = load(&cold, &bytes, interpreter.as_deref())?;
        let (plugin, cached_load_ms) = load(&warm, &bytes, interpreter.as_deref())?;
        let factory = plugin.factory(format!("{}@1.0.0", way.language).parse()?, "{}".into(), Limits::default())?;
        let start = Instant::now();
        let mut task = Task::new(factory.as_ref())?;
        let instantiate_ms = start.elapsed().as_secs_f64() * 1e3;
        let output = task.process(batches.first().context("a batch")?)?;
        let count = |output: &millstream_operator::ProcessOutput| output.outputs.first().map(|out| out.batch.len());
        ensure!(count(&output) == count(&expected), "{} {} emits other records", way.language, way.variant);
        rows.push(Row {
            language: way.language,
            variant: way.variant,
            from_source: interpreter.is_some(),
            ns_per_record: f64::NAN,
            times_native: f64::NAN,
            target_ns: way.target_ns,
            bytes: bytes.len(),
            load_ms,
            cached_load_ms,
            instantiate_ms,
            memory_bytes: 0,
        });
        tasks.push((task, Vec::new()));
    }
    let mut natives = Vec::new();
    for _ in 0..ROUNDS {
        natives.push(pass(&mut native, &batches)?);
        for (task, passes) in &mut tasks {
            passes.push(pass(task, &batches)?);
        }
    }
    let native_ns = median(natives);
    for (row, (task, passes)) in rows.iter_mut().zip(tasks) {
        row.ns_per_record = median(passes);
        row.times_native = row.ns_per_record / native_ns;
        row.memory_bytes = task.memory_bytes();
        if row.language == "rust" {
            row.target_ns = Some(native_ns * RUST_TARGET);
        }
    }
    if std::env::args().any(|argument| argument == "--json") {
        println!("{}", serde_json::json!({ "native_ns_per_record": native_ns, "ways": rows }));
        return Ok(());
    }
    print(native_ns, &rows);
    Ok(())
}

fn print(native_ns: f64, rows: &[Row]) {
    println!("{BATCH_RECORDS} records of 100-byte JSON a batch, {USERS} keys, medians of {ROUNDS} turns of one run");
    println!("native, in Rust: {native_ns:.0} ns a record\n");
    println!(
        "{:<11} {:<13} {:>9} {:>8} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8}",
        "language", "over", "ns/rec", "x native", "target", "", "size kB", "load ms", "cached ms", "inst. ms"
    );
    for row in rows {
        let target = row.target_ns.map_or(String::new(), |target| format!("{target:.0}"));
        let verdict = match row.target_ns {
            Some(target) if row.ns_per_record <= target => "holds",
            Some(_) => "MISSED",
            None => "",
        };
        println!(
            "{:<11} {:<13} {:>9.0} {:>8.1} {:>9} {:>9} {:>9.1} {:>9.1} {:>9.2} {:>8.2}  {:.1} MB",
            row.language,
            row.variant,
            row.ns_per_record,
            row.times_native,
            target,
            verdict,
            row.bytes as f64 / 1e3,
            row.load_ms,
            row.cached_load_ms,
            row.instantiate_ms,
            row.memory_bytes as f64 / 1e6,
        );
    }
}
