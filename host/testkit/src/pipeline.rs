//! A pipeline that a test drives.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use millstream_log::{Log, LogError, Routing, StartPosition, TopicReader, TopicSpec, memory::MemoryLog};
use millstream_operator::{OperatorDescription, OperatorFactory};
use millstream_pipeline::{OperatorCatalog, plan::Plan};
use millstream_runtime::{
    Failure, Host, LocalFiles, ManualPipeline, OperatorResolver, Rules, StartError, StateContent, SteppedWorker,
};
use millstream_state::{CacheBudget, MemoryBackends};
use millstream_types::{Clock, ManualClock, OperatorRef, RecordBatch, RecordRef};

use crate::{
    Output, Record,
    in_memory::{self, Topics},
};

/// What a test pipeline runs on.
#[derive(Clone, Debug)]
pub struct Options {
    /// Partitions of sources that are topics or many files; generators and single files have those of the pipeline
    /// file.
    pub partitions: u32,
    /// Partitions of single sources.
    pub source_partitions: BTreeMap<String, u32>,
    /// Processing time at the beginning, milliseconds since 1970.
    pub start_ms: i64,
}

impl Default for Options {
    fn default() -> Self {
        Self { partitions: 1, source_partitions: BTreeMap::new(), start_ms: 0 }
    }
}

/// What went wrong with a test pipeline.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TestError {
    /// The pipeline cannot be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The pipeline failed, and does nothing any more until it is restarted.
    #[error("the pipeline has stopped: {0}")]
    Stopped(String),
    /// The pipeline has nothing of that name.
    #[error("the pipeline has no {what} `{name}`")]
    Unknown {
        /// What it was taken for.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A source has fewer partitions.
    #[error("source `{source_name}` has {partitions} partitions, and {partition} is none of them; they count from 0")]
    Partition {
        /// The source.
        source_name: String,
        /// The partition that was asked for.
        partition: u32,
        /// How many there are.
        partitions: u32,
    },
    /// The log in memory refused something.
    #[error("{0}")]
    Log(String),
}

impl From<LogError> for TestError {
    fn from(error: LogError) -> Self {
        Self::Log(error.to_string())
    }
}

/// For pipelines that use no registered operators.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOperators;

impl OperatorCatalog for NoOperators {
    fn describe(&self, _: &OperatorRef) -> Option<OperatorDescription> {
        None
    }
}

impl OperatorResolver for NoOperators {
    fn resolve(&self, operator: &OperatorRef, _: &str) -> Result<Arc<dyn OperatorFactory>, String> {
        Err(format!("{operator} is not registered"))
    }
}

/// A pipeline in memory that does what its test says, when it says so.
///
/// Whatever the pipeline reads from and writes to is a topic in memory; stages, shuffles, partitions, state and
/// commits are as they are in production. Each call comes back when the pipeline is at rest: everything is processed
/// and committed that can be at this moment.
pub struct TestPipeline {
    plan: Plan,
    options: Options,
    log: MemoryLog,
    clock: Arc<ManualClock>,
    host: Host,
    topics: Topics,
    readers: HashMap<Arc<str>, Box<dyn TopicReader>>,
    pipeline: ManualPipeline,
    /// `None` once it has failed.
    worker: Option<SteppedWorker>,
    stopped: Option<String>,
}

impl std::fmt::Debug for TestPipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestPipeline").field("pipeline", &self.plan.pipeline).finish_non_exhaustive()
    }
}

impl TestPipeline {
    /// A pipeline that has read nothing yet.
    ///
    /// # Errors
    /// When an operator cannot be made, sources that meet in one stage have different numbers of partitions, or the
    /// options name a source that there is not.
    pub fn new(mut plan: Plan, operators: Arc<dyn OperatorResolver>, options: &Options) -> Result<Self, TestError> {
        let topics = in_memory::replace(&mut plan, options)?;
        let log = MemoryLog::new();
        create(&log, &topics)?;
        let clock = Arc::new(ManualClock::new(options.start_ms));
        let host = Host {
            log: Arc::new(log.clone()),
            backends: Arc::new(MemoryBackends::new()),
            cache: Arc::new(CacheBudget::new(64 << 20)),
            clock: clock.clone(),
            host_id: "test".into(),
            operators,
            sinks: Arc::new(LocalFiles::new(std::env::temp_dir())),
            snapshots: None,
            rules: Rules::default(),
            probe: None,
        };
        let pipeline = ManualPipeline::new(plan.clone(), host.clone(), 1)?;
        let mut test = Self {
            plan,
            options: options.clone(),
            log,
            clock,
            host,
            topics,
            readers: HashMap::new(),
            pipeline,
            worker: None,
            stopped: None,
        };
        test.open()?;
        Ok(test)
    }

    fn open(&mut self) -> Result<(), TestError> {
        let worker = self.pipeline.open_worker(0);
        self.worker = Some(self.or_stopped(worker)?);
        self.settle()
    }

    fn or_stopped<T>(&mut self, outcome: Result<T, Failure>) -> Result<T, TestError> {
        outcome.map_err(|failure| {
            self.worker = None;
            self.stopped = Some(failure.reason.clone());
            TestError::Stopped(failure.reason)
        })
    }

    fn worker(&mut self) -> Result<&mut SteppedWorker, TestError> {
        let reason = self.stopped.clone().unwrap_or_else(|| "it was closed".into());
        self.worker.as_mut().ok_or(TestError::Stopped(reason))
    }

    fn settle(&mut self) -> Result<(), TestError> {
        let outcome = self.worker()?.settle();
        self.or_stopped(outcome)
    }

    /// Processing time, milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Puts records into a source, as one batch for each partition.
    ///
    /// # Errors
    /// When there is no such source or partition, or the pipeline fails on the records.
    pub fn push(&mut self, source: &str, records: &[Record]) -> Result<(), TestError> {
        let (topic, partitions) = self.source(source)?;
        let mut batches: BTreeMap<Option<u32>, RecordBatch> = BTreeMap::new();
        for record in records {
            if let Some(partition) = record.partition.filter(|partition| *partition >= partitions) {
                return Err(TestError::Partition { source_name: source.into(), partition, partitions });
            }
            let batch = batches.entry(record.partition).or_default();
            let headers = record.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref()));
            let timestamp_ms = record.timestamp_ms.unwrap_or_else(|| self.clock.now_ms());
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            batch.push_with_headers(RecordRef { key, value, timestamp_ms }, headers);
        }
        self.worker()?;
        let mut writer = self.log.writer()?;
        for (partition, batch) in batches {
            writer.write(&topic, partition.map_or(Routing::ByKey, Routing::To), &batch)?;
        }
        writer.flush()?;
        self.settle()
    }

    fn source(&self, source: &str) -> Result<(Arc<str>, u32), TestError> {
        let unknown = || TestError::Unknown { what: "source", name: source.into() };
        self.topics.sources.get(source).cloned().ok_or_else(unknown)
    }

    /// Lets processing time go on. Timers of processing time on the way fire at their time, one after another.
    ///
    /// # Errors
    /// When the pipeline fails on what is due.
    pub fn advance(&mut self, by: Duration) -> Result<(), TestError> {
        let until = self.now_ms().saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
        loop {
            let left = Duration::from_millis(u64::try_from(until.saturating_sub(self.now_ms())).unwrap_or(0));
            let next = self.worker()?.until_next_timer(left);
            let Some(next) = self.or_stopped(next)? else { break };
            let step = i64::try_from(next.as_millis()).unwrap_or(i64::MAX);
            self.clock.set(self.now_ms().saturating_add(step).min(until));
            self.settle()?;
            if step == 0 {
                break;
            }
        }
        self.clock.set(until);
        self.settle()
    }

    /// Lets event time of a source go on without a record, in one partition or in all: its watermark is
    /// `watermark_ms` from now on, unless it is later already. `i64::MAX`: nothing comes any more.
    ///
    /// # Errors
    /// When there is no such source or partition, or the pipeline fails on what is due.
    pub fn watermark(&mut self, source: &str, partition: Option<u32>, watermark_ms: i64) -> Result<(), TestError> {
        let (_, partitions) = self.source(source)?;
        if let Some(partition) = partition.filter(|partition| *partition >= partitions) {
            return Err(TestError::Partition { source_name: source.into(), partition, partitions });
        }
        for partition in partition.map_or(0..partitions, |partition| partition..partition + 1) {
            let outcome = self.worker()?.advance_watermark(source, partition, watermark_ms);
            self.or_stopped(outcome)?;
        }
        self.settle()
    }

    /// What has come out since the last call with this output: by partition, and in order within each.
    ///
    /// # Errors
    /// When there is no such output.
    pub fn read(&mut self, output: &Output) -> Result<Vec<Record>, TestError> {
        let unknown = || match output {
            Output::Sink(name) => TestError::Unknown { what: "sink", name: name.clone() },
            Output::Step(name) => TestError::Unknown { what: "output", name: name.clone() },
            Output::Topic(name) => TestError::Unknown { what: "topic", name: name.clone() },
        };
        let topic = self.topics.of(output).cloned().ok_or_else(unknown)?;
        let reader = match self.readers.entry(topic.clone()) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(self.log.reader(&topic, StartPosition::Earliest)?)
            }
        };
        let mut records: Vec<(u32, i64, Record)> = Vec::new();
        while let Some(fetched) = reader.poll(Duration::ZERO)? {
            let partition = fetched.partition.partition;
            for (index, offset) in fetched.offsets.iter().enumerate() {
                records.push((partition, *offset, Record::of(&fetched.batch, index, partition)));
            }
        }
        records.sort_by_key(|(partition, offset, _)| (*partition, *offset));
        Ok(records.into_iter().map(|(_, _, record)| record).collect())
    }

    /// [`Self::read`] of a sink.
    ///
    /// # Errors
    /// When there is no such sink.
    pub fn read_sink(&mut self, sink: &str) -> Result<Vec<Record>, TestError> {
        self.read(&Output::Sink(sink.into()))
    }

    /// [`Self::read`] of a step's output, as `step` (its main one) or `step.output`, whoever else reads it.
    ///
    /// # Errors
    /// When there is no such step or output.
    pub fn read_output(&mut self, output: &str) -> Result<Vec<Record>, TestError> {
        self.read(&Output::Step(output.into()))
    }

    /// What a state of a step has for a key; `None`: nothing.
    ///
    /// # Errors
    /// When there is no such state.
    pub fn state(&mut self, step: &str, state: &str, key: &[u8]) -> Result<Option<StateContent>, TestError> {
        let found = self.worker()?.state(step, state, key).map_err(|failure| TestError::Log(failure.reason))?;
        Ok(found.into_iter().next().map(|(_, content)| content))
    }

    /// The watermark of a step, in the task that is behind the others; `None`: it is not known yet.
    ///
    /// # Errors
    /// When there is no such step, or event time does not matter to the pipeline.
    pub fn watermark_of(&self, step: &str) -> Result<Option<i64>, TestError> {
        let tasks = self.pipeline.tasks();
        let marks = tasks.iter().flat_map(|task| &task.watermarks).filter(|mark| mark.step == step);
        let lowest = marks.map(|mark| mark.watermark_ms).min();
        lowest.ok_or_else(|| TestError::Unknown { what: "step with a watermark", name: step.into() })
    }

    /// Stops the pipeline and starts it again from what is committed. With `crash` it dies instead: nothing is written
    /// back or given back, and tasks restore what is missing from their changelogs. A pipeline that has failed begins
    /// again, too.
    ///
    /// # Errors
    /// When it cannot stop or start.
    pub fn restart(&mut self, crash: bool) -> Result<(), TestError> {
        match crash {
            true => self.worker = None,
            false => self.stop()?,
        }
        self.start()
    }

    /// Stops the pipeline and starts another plan of it in its place, as the apply of a changed file does.
    ///
    /// # Errors
    /// When it cannot stop, or the new plan cannot go on from what the old one left.
    pub fn restart_as(&mut self, mut plan: Plan) -> Result<(), TestError> {
        self.stop()?;
        self.topics = in_memory::replace(&mut plan, &self.options)?;
        create(&self.log, &self.topics)?;
        self.plan = plan;
        self.start()
    }

    fn stop(&mut self) -> Result<(), TestError> {
        let Some(worker) = self.worker.take() else { return Ok(()) };
        let closed = worker.close();
        self.or_stopped(closed)
    }

    fn start(&mut self) -> Result<(), TestError> {
        self.stopped = None;
        self.pipeline = ManualPipeline::new(self.plan.clone(), self.host.clone(), 1)?;
        self.open()
    }
}

/// Creates the topics of sources that are not there.
fn create(log: &MemoryLog, topics: &Topics) -> Result<(), TestError> {
    let mut partitions: BTreeMap<&Arc<str>, u32> = BTreeMap::new();
    for (topic, count) in topics.sources.values() {
        let known = partitions.entry(topic).or_default();
        *known = (*known).max(*count);
    }
    for (topic, partitions) in partitions {
        log.create_topic(&TopicSpec::new(topic.clone(), partitions))?;
    }
    Ok(())
}
