//! The settings of a host: a YAML file, and options of the command line before it.

use std::{
    collections::BTreeMap,
    num::NonZeroU64,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use millstream_checkpoint::snapshots::SnapshotSettings;
use millstream_log_kafka::{Assignor, GroupProtocol, KafkaConfig};
use millstream_pipeline::spec::{parse_byte_size, parse_duration};
use millstream_runtime::SnapshotPace;
use serde::Deserialize;

use crate::{
    args::HostArgs,
    failure::{Failure, INVALID},
};

const DEFAULT_DATA_DIR: &str = "millstream-data";

/// The file as it is written. Sizes are such as `64MiB`, durations such as `10s`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", expecting = "names with settings")]
struct File {
    data_dir: Option<PathBuf>,
    registry: Option<String>,
    listen: Option<String>,
    host_id: Option<String>,
    kafka: Option<KafkaSection>,
    memory: MemorySection,
    snapshots: Option<SnapshotSection>,
    guests: GuestSection,
    api: ApiSection,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", expecting = "names with settings")]
struct KafkaSection {
    bootstrap: Option<String>,
    properties: BTreeMap<String, String>,
    group_protocol: Option<String>,
    assignor: Option<String>,
    replication_factor: Option<u16>,
    transaction_timeout: Option<String>,
    request_timeout: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", expecting = "names with settings")]
struct MemorySection {
    cache: Option<String>,
    blocks: Option<String>,
    write_buffers: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", expecting = "names with settings")]
struct SnapshotSection {
    location: Option<String>,
    interval: Option<String>,
    bytes: Option<String>,
    keep: Option<usize>,
    upload_rate: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", expecting = "names with settings")]
struct GuestSection {
    component: Option<String>,
    code_cache: Option<String>,
    code_cache_age: Option<String>,
    interpreters: Option<PathBuf>,
    memory: Option<String>,
    batch_deadline: Option<String>,
    setup_deadline: Option<String>,
    output: Option<String>,
    output_records: Option<usize>,
    log_lines_per_second: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", expecting = "names with settings")]
struct ApiSection {
    body: Option<String>,
    stuck_after: Option<String>,
}

/// Where snapshots of state go, and how often.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotConfig {
    pub(crate) location: String,
    pub(crate) pace: SnapshotPace,
    pub(crate) keep: usize,
    pub(crate) settings: SnapshotSettings,
}

/// Everything that a host is made of.
#[derive(Debug)]
pub(crate) struct HostConfig {
    pub(crate) data_dir: PathBuf,
    pub(crate) registry: String,
    pub(crate) listen: String,
    pub(crate) host_id: String,
    /// `None`: the embedded log.
    pub(crate) kafka: Option<KafkaConfig>,
    /// `None`: no snapshots; recovery replays changelogs.
    pub(crate) snapshots: Option<SnapshotConfig>,
    pub(crate) cache_bytes: usize,
    pub(crate) block_cache_bytes: usize,
    pub(crate) write_buffer_bytes: usize,
    pub(crate) component_bytes: usize,
    /// Bounds of compiled code that is kept for what is not registered.
    pub(crate) code_cache_bytes: usize,
    pub(crate) code_cache_age: Duration,
    /// Where interpreters are looked for first.
    pub(crate) interpreters: Option<PathBuf>,
    pub(crate) guests: millstream_wasm::Limits,
    pub(crate) api: millstream_api::Limits,
}

impl HostConfig {
    /// Reads the file that the options name, if they name one, and puts the options before it.
    pub(crate) fn load(args: &HostArgs) -> Result<Self> {
        let (file, path) = match &args.config {
            Some(path) => (read(path)?, path.display().to_string()),
            None => (File::default(), String::new()),
        };
        let read = Reader { file: &path };
        let data_dir = args.data_dir.clone().or(file.data_dir).unwrap_or_else(|| DEFAULT_DATA_DIR.into());
        let registry = args.registry.clone().or(file.registry);
        let mut guests = millstream_wasm::Limits::default();
        read.size(&mut guests.memory_bytes, "guests.memory", file.guests.memory)?;
        read.size(&mut guests.output_bytes, "guests.output", file.guests.output)?;
        read.duration(&mut guests.batch_deadline, "guests.batch-deadline", file.guests.batch_deadline)?;
        read.duration(&mut guests.setup_deadline, "guests.setup-deadline", file.guests.setup_deadline)?;
        guests.output_records = file.guests.output_records.unwrap_or(guests.output_records);
        guests.log_lines_per_second = file.guests.log_lines_per_second.unwrap_or(guests.log_lines_per_second);
        let engine = millstream_wasm::EngineConfig::default();
        let (mut code_cache_bytes, mut code_cache_age) = (engine.cache_bytes as usize, engine.cache_age);
        read.size(&mut code_cache_bytes, "guests.code-cache", file.guests.code_cache)?;
        read.duration(&mut code_cache_age, "guests.code-cache-age", file.guests.code_cache_age)?;
        let mut api = millstream_api::Limits::default();
        read.size(&mut api.body_bytes, "api.body", file.api.body)?;
        read.duration(&mut api.stuck_after, "api.stuck-after", file.api.stuck_after)?;
        read.size(&mut api.component_bytes, "guests.component", file.guests.component)?;
        let (mut cache_bytes, mut block_cache_bytes, mut write_buffer_bytes) = (256 << 20, 256 << 20, 256 << 20);
        read.size(&mut cache_bytes, "memory.cache", file.memory.cache)?;
        read.size(&mut block_cache_bytes, "memory.blocks", file.memory.blocks)?;
        read.size(&mut write_buffer_bytes, "memory.write-buffers", file.memory.write_buffers)?;
        Ok(Self {
            registry: registry.unwrap_or_else(|| data_dir.join("registry").display().to_string()),
            data_dir,
            listen: file.listen.unwrap_or_else(|| "127.0.0.1:8080".into()),
            host_id: file.host_id.unwrap_or_else(host_name),
            kafka: kafka(args, file.kafka, &read)?,
            snapshots: file.snapshots.map(|section| snapshots(section, &read)).transpose()?,
            cache_bytes,
            block_cache_bytes,
            write_buffer_bytes,
            component_bytes: api.component_bytes,
            code_cache_bytes,
            code_cache_age,
            interpreters: file.guests.interpreters,
            guests,
            api,
        })
    }
}

fn snapshots(section: SnapshotSection, read: &Reader<'_>) -> Result<SnapshotConfig> {
    let Some(location) = section.location else {
        return Err(read.wrong("snapshots.location", "is missing: a directory, or a URL such as s3://bucket/prefix"));
    };
    let mut pace = SnapshotPace::default();
    let (mut bytes, mut rate) = (usize::try_from(pace.bytes).unwrap_or(usize::MAX), 0);
    read.duration(&mut pace.interval, "snapshots.interval", section.interval)?;
    read.size(&mut bytes, "snapshots.bytes", section.bytes)?;
    read.size(&mut rate, "snapshots.upload-rate", section.upload_rate)?;
    pace.bytes = bytes as u64;
    pace.least = pace.least.min(pace.interval);
    let keep = section.keep.unwrap_or(3);
    if keep == 0 {
        return Err(read.wrong("snapshots.keep", "must be at least 1"));
    }
    let settings = SnapshotSettings { upload_bytes_per_second: NonZeroU64::new(rate as u64), ..Default::default() };
    Ok(SnapshotConfig { location, pace, keep, settings })
}

fn read(path: &Path) -> Result<File> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(INVALID, format!("cannot read {}: {error}", path.display())))?;
    marked_yaml::from_yaml(0, &text).map_err(|error| {
        let place = match &error {
            marked_yaml::FromYamlError::FromNode(error) => error.start_mark(),
            marked_yaml::FromYamlError::ParseYaml(_) => None,
        };
        let place = place.map(|mark| format!(":{}:{}", mark.line(), mark.column())).unwrap_or_default();
        Failure::new(INVALID, format!("{}{place}: {error}", path.display())).into()
    })
}

/// Reads single settings, and says which one is wrong.
struct Reader<'a> {
    file: &'a str,
}

impl Reader<'_> {
    fn refused(&self, setting: &str, text: &str, expected: &str) -> anyhow::Error {
        Failure::new(INVALID, format!("{}: {setting}: `{text}` is not {expected}", self.file)).into()
    }

    fn wrong(&self, setting: &str, what: &str) -> anyhow::Error {
        Failure::new(INVALID, format!("{}: {setting} {what}", self.file)).into()
    }

    fn size(&self, into: &mut usize, setting: &str, text: Option<String>) -> Result<()> {
        if let Some(text) = text {
            *into = parse_byte_size(&text).ok_or_else(|| self.refused(setting, &text, "a size such as 64MiB"))?;
        }
        Ok(())
    }

    fn duration(&self, into: &mut Duration, setting: &str, text: Option<String>) -> Result<()> {
        if let Some(text) = text {
            *into = parse_duration(&text).ok_or_else(|| self.refused(setting, &text, "a duration such as 10s"))?;
        }
        Ok(())
    }
}

fn kafka(args: &HostArgs, section: Option<KafkaSection>, read: &Reader<'_>) -> Result<Option<KafkaConfig>> {
    let wanted = args.kafka.is_some() || section.is_some();
    let section = section.unwrap_or_default();
    let mut config = KafkaConfig { properties: section.properties, ..KafkaConfig::default() };
    if let Some(servers) = args.kafka.clone().or(section.bootstrap) {
        config.properties.insert("bootstrap.servers".into(), servers);
    }
    for property in &args.kafka_properties {
        let (name, value) = property
            .split_once('=')
            .ok_or_else(|| Failure::new(INVALID, format!("`{property}` is not a property; expected NAME=VALUE")))?;
        config.properties.insert(name.trim().into(), value.trim().into());
    }
    if !wanted {
        if config.properties.is_empty() {
            return Ok(None);
        }
        return Err(Failure::new(INVALID, "--kafka-property was given without --kafka").into());
    }
    if let Some(protocol) = section.group_protocol {
        config.group_protocol = protocol
            .parse::<GroupProtocol>()
            .map_err(|_| read.refused("kafka.group-protocol", &protocol, "`consumer` or `classic`"))?;
    }
    if let Some(assignor) = section.assignor {
        if config.group_protocol != GroupProtocol::Classic {
            return Err(read.wrong("kafka.assignor", "is of `group-protocol: classic`; otherwise the broker assigns"));
        }
        config.assignor = assignor
            .parse::<Assignor>()
            .map_err(|_| read.refused("kafka.assignor", &assignor, "`range` or `cooperative-sticky`"))?;
    }
    config.replication_factor = section.replication_factor.or(config.replication_factor);
    read.duration(&mut config.transaction_timeout, "kafka.transaction-timeout", section.transaction_timeout)?;
    read.duration(&mut config.request_timeout, "kafka.request-timeout", section.request_timeout)?;
    Ok(Some(config))
}

/// The machine's name; what Kafka fences old sessions by, so it must stay the same across restarts.
fn host_name() -> String {
    let read = |path: &str| std::fs::read_to_string(path).ok().map(|name| name.trim().to_owned());
    read("/proc/sys/kernel/hostname")
        .or_else(|| read("/etc/hostname"))
        .or_else(|| std::env::var("HOSTNAME").ok())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(yaml: &str, args: &HostArgs) -> Result<HostConfig> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("millstream.yaml");
        std::fs::write(&path, yaml)?;
        HostConfig::load(&HostArgs { config: Some(path), ..args.clone() })
    }

    #[test]
    fn options_go_before_the_file() {
        let yaml = "data-dir: /data\nlisten: 0.0.0.0:9000\nkafka:\n  bootstrap: a:1\n  properties:\n    linger.ms: 7\n\
                    guests:\n  memory: 64MiB\n";
        let args = HostArgs {
            kafka: Some("b:2".into()),
            kafka_properties: vec!["sasl.mechanism=PLAIN".into()],
            ..HostArgs::default()
        };
        let config = load(yaml, &args).expect("a configuration");
        assert_eq!(config.data_dir, PathBuf::from("/data"));
        assert_eq!(config.registry, "/data/registry");
        assert_eq!(config.listen, "0.0.0.0:9000");
        assert_eq!(config.guests.memory_bytes, 64 << 20);
        let properties = config.kafka.expect("kafka").properties;
        let pairs: Vec<_> = properties.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("bootstrap.servers", "b:2"), ("linger.ms", "7"), ("sasl.mechanism", "PLAIN")]);
    }

    #[test]
    fn mistakes_are_named() {
        for (yaml, named) in [
            ("data-dirr: x", ":1:1: data-dirr"),
            ("guests:\n  memory: lots", "guests.memory"),
            ("kafka: 3", ":1:8: kafka"),
            ("kafka: { bootstrap: a:1, group-protocol: eager }", "`consumer` or `classic`"),
            ("kafka: { bootstrap: a:1, group-protocol: classic, assignor: sticky }", "`range` or `cooperative-sticky`"),
            ("kafka: { bootstrap: a:1, assignor: range }", "kafka.assignor is of `group-protocol: classic`"),
        ] {
            let error = load(yaml, &HostArgs::default()).expect_err(yaml).to_string();
            assert!(error.contains(named), "{error}");
        }
        let args = HostArgs { kafka_properties: vec!["a=b".into()], ..HostArgs::default() };
        assert!(HostConfig::load(&args).is_err());
    }
}
