use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, ensure};
use millstream_tests::{Running, millstream, until};
use serde_json::Value;

use crate::{call, write};

const ARCHIVE: &str = "\
pipeline: archive
sources:
  numbers:
    generator: { count: 300000, partitions: 2, seed: 7, fields: { id: { sequence: { start: 0 } }, n: { uniform: { min: 0, max: 9 } } } }
steps:
  by-n: { from: numbers, key: /n, partitions: 2 }
sinks:
  lines: { from: numbers, files: { directory: out/lines, roll: { records: 10000 } } }
  sheet: { from: by-n, files: { directory: out/sheet, format: csv, columns: { id: /id }, roll: { size: 100kB } } }
";

/// What readers see in a directory: the files whose names do not begin with a dot.
fn files(directory: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    if directory.is_dir() {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let name = path.file_name().context("a name")?.to_string_lossy().into_owned();
            if !name.starts_with('.') {
                files.insert(name, fs::read_to_string(path)?);
            }
        }
    }
    Ok(files)
}

fn ids(directory: &Path) -> Result<Vec<u64>> {
    let mut ids = Vec::new();
    for (name, text) in files(directory)? {
        for line in text.lines().skip(usize::from(name.ends_with(".csv"))) {
            let value: Value = serde_json::from_str(line).with_context(|| format!("{name}: {line}"))?;
            ids.push(value["id"].as_u64().or(value.as_u64()).with_context(|| format!("{name}: {line}"))?);
        }
    }
    ids.sort_unstable();
    Ok(ids)
}

#[test]
fn files_hold_every_record_once_whenever_the_process_is_killed() -> Result<()> {
    let place = tempfile::tempdir()?;
    write(place.path(), "archive.yaml", ARCHIVE)?;
    let (lines, sheet) = (place.path().join("out/lines"), place.path().join("out/sheet"));
    let mut seen = BTreeMap::new();
    for round in 1..=4 {
        let running = Running::start(millstream().current_dir(place.path()).args(["run", "archive.yaml"]), "")?;
        until("more files", || Ok(files(&lines)?.len() >= round * 4))?;
        // Kills it.
        drop(running);
        for (name, text) in seen {
            ensure!(files(&lines)?.get(&name) == Some(&text), "{name} has changed");
        }
        seen = files(&lines)?;
        for text in seen.values() {
            let is_whole = text.ends_with("}\n") && text.lines().count() <= 10_000;
            ensure!(is_whole, "a file that is not complete");
        }
    }
    call(place.path(), "run archive.yaml")?.expect(0)?;
    let all: Vec<u64> = (0..300_000).collect();
    for directory in [&lines, &sheet] {
        ensure!(ids(directory)? == all, "{}: {:?}", directory.display(), files(directory)?.keys());
        let entries = fs::read_dir(directory)?.count();
        ensure!(entries == files(directory)?.len(), "nothing hidden is left in {}", directory.display());
    }
    call(place.path(), "run archive.yaml")?.expect(0)?;
    ensure!(ids(&lines)? == all, "nothing is written again");
    Ok(())
}

#[test]
fn a_url_without_a_store_is_told() -> Result<()> {
    let place = tempfile::tempdir()?;
    let yaml = "pipeline: p\nsources: { in: { generator: { count: 1, fields: { id: { sequence: {} } } } } }\n\
                sinks: { out: { from: in, files: { url: \"ftp://host/out?password=secret\" } } }\n";
    write(place.path(), "p.yaml", yaml)?;
    let ran = call(place.path(), "run p.yaml")?.tells(&["sink out: `ftp://host/out` is no place for files"])?;
    ensure!(ran.code != Some(0) && !ran.stderr.contains("secret"), "{ran:?}");
    Ok(())
}
