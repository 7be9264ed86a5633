//! Projects whose toolchain or packages come from elsewhere: built components with the code of others, and what is said
//! where that cannot be.

use std::path::Path;

use anyhow::{Result, ensure};
use millstream_tests::{Running, millstream, repository};

use crate::{call, passes, write};

/// A Python project of a world that asks for packages.
fn project(place: &Path, world: &str, dependencies: &str, program: &str) -> Result<()> {
    let sdk = repository().join("guest-sdk/python/src");
    std::fs::create_dir_all(place.join("medians"))?;
    let manifest = format!(
        "[project]\nname = \"medians\"\nversion = \"1.0.0\"\ndependencies = [\"{dependencies}\"]\n\n\
         [tool.millstream]\nworld = \"{world}\"\nsdk = \"{}\"\n",
        sdk.display()
    );
    write(place, "medians/pyproject.toml", &manifest)?;
    write(place, "medians/main.py", program)
}

const MEDIANS: &str = "\
from sortedcontainers import SortedList

import millstream as ms

app = ms.Aggregator(list)


@app.add
def add(amounts: list, payment: dict) -> list:
    return list(SortedList([*amounts, payment['amount']]))


@app.merge
def merge(amounts: list, others: list) -> list:
    return list(SortedList([*amounts, *others]))


@app.result
def result(amounts: list, pane: ms.Pane) -> dict:
    return {'user': pane.key_text, 'median': amounts[len(amounts) // 2]}
";

#[test]
fn a_component_in_python_has_the_code_of_a_wheel_and_is_of_the_world_that_is_named() -> Result<()> {
    let place = tempfile::tempdir()?;
    let path = place.path();
    project(path, "aggregator", "sortedcontainers==2.4.0", MEDIANS)?;
    write(
        path,
        "pipeline.yaml",
        "pipeline: medians
sources: { payments: { topic: payments, watermark: { out-of-order: 0s } } }
steps:
  told: { from: payments, key: /user, on-error: dead-letter, window: { hopping: 1h, every: 30m }, aggregator: medians@1.0.0 }
sinks: { told: { from: told, topic: told } }
dead-letter: { topic: dead }
operators: { medians@1.0.0: medians.wasm }
",
    )?;
    let built = call(path, "plugin build medians --to medians.wasm -o json")?.expect(0)?.json()?;
    ensure!(built["world"] == "aggregator" && built["language"] == "python", "{built}");
    passes(
        path,
        "steps:
  - push:
      source: payments
      records:
        - { value: { user: anna, amount: 9 }, timestamp: 31m }
        - { value: { user: anna, amount: 1 }, timestamp: 32m }
        - { value: { user: anna }, timestamp: 33m }
        - { value: { user: anna, amount: 5 }, timestamp: 61m }
  - expect: { topic: dead, records: [{ value: { user: anna } }] }
  - watermark: { source: payments, time: end }
  - expect:
      sink: told
      records:
        - { key: anna, value: { user: anna, median: 9 } }
        - { key: anna, value: { user: anna, median: 5 } }
        - { key: anna, value: { user: anna, median: 5 } }
",
    )
}

#[test]
fn a_world_or_a_package_that_cannot_be_is_told() -> Result<()> {
    let place = tempfile::tempdir()?;
    let path = place.path();
    project(path, "agregator", "six==1.17.0", MEDIANS)?;
    let told = ["field `tool.millstream.world`: `agregator` is no world", "there are: ", "aggregator"];
    call(path, "plugin build medians")?.expect(2)?.tells(&told)?;
    // It has wheels for many machines, and for none that is made of WebAssembly.
    project(path, "aggregator", "psutil==6.1.0", MEDIANS)?;
    call(path, "plugin build medians")?.expect(1)?.tells(&["psutil==6.1.0", "a package must be pure Python"])?;
    Ok(())
}

#[test]
fn a_wasi_sdk_that_is_named_is_taken_or_missed() -> Result<()> {
    let place = tempfile::tempdir()?;
    let path = place.path();
    let built = |sdk: &Path| {
        let mut command = millstream();
        command.args(["plugin", "build"]).arg(repository().join("tests/conformance/operators/c/sums"));
        Running::start(command.env("WASI_SDK_PATH", sdk).current_dir(path), "")?.end()
    };
    built(path)?.expect(1)?.tells(&["WASI_SDK_PATH is set", "bin/clang is not there", "unset WASI_SDK_PATH"])?;
    // What stands for its clang refuses everything, and says what it was asked for.
    std::fs::create_dir_all(path.join("bin"))?;
    write(path, "bin/clang", "#!/bin/sh\necho asked for \"$@\" >&2\nexit 1\n")?;
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(path.join("bin/clang"), executable)?;
    let asked = ["asked for --target=wasm32-wasip1", "-mexec-model=reactor", "sums.c", "millstream.c"];
    built(path)?.expect(1)?.tells(&asked)?;
    Ok(())
}
