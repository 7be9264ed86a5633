//! Programs in source text, registered and swapped as components are. The interpreter is a guest of the tests, and its
//! language so small that nothing else has to be installed.

use std::{fs, path::Path};

use anyhow::{Result, ensure};
use millstream_tests::{Server, ServerOptions, operators_of};
use serde_json::{Value, json};

use crate::problem;

const PYTHON: &str = "text/x-python";

/// A server whose interpreter of Python is the one of the tests, with `more` behind its bytes.
fn server(data: &Path, more: &[u8]) -> Result<Server> {
    let interpreters = data.join("interpreters");
    fs::create_dir_all(&interpreters)?;
    let mut interpreter = fs::read(operators_of("tests/guests")?.join("words.wasm"))?;
    interpreter.extend_from_slice(more);
    fs::write(interpreters.join("python.wasm"), interpreter)?;
    let config = data.join("millstream.yaml");
    fs::write(&config, format!("guests: {{ interpreters: {} }}\n", interpreters.display()))?;
    let arguments = vec!["--config".into(), config.display().to_string()];
    Server::start(&data.join("data"), &ServerOptions { arguments, ..ServerOptions::default() })
}

/// A custom section without content: other bytes, the same interpreter.
const CUSTOM_SECTION: [u8; 4] = [0, 2, 1, b'x'];

fn values(server: &Server, topic: &str, count: usize) -> Result<Vec<Value>> {
    server.until("the records are there", || Ok(server.records(topic)?.len() >= count))?;
    Ok(server.records(topic)?.iter().map(|record| record["value"].clone()).collect())
}

#[test]
fn a_program_is_registered_by_its_text_and_swapped_for_another() -> Result<()> {
    let data = tempfile::tempdir()?;
    let server = server(data.path(), b"")?;
    let path = "/api/v1/plugins/mark/1.0.0";
    let created = server.put(path, PYTHON, b"world operator\nput one:\nvalue")?;
    ensure!(created.status == 201, "{created:?}");
    let plugin = created.json();
    let source = &plugin["description"]["source"];
    ensure!(source["language"] == "python" && source["main"] == "operator.py", "{plugin}");
    ensure!(source["interpreter"].as_str().is_some_and(|digest| digest.starts_with("sha256:")), "{plugin}");
    ensure!(plugin["world"] == "operator", "{plugin}");
    ensure!(server.put(path, PYTHON, b"world operator\nput one:\nvalue")?.status == 200);
    problem(server.put(path, PYTHON, b"world operator\nput two:\nvalue")?, 409, "plugin-exists")?;
    let refused =
        problem(server.put("/api/v1/plugins/bad/1.0.0", PYTHON, b"world operator\nprnt x")?, 422, "plugin-refused")?;
    ensure!(refused.text.contains("operator.py:2: `prnt x` is no command"), "{refused:?}");
    problem(server.put("/api/v1/plugins/bad/1.0.0", "text/x-ruby", b"x")?, 415, "unsupported-media-type")?;

    server.create_topic("in", 1)?;
    let yaml = "pipeline: p\nsources: { in: { topic: in } }\nsteps: { s: { from: in, operator: mark@1.0.0 } }\n\
                sinks: { out: { from: s, topic: out } }\n";
    server.launch("p", yaml)?;
    server.produce("in", "{\"value\":\"a\"}\n")?;
    ensure!(values(&server, "out", 1)? == [json!("one:a")]);
    server.put("/api/v1/plugins/mark/2.0.0", PYTHON, b"world operator\nput two:\nvalue")?.success()?;
    server.swap("p", "s", "mark@2.0.0")?.success()?;
    server.produce("in", "{\"value\":\"b\"}\n")?;
    ensure!(values(&server, "out", 2)? == [json!("one:a"), json!("two:b")]);
    Ok(())
}

#[test]
fn a_program_keeps_its_interpreter_when_another_is_installed() -> Result<()> {
    let data = tempfile::tempdir()?;
    let (path, text) = ("/api/v1/plugins/mark/1.0.0", b"world operator\nput one:\nvalue");
    let first = server(data.path(), b"")?;
    let registered = first.put(path, PYTHON, text)?.success()?.json();
    first.create_topic("in", 1)?;
    first.stop()?;

    let second = server(data.path(), &CUSTOM_SECTION)?;
    let again = second.put(path, PYTHON, text)?;
    ensure!(again.status == 200 && again.json()["digest"] == registered["digest"], "{again:?}");
    let newer = second.put("/api/v1/plugins/mark/1.1.0", PYTHON, text)?.success()?.json();
    let interpreter = |plugin: &Value| plugin["description"]["source"]["interpreter"].clone();
    ensure!(interpreter(&newer) != interpreter(&registered), "{newer}");
    ensure!(newer["digest"] != registered["digest"], "{newer}");
    let yaml = "pipeline: p\nsources: { in: { topic: in } }\nsteps: { s: { from: in, operator: mark@1.0.0 } }\n\
                sinks: { out: { from: s, topic: out } }\n";
    second.launch("p", yaml)?;
    second.produce("in", "{\"value\":\"a\"}\n")?;
    ensure!(values(&second, "out", 1)? == [json!("one:a")]);
    Ok(())
}

#[test]
fn an_interpreter_goes_with_the_last_program_that_it_runs() -> Result<()> {
    let data = tempfile::tempdir()?;
    let text = b"world operator\nput one:\nvalue";
    let interpreters = || -> Result<Vec<String>> {
        let kept = fs::read_dir(data.path().join("data/registry/interpreters"))?;
        kept.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    let name = |plugin: &Value| {
        let digest = plugin["description"]["source"]["interpreter"].as_str().unwrap_or_default();
        format!("{}.wasm", digest.trim_start_matches("sha256:"))
    };
    let first = server(data.path(), b"")?;
    let old = first.put("/api/v1/plugins/mark/1.0.0", PYTHON, text)?.success()?.json();
    first.put("/api/v1/plugins/again/1.0.0", PYTHON, text)?.success()?;
    let digest = old["digest"].as_str().unwrap_or_default().trim_start_matches("sha256:").to_owned();
    let packed = fs::read(data.path().join(format!("data/registry/plugins/{digest}.wasm")))?;
    first.stop()?;

    let second = server(data.path(), &CUSTOM_SECTION)?;
    let newer = second.put("/api/v1/plugins/mark/1.1.0", PYTHON, text)?.success()?.json();
    ensure!(interpreters()?.len() == 2, "{:?}", interpreters()?);
    second.delete("/api/v1/plugins/mark/1.0.0")?.success()?;
    ensure!(interpreters()?.contains(&name(&old)), "the other program names it");
    second.delete("/api/v1/plugins/again/1.0.0")?.success()?;
    ensure!(interpreters()? == [name(&newer)], "{:?}", interpreters()?);
    // What names an interpreter that is nowhere would not run after a restart.
    let refused = second.put("/api/v1/plugins/mark/1.0.0", "application/x-tar", &packed)?;
    let refused = problem(refused, 422, "plugin-refused")?;
    ensure!(refused.text.contains("is neither installed nor in the registry"), "{refused:?}");
    Ok(())
}

#[test]
fn an_archive_of_several_files_is_a_program() -> Result<()> {
    let data = tempfile::tempdir()?;
    let server = server(data.path(), b"")?;
    let program = data.path().join("program");
    fs::create_dir_all(program.join("lib"))?;
    fs::write(program.join("main.py"), "world operator\ninclude lib/mark\n")?;
    fs::write(program.join("lib/mark"), "put mark\n")?;
    let packed = std::process::Command::new("tar").args(["-cf", "-", "."]).current_dir(&program).output()?;
    let plugin = server.put("/api/v1/plugins/mark/1.0.0", "application/x-tar", &packed.stdout)?.success()?.json();
    ensure!(plugin["description"]["source"]["files"] == json!(["lib/mark", "main.py"]), "{plugin}");
    let broken = server.put("/api/v1/plugins/mark/1.0.1", "application/x-tar", b"not an archive")?;
    problem(broken, 422, "plugin-refused")?;
    Ok(())
}
