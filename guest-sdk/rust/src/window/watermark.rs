//! Watermark generators.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::component;
use crate::contract::RecordBatch;
use crate::contract::window::watermarks::{Description, Guest, Progress};
use crate::frame::Frame;
use crate::instance::configured;
use crate::state::Codec;
use crate::{Error, Record, Result};

/// How far event time has come in a partition of a source.
///
/// Put [`#[watermark_generator]`](macro@super::watermark_generator) over the `impl`.
///
/// ```
/// use millstream_guest::prelude::*;
/// use millstream_guest::testing::{Input, WatermarkHarness};
///
/// /// Records are in order but for those that are marked as late.
/// #[derive(Default)]
/// struct InOrder;
///
/// #[watermark_generator]
/// impl WatermarkGenerator for InOrder {
///     fn on_record(&mut self, record: Record<'_>, partition: &mut Partition<()>) -> Result<()> {
///         if record.header("late").is_none() {
///             partition.advance_ms(record.timestamp_ms() - 1);
///         }
///         Ok(())
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let mut in_order = WatermarkHarness::<InOrder>::new("{}")?;
/// in_order.read(0, [Input::bytes("").timestamp_ms(10), Input::bytes("").timestamp_ms(20).header("late", "")])?;
/// assert_eq!(in_order.watermark_ms(0), Some(9));
/// # Ok(())
/// # }
/// ```
pub trait WatermarkGenerator: Sized + 'static {
    /// The source's configuration of the generator.
    type Config: DeserializeOwned;

    /// What is remembered of a partition, at first the default; `()` for nothing. A restart forgets it, and the
    /// watermark that was reached stays.
    type State: Default + PartialEq + 'static;

    /// How states cross to the host; [`Standard`](crate::state::Standard) unless said otherwise.
    type Codec: Codec<Self::State>;

    /// How often [`Self::on_time`] is called, by the host's clock;
    /// [`#[watermark_generator(every = "1s")]`](macro@super::watermark_generator) says so.
    const EVERY: Option<Duration> = None;

    /// JSON Schema of the configuration.
    const CONFIG_SCHEMA: Option<&'static str> = None;

    /// Makes an instance for a source. Called before any record is seen, when a pipeline is applied.
    ///
    /// # Errors
    /// When the configuration makes no sense: the pipeline is refused with this reason.
    fn configure(config: Self::Config) -> Result<Self>;

    /// A record was read. The watermark holds for what comes after the batch that it is in.
    ///
    /// # Errors
    /// Why there is no watermark; this stops the pipeline. A record that says nothing about time is no error.
    fn on_record(&mut self, record: Record<'_>, partition: &mut Partition<Self::State>) -> Result<()>;

    /// Time has passed.
    ///
    /// # Errors
    /// As [`Self::on_record`].
    fn on_time(&mut self, partition: &mut Partition<Self::State>) -> Result<()> {
        let _ = partition;
        Ok(())
    }
}

/// A partition of a source, and what becomes of its event time.
#[derive(Debug)]
pub struct Partition<S> {
    /// What is remembered of it.
    pub state: S,
    now_ms: i64,
    watermark_ms: Option<i64>,
    is_idle: bool,
}

impl<S> Partition<S> {
    /// Processing time in milliseconds since 1970-01-01T00:00:00Z, as the host gives it.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// No record of the partition with this timestamp or an earlier one is expected any more. What is earlier than
    /// what was said before changes nothing.
    pub fn advance_ms(&mut self, watermark_ms: i64) {
        self.watermark_ms = self.watermark_ms.max(Some(watermark_ms));
    }

    /// The partition holds nobody back until the next record comes.
    pub fn set_idle(&mut self) {
        self.is_idle = true;
    }
}

/// A [`WatermarkGenerator`] as a component exports it.
#[derive(Debug)]
pub struct WatermarkComponent<G> {
    generator: G,
}

impl<G: WatermarkGenerator> WatermarkComponent<G> {
    pub(crate) fn configured(config: &str) -> Result<Self, String> {
        configured(config, G::configure).map(|generator| Self { generator })
    }

    pub(crate) fn on_records(&mut self, state: &[u8], records: RecordBatch, now_ms: i64) -> Result<Progress> {
        let frame = Frame::of(records);
        let mut partition = read::<G>(state, now_ms)?;
        for row in 0..frame.batch.count as usize {
            partition.is_idle = false;
            self.generator.on_record(Record::new(&frame, row), &mut partition)?;
        }
        progress::<G>(partition)
    }

    pub(crate) fn on_time(&mut self, state: &[u8], now_ms: i64) -> Result<Progress> {
        let mut partition = read::<G>(state, now_ms)?;
        self.generator.on_time(&mut partition)?;
        progress::<G>(partition)
    }
}

/// A state that was never stored is one without bytes.
fn read<G: WatermarkGenerator>(state: &[u8], now_ms: i64) -> Result<Partition<G::State>> {
    let state = match state {
        [] => G::State::default(),
        bytes => G::Codec::decode(bytes)
            .map_err(|error| Error::batch(format!("the state of the partition does not decode: {error}")))?,
    };
    Ok(Partition { state, now_ms, watermark_ms: None, is_idle: false })
}

fn progress<G: WatermarkGenerator>(partition: Partition<G::State>) -> Result<Progress> {
    let mut state = Vec::new();
    if partition.state != G::State::default() {
        G::Codec::encode(&partition.state, &mut state)?;
    }
    Ok(Progress { state, watermark: partition.watermark_ms, idle: partition.is_idle })
}

impl<G: WatermarkGenerator> Guest for WatermarkComponent<G> {
    fn describe() -> Description {
        Description {
            every_ms: G::EVERY.map(|every| every.as_millis() as u64),
            config_schema: G::CONFIG_SCHEMA.map(str::to_owned),
        }
    }

    fn configure(config: String) -> Result<(), String> {
        component::install(Self::configured(&config))
    }

    fn on_records(state: Vec<u8>, records: RecordBatch, now: i64) -> Result<Progress, String> {
        component::call(|this: &mut Self| this.on_records(&state, records, now))
    }

    fn on_time(state: Vec<u8>, now: i64) -> Result<Progress, String> {
        component::call(|this: &mut Self| this.on_time(&state, now))
    }
}
