//! Window assigners.

use serde::de::DeserializeOwned;

use super::Window;
use super::failures::Failures;
use crate::column::LeU32s;
use crate::component;
use crate::contract::RecordBatch;
use crate::contract::window::WindowColumn;
use crate::contract::window::assignment::{Assigned, Description, Guest};
use crate::frame::Frame;
use crate::instance::configured;
use crate::{Record, Result};

/// Which windows a record is in.
///
/// It must answer by the record and its configuration: a record that is read again after a crash has to be in the
/// same windows.
///
/// Put [`#[window_assigner]`](macro@super::window_assigner) over the `impl`.
///
/// ```
/// use millstream_guest::prelude::*;
/// use millstream_guest::testing::{AssignerHarness, Input};
///
/// /// Hours that begin with the minute that a record is of.
/// #[derive(Default)]
/// struct HourFromNow;
///
/// #[window_assigner]
/// impl WindowAssigner for HourFromNow {
///     fn assign(&mut self, record: Record<'_>, windows: &mut Windows) -> Result<()> {
///         let start_ms = record.timestamp_ms() - record.timestamp_ms().rem_euclid(60_000);
///         windows.push(Window::new(start_ms, start_ms + 3_600_000))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let mut assigner = AssignerHarness::<HourFromNow>::new("{}")?;
/// assert_eq!(assigner.assign(Input::bytes("").timestamp_ms(90_000))?, [Window::new(60_000, 3_660_000)]);
/// # Ok(())
/// # }
/// ```
pub trait WindowAssigner: Sized + 'static {
    /// The window's configuration.
    type Config: DeserializeOwned;

    /// Windows of one key that overlap or touch become one, as sessions do.
    const MERGES: bool = false;

    /// JSON Schema of the configuration.
    const CONFIG_SCHEMA: Option<&'static str> = None;

    /// Makes an instance for a step. Called before any record is seen, when a pipeline is applied.
    ///
    /// # Errors
    /// When the configuration makes no sense: the pipeline is refused with this reason.
    fn configure(config: Self::Config) -> Result<Self>;

    /// Says which windows a record is in: pushes each. A record that is in none is dropped.
    ///
    /// # Errors
    /// Why the record fails. It then is in no window.
    fn assign(&mut self, record: Record<'_>, windows: &mut Windows) -> Result<()>;
}

/// The windows that the record in hand is in.
#[derive(Debug)]
pub struct Windows {
    now_ms: i64,
    all: Vec<Window>,
    /// Where those of the record in hand begin.
    first: usize,
}

impl Windows {
    /// The record is in this window. To say so again changes nothing.
    ///
    /// # Errors
    /// When the window does not start before it ends.
    pub fn push(&mut self, window: Window) -> Result<()> {
        let Window { start_ms, end_ms } = window;
        crate::ensure!(start_ms < end_ms, "a window that starts at {start_ms} and ends at {end_ms}");
        if !self.of_record().contains(&window) {
            self.all.push(window);
        }
        Ok(())
    }

    /// Processing time in milliseconds since 1970-01-01T00:00:00Z, as the host gives it.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    fn of_record(&self) -> &[Window] {
        self.all.get(self.first..).unwrap_or_default()
    }
}

/// A [`WindowAssigner`] as a component exports it.
#[derive(Debug)]
pub struct AssignerComponent<A> {
    assigner: A,
}

impl<A: WindowAssigner> AssignerComponent<A> {
    pub(crate) fn configured(config: &str) -> Result<Self, String> {
        configured(config, A::configure).map(|assigner| Self { assigner })
    }

    pub(crate) fn assign(&mut self, records: RecordBatch, now_ms: i64) -> Result<Assigned> {
        let frame = Frame::of(records);
        let count = frame.batch.count as usize;
        let mut windows = Windows { now_ms, all: Vec::with_capacity(count), first: 0 };
        let mut rows = LeU32s::with_capacity(count);
        let mut failures = Failures::default();
        for row in 0..count {
            windows.first = windows.all.len();
            if let Err(error) = self.assigner.assign(Record::new(&frame, row), &mut windows) {
                windows.all.truncate(windows.first);
                failures.add(row as u32, error)?;
            }
            windows.of_record().iter().for_each(|_| rows.push(row as u32));
        }
        Ok(Assigned { rows: rows.into_bytes(), windows: WindowColumn::of(&windows.all), failures: failures.finish() })
    }
}

impl<A: WindowAssigner> Guest for AssignerComponent<A> {
    fn describe() -> Description {
        Description { merges: A::MERGES, config_schema: A::CONFIG_SCHEMA.map(str::to_owned) }
    }

    fn configure(config: String) -> Result<(), String> {
        component::install(Self::configured(&config))
    }

    fn assign(records: RecordBatch, now: i64) -> Result<Assigned, String> {
        component::call(|this: &mut Self| this.assign(records, now))
    }
}
