use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use millstream_tests::{Running, millstream, signal, until};
use serde_json::Value;

use crate::{call, call_with, read, write};

const GENERATED: &str = "\
pipeline: made
sources:
  numbers:
    generator: { count: 5000, partitions: 2, seed: 7, fields: { id: { sequence: { start: 1 } }, n: { uniform: { min: 0, max: 9 } } } }
steps:
  odd: { from: numbers, map: { id: /id, big: /n > 5 } }
sinks:
  file: { from: odd, file: { path: odd.jsonl } }
  printed: { from: odd, stdout: {} }
";

/// The ids of JSON lines, sorted.
fn ids(text: &str) -> Result<Vec<u64>> {
    let id = |line: &str| -> Result<u64> {
        let value: Value = serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
        value["id"].as_u64().context("no id")
    };
    let mut ids = text.lines().map(id).collect::<Result<Vec<_>>>()?;
    ids.sort_unstable();
    Ok(ids)
}

#[test]
fn a_generator_runs_to_its_end_into_a_file_and_standard_output() -> Result<()> {
    let place = tempfile::tempdir()?;
    write(place.path(), "made.yaml", GENERATED)?;
    let ran = call(place.path(), "run made.yaml")?.expect(0)?.tells(&["made finished: "])?;
    let all: Vec<u64> = (1..=5000).collect();
    ensure!(ids(&ran.stdout)? == all, "standard output");
    ensure!(ids(&read(place.path(), "odd.jsonl")?)? == all, "the file");
    // It has ended, and goes on from there.
    let again = call(place.path(), "run made.yaml -o json")?.expect(0)?;
    ensure!(again.stdout.is_empty(), "{again:?}");
    let status: Value = serde_json::from_str(again.stderr.lines().last().unwrap_or_default())?;
    ensure!(status["state"] == "finished" && status["records_in"] == 0, "{status}");
    ensure!(ids(&read(place.path(), "odd.jsonl")?)? == all, "the file after the second run");
    Ok(())
}

#[test]
fn a_file_that_grows_is_read_on_from_where_the_last_run_stopped() -> Result<()> {
    let place = tempfile::tempdir()?;
    let yaml = "pipeline: p\nsources: { in: { file: { path: in.jsonl, key: /user } } }\n\
                steps: { big: { from: in, filter: /id > 1 } }\nsinks: { out: { from: big, stdout: { format: record } } }\n";
    write(place.path(), "p.yaml", yaml)?;
    write(place.path(), "in.jsonl", "{\"id\":1,\"user\":\"a\"}\n{\"id\":2,\"user\":\"b\"}\n")?;
    let first = call(place.path(), "run p.yaml --quiet")?.expect(0)?;
    ensure!(first.stderr.is_empty() && first.lines().len() == 1, "{first:?}");
    let record: Value = serde_json::from_str(&first.stdout)?;
    ensure!(record["key"] == "b" && record["value"]["id"] == 2, "{record}");
    fs::OpenOptions::new()
        .append(true)
        .open(place.path().join("in.jsonl"))
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"{\"id\":3,\"user\":\"c\"}\n"))?;
    let second = call(place.path(), "run p.yaml")?.expect(0)?;
    ensure!(second.lines().len() == 1 && second.stdout.contains("\"id\":3"), "{second:?}");
    ensure!(call(place.path(), "run p.yaml --fresh")?.expect(0)?.lines().len() == 2);
    Ok(())
}

#[test]
fn mistakes_in_the_file_are_all_shown_with_their_places() -> Result<()> {
    let place = tempfile::tempdir()?;
    let wrong = "pipeline: p\nsource:\n  in: { topic: in }\nsinks:\n  out: { from: in, topik: out }\n";
    write(place.path(), "p.yaml", wrong)?;
    for command in ["run p.yaml", "pipeline check p.yaml", "pipeline explain p.yaml"] {
        call(place.path(), command)?.expect(2)?.tells(&[
            "error: the pipeline is not valid",
            "p.yaml:2:1: ",
            "did you mean `sources`?",
            "p.yaml:5:20: ",
            "did you mean `topic`?",
        ])?;
    }
    call(place.path(), "run missing.yaml")?.expect(2)?.tells(&["cannot read missing.yaml"])?;
    write(
        place.path(),
        "q.yaml",
        "pipeline: p\nsources: { in: { topic: nowhere } }\nsinks: { out: { from: in, topic: out } }\n",
    )?;
    call(place.path(), "run q.yaml")?
        .expect(1)?
        .tells(&["there is no topic `nowhere`", "millstream topic create nowhere"])?;
    let file =
        "pipeline: p\nsources: { in: { file: { path: nowhere.jsonl } } }\nsinks: { out: { from: in, stdout: {} } }\n";
    write(place.path(), "r.yaml", file)?;
    let missing = call(place.path(), "run r.yaml")?.tells(&["nowhere.jsonl"])?;
    ensure!(missing.code != Some(0), "{missing:?}");
    Ok(())
}

const FILTER: &str = "\
pipeline: p
sources: { in: { file: { path: in.jsonl } } }
steps: { big: { from: in, filter: /id > 0, on-error: fail } }
sinks: { out: { from: big, file: { path: out.jsonl } } }
";

#[test]
fn a_broken_record_stops_the_run_is_skipped_or_put_aside() -> Result<()> {
    let place = tempfile::tempdir()?;
    let path = place.path();
    write(path, "in.jsonl", "{\"id\":1}\n{\"id\":2}\nbroken\n{\"id\":4}\n")?;
    write(path, "p.yaml", FILTER)?;
    for _ in 0..2 {
        call(path, "run p.yaml")?.expect(1)?.tells(&[
            "pipeline `p` failed: ",
            "in.jsonl:3",
            "step big",
            "on-error: dead-letter",
        ])?;
    }
    // What came before it is there once, whichever way it goes on.
    write(path, "p.yaml", &FILTER.replace("on-error: fail", "on-error: skip"))?;
    call(path, "run p.yaml")?.expect(0)?;
    ensure!(read(path, "out.jsonl")? == "{\"id\":1}\n{\"id\":2}\n{\"id\":4}\n", "{}", read(path, "out.jsonl")?);

    let aside = FILTER.replace("on-error: fail", "on-error: dead-letter") + "dead-letter: { topic: dead }\n";
    write(path, "p.yaml", &aside)?;
    call(path, "run p.yaml --fresh")?.expect(1)?.tells(&["out.jsonl", "move it away"])?;
    write(path, "p.yaml", &aside.replace("out.jsonl", "aside.jsonl"))?;
    call(path, "run p.yaml --fresh")?.expect(0)?;
    ensure!(read(path, "aside.jsonl")? == read(path, "out.jsonl")?);
    let dead = call(path, "topic consume dead -o json")?.expect(0)?.json()?;
    ensure!(dead["value"] == "broken", "{dead}");
    let headers = dead["headers"].to_string();
    ensure!(headers.contains("big") && headers.contains("in.jsonl:3") && headers.contains("not JSON"), "{headers}");
    Ok(())
}

#[test]
fn interrupts_commit_and_lose_nothing() -> Result<()> {
    let place = tempfile::tempdir()?;
    let path = place.path();
    let yaml = "pipeline: endless\nsources:\n  numbers: { generator: { rate: 20000, fields: { id: { sequence: { start: 1 } } } } }\n\
                sinks: { out: { from: numbers, file: { path: out.jsonl } } }\ncommit: { interval: 20ms }\n";
    write(path, "p.yaml", yaml)?;
    for name in ["INT", "TERM", "INT"] {
        let before = size(path);
        let running = Running::start(millstream().current_dir(path).args(["run", "p.yaml"]), "")?;
        until("more is in the file", || Ok(size(path) > before + 20_000))?;
        signal(running.process(), name)?;
        running.end()?.expect(0)?.tells(&["stopping after a last commit", "endless stopped: "])?;
    }
    let ids = ids(&read(path, "out.jsonl")?)?;
    let all: Vec<u64> = (1..=ids.len() as u64).collect();
    ensure!(ids == all, "{} records are not each there once", ids.len());
    Ok(())
}

fn size(directory: &Path) -> u64 {
    fs::metadata(directory.join("out.jsonl")).map_or(0, |file| file.len())
}

#[test]
fn standard_input_goes_through_and_what_a_reader_does_not_want_is_no_fault() -> Result<()> {
    let place = tempfile::tempdir()?;
    let yaml = "pipeline: p\nsources: { in: { file: { stdin: true, format: csv } } }\n\
                steps: { named: { from: in, map: { name: /name, long: length(/name) > 3 } } }\nsinks: { out: { from: named, stdout: {} } }\n";
    write(place.path(), "p.yaml", yaml)?;
    let ran = call_with(place.path(), "run p.yaml", "name,age\nAda,36\nGrace,85\n")?.expect(0)?;
    ensure!(ran.lines() == ["{\"name\":\"Ada\",\"long\":false}", "{\"name\":\"Grace\",\"long\":true}"], "{ran:?}");
    Ok(())
}

#[test]
fn a_run_ends_in_order_every_time() -> Result<()> {
    let place = tempfile::tempdir()?;
    write(place.path(), "made.yaml", &GENERATED.replace("  file: { from: odd, file: { path: odd.jsonl } }\n", ""))?;
    // The stores are closed while the process ends; nothing may use them then.
    for _ in 0..12 {
        let ran = call(place.path(), "run made.yaml --fresh --quiet")?.expect(0)?;
        ensure!(ran.lines().len() == 5000 && ran.stderr.is_empty(), "{}", ran.stderr);
    }
    Ok(())
}
