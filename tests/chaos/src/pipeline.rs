//! The pipeline under test: a stateless step, a shuffle with totals by key, another one with totals by group.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use millstream_tests::Client;

/// Its name.
pub const NAME: &str = "chaos";
/// What it reads.
pub const INPUT: &str = "chaos-in";
/// The totals by key.
pub const BY_KEY: &str = "chaos-by-key";
/// The totals by group.
pub const BY_GROUP: &str = "chaos-by-group";

/// The sink that writes what `by-key` emits to files.
pub const ARCHIVE: &str = "archive";

/// Partitions of the input.
const PARTITIONS: u32 = 4;

/// Steps that are swapped, and the versions that they are swapped between.
pub const SWAPPED_STEPS: [&str; 2] = ["by-key", "by-group"];
/// Versions of the operator, with one logic and one state.
pub const VERSIONS: [&str; 2] = ["totals@1.0.0", "totals@2.0.0"];

/// `by-group` lies behind a second shuffle, so that topics in the middle are written and read by transactions. Retries
/// reach over every outage of a round.
const YAML: &str = "
pipeline: chaos
sources: { in: { topic: chaos-in } }
steps:
  pass: { from: in, operator: echo@1.0.0 }
  by-key: { from: pass, key: /key, partitions: 4, operator: totals@1.0.0 }
  by-group: { from: by-key, key: /group, partitions: 2, operator: totals@1.0.0 }
sinks:
  by-key: { from: by-key, topic: chaos-by-key }
  by-group: { from: by-group, topic: chaos-by-group }
  archive: { from: by-key, files: { url: 'ARCHIVE', roll: { age: 1s, records: 500 } } }
delivery: DELIVERY
standby: STANDBYS
workers: 2
commit: { interval: 50ms }
retry: { attempts: 100, backoff: 100ms }
";

/// Registers the operators and the pipeline, and starts it. `delivery` and `standbys` are what its file says, `archive`
/// the URL that files go to.
///
/// # Errors
/// When something is refused.
pub fn launch(client: &Client, delivery: &str, standbys: u32, archive: &str) -> Result<()> {
    let components = millstream_tests::operators_of("tests/guests")?;
    for (operator, file) in [("echo@1.0.0", "echo"), (VERSIONS[0], "totals_v1"), (VERSIONS[1], "totals_v2")] {
        client.push(operator, &component(&components, file)?)?;
    }
    client.create_topic(INPUT, PARTITIONS)?;
    let yaml = YAML.replace("DELIVERY", delivery).replace("STANDBYS", &standbys.to_string());
    client.launch(NAME, &yaml.replace("ARCHIVE", archive))
}

fn component(directory: &Path, name: &str) -> Result<Vec<u8>> {
    let path = directory.join(format!("{name}.wasm"));
    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}
