//! A host over the memory log with operators written as closures.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "test code ends where its premises do not hold")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use millstream_log::{Log, Routing, StartPosition, TopicSpec, memory::MemoryLog};
use millstream_operator::{
    Operator, OperatorDescription, OperatorError, OperatorFactory, OutputBatch, ProcessInput, ProcessOutput,
    RecordFailure, StateChange, StateSlot,
};
use millstream_pipeline::{OperatorCatalog, parse, plan};
use millstream_runtime::{Host, LocalFiles, OperatorResolver, PipelineHandle, Rules, Snapshots, StartOptions, start};
use millstream_state::{CacheBudget, MemoryBackends, StateBackends, StateDeclaration, StateHandle, StateKind};
use millstream_types::{BytesColumn, Clock, Digest, OperatorRef, RecordBatch, RecordRef, SystemClock};

/// Counts the records of each key of `in` into `out`, on two workers.
pub const COUNT: &str = "
pipeline: counting
sources: { in: { topic: in } }
steps:
  count: { from: in, operator: count@1.0.0 }
sinks: { out: { from: count, topic: out } }
workers: 2
commit: { interval: 5ms }
batch: { records: 64 }
";

pub type Logic =
    Arc<dyn Fn(&ProcessInput<'_>, &mut StateSlot, &str) -> Result<ProcessOutput, OperatorError> + Send + Sync>;

/// An operator version made of a closure.
#[derive(Clone)]
pub struct Native {
    pub operator: OperatorRef,
    pub description: OperatorDescription,
    pub logic: Logic,
}

impl OperatorFactory for Native {
    fn operator(&self) -> Option<&OperatorRef> {
        Some(&self.operator)
    }

    fn digest(&self) -> Option<Digest> {
        Some(Digest([7; 32]))
    }

    fn description(&self) -> &OperatorDescription {
        &self.description
    }

    fn instantiate(&self, step: &str) -> Result<Box<dyn Operator>, OperatorError> {
        Ok(Box::new(NativeInstance { logic: self.logic.clone(), step: step.into() }))
    }
}

struct NativeInstance {
    logic: Logic,
    step: String,
}

impl Operator for NativeInstance {
    fn process(&mut self, input: &ProcessInput<'_>, state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        (self.logic)(input, state, &self.step)
    }
}

/// Emits every record as it is.
pub fn pass(input: &ProcessInput<'_>) -> ProcessOutput {
    let sources = (0..input.batch.len() as u32).collect();
    ProcessOutput {
        outputs: vec![OutputBatch { output: 0, sources, batch: input.batch.clone() }],
        ..Default::default()
    }
}

/// Counts the records of each key in the prefetched state `count`, and emits `prefix` and the count so far.
pub fn counter(name: &str, prefix: &'static str, schema_version: u32) -> Native {
    let state =
        StateDeclaration { name: "count".into(), kind: StateKind::Value, schema_version, ttl: None, prefetch: true };
    counter_of(name, prefix, state)
}

/// As [`counter`], with another declaration of its state.
pub fn counter_of(name: &str, prefix: &'static str, state: StateDeclaration) -> Native {
    let description =
        OperatorDescription { outputs: vec!["main".into()], states: vec![state.clone()], ..Default::default() };
    let logic: Logic = Arc::new(move |input, slot, step| {
        let handle = StateHandle::new(step, &state);
        let stored = slot.as_mut().expect("a task with state").get_groups(&handle, input.groups)?;
        let mut counts: Vec<u64> = stored
            .iter()
            .map(|value| value.map_or(0, |value| u64::from_le_bytes(value.try_into().expect("8 bytes"))))
            .collect();
        let mut batch = RecordBatch::default();
        for (index, &group) in input.groups.group_of.iter().enumerate() {
            counts[group as usize] += 1;
            let text = format!("{prefix}{}", counts[group as usize]);
            batch.push(RecordRef { value: Some(text.as_bytes()), ..input.batch.record(index) });
        }
        let values: BytesColumn = counts.iter().map(|count| Some(count.to_le_bytes())).collect();
        Ok(ProcessOutput {
            outputs: vec![OutputBatch { output: 0, sources: (0..batch.len() as u32).collect(), batch }],
            changes: vec![StateChange { state: 0, groups: (0..counts.len() as u32).collect(), values }],
            ..Default::default()
        })
    });
    Native { operator: name.parse().expect("a reference"), description, logic }
}

/// Passes every record but those whose value contains `poison`, which it treats as `how` says.
pub fn picky(name: &str, how: Poison) -> Native {
    let logic: Logic = Arc::new(move |input, _, _| {
        let poisoned =
            |index: usize| input.batch.values.get(index).is_some_and(|value| value.windows(6).any(|w| w == b"poison"));
        let bad: Vec<usize> = (0..input.batch.len()).filter(|&index| poisoned(index)).collect();
        if how == Poison::Traps && !bad.is_empty() {
            return Err(OperatorError::Trapped("unreachable".into()));
        }
        let good: Vec<u32> = (0..input.batch.len() as u32).filter(|index| !bad.contains(&(*index as usize))).collect();
        let failures = bad.iter().map(|&record| RecordFailure { record: record as u32, reason: "bad apple".into() });
        Ok(ProcessOutput {
            failures: failures.collect(),
            outputs: vec![OutputBatch { output: 0, batch: input.batch.take(&good), sources: good }],
            ..Default::default()
        })
    });
    let description = OperatorDescription { outputs: vec!["main".into()], ..Default::default() };
    Native { operator: name.parse().expect("a reference"), description, logic }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Poison {
    Fails,
    Traps,
}

#[derive(Clone, Default)]
pub struct Operators(pub BTreeMap<OperatorRef, Native>);

impl Operators {
    pub fn with(mut self, operator: Native) -> Self {
        self.0.insert(operator.operator.clone(), operator);
        self
    }
}

impl OperatorResolver for Operators {
    fn resolve(&self, operator: &OperatorRef, _config: &str) -> Result<Arc<dyn OperatorFactory>, String> {
        match self.0.get(operator) {
            Some(native) => Ok(Arc::new(native.clone())),
            None => Err(format!("{operator} is not registered")),
        }
    }
}

impl OperatorCatalog for Operators {
    fn describe(&self, operator: &OperatorRef) -> Option<OperatorDescription> {
        self.0.get(operator).map(|native| native.description.clone())
    }
}

/// What outlives a pipeline: the log and the stores.
#[derive(Clone)]
pub struct World {
    pub log: MemoryLog,
    pub backends: Arc<dyn StateBackends>,
    pub operators: Operators,
    pub clock: Arc<dyn Clock>,
    pub snapshots: Option<Snapshots>,
}

impl World {
    pub fn new(operators: Operators) -> Self {
        Self {
            log: MemoryLog::new(),
            backends: Arc::new(MemoryBackends::default()),
            operators,
            clock: Arc::new(SystemClock),
            snapshots: None,
        }
    }

    /// The same log, and stores that lost everything, as on another machine.
    pub fn without_local_state(&self) -> Self {
        Self { backends: Arc::new(MemoryBackends::default()), ..self.clone() }
    }

    pub fn topic(&self, name: &str, partitions: u32) {
        self.log.create_topic(&TopicSpec::new(name, partitions)).expect("a topic");
    }

    pub fn produce(&self, topic: &str, records: impl IntoIterator<Item = (String, String)>) {
        produce(&self.log, topic, records);
    }

    pub fn start(&self, yaml: &str, options: StartOptions) -> PipelineHandle {
        self.start_on(self.host(), yaml, options)
    }

    pub fn start_on(&self, host: Host, yaml: &str, options: StartOptions) -> PipelineHandle {
        let spec = parse("pipeline.yaml", yaml).expect("a valid pipeline");
        let plan = plan(&spec, &self.operators).expect("a plan");
        start(plan, host, options).expect("started")
    }

    pub fn host(&self) -> Host {
        Host {
            log: Arc::new(self.log.clone()),
            backends: self.backends.clone(),
            cache: Arc::new(CacheBudget::new(16 << 20)),
            clock: self.clock.clone(),
            host_id: "test".into(),
            operators: Arc::new(self.operators.clone()),
            sinks: Arc::new(LocalFiles::new(std::env::temp_dir())),
            snapshots: self.snapshots.clone(),
            rules: Rules::default(),
            probe: None,
        }
    }

    pub fn run_until_drained(&self, yaml: &str) -> millstream_runtime::PipelineStatus {
        self.start(yaml, StartOptions { until_drained: true }).wait()
    }

    /// All committed records of a topic: partition by partition, in order.
    pub fn read(&self, topic: &str) -> Vec<Read> {
        read(&self.log, topic)
    }
}

/// Writes records in one batch.
pub fn produce(log: &dyn Log, topic: &str, records: impl IntoIterator<Item = (String, String)>) {
    let mut writer = log.writer().expect("a writer");
    let topic: Arc<str> = topic.into();
    let mut batch = RecordBatch::default();
    for (index, (key, value)) in records.into_iter().enumerate() {
        batch.push(RecordRef { key: Some(key.as_bytes()), value: Some(value.as_bytes()), timestamp_ms: index as i64 });
    }
    writer.write(&topic, Routing::ByKey, &batch).expect("written");
    writer.flush().expect("flushed");
}

/// All committed records of a topic: partition by partition, in order.
pub fn read(log: &dyn Log, topic: &str) -> Vec<Read> {
    let info = log.topic(topic).expect("readable").expect("there");
    let end: i64 = info.offsets.iter().map(|(first, end)| end - first).sum();
    let mut reader = log.reader(topic, StartPosition::Earliest).expect("a reader");
    let mut records = Vec::new();
    while (records.len() as i64) < end {
        // Where nothing comes, the rest is what logs keep between records.
        let Some(fetched) = reader.poll(Duration::from_secs(5)).expect("readable") else { break };
        for index in 0..fetched.batch.len() {
            let record = fetched.batch.record(index);
            let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            let headers = fetched.batch.headers.get(index);
            records.push(Read {
                partition: fetched.partition.partition,
                offset: fetched.offsets[index],
                key: text(record.key),
                value: text(record.value).unwrap_or_default(),
                headers: headers
                    .map(|(name, value)| (text(Some(name)).unwrap_or_default(), text(value).unwrap_or_default()))
                    .collect(),
            });
        }
    }
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    pub partition: u32,
    pub offset: i64,
    pub key: Option<String>,
    pub value: String,
    pub headers: BTreeMap<String, String>,
}

/// `count` records over `keys` keys, values numbered.
pub fn numbered(count: usize, keys: usize) -> impl Iterator<Item = (String, String)> {
    (0..count).map(move |index| (format!("k{}", index % keys), format!("{{\"n\":{index},\"k\":\"g{}\"}}", index % 7)))
}

/// Checks that counts emitted for each key are 1, 2, 3, ... without a gap or a repetition, in order.
pub fn assert_counted_once(records: &[Read], expected: usize) {
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for record in records {
        let count: u64 = record.value.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().expect("a count");
        let before = last.insert(record.key.clone().expect("a key"), count).unwrap_or(0);
        assert_eq!(count, before + 1, "key {:?}", record.key);
    }
    assert_eq!(records.len(), expected);
}
