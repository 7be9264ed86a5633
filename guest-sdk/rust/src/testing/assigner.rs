//! Window assigners under test.

use super::hosted::Hosted;
use super::records::{Input, columns, failed};
use crate::column::le_u32;
use crate::log::Level;
use crate::window::{AssignerComponent, Window, WindowAssigner};
use crate::{Error, Result};

/// A window assigner under test.
pub struct AssignerHarness<A> {
    hosted: Hosted<AssignerComponent<A>>,
    now_ms: i64,
}

impl<A: WindowAssigner> AssignerHarness<A> {
    /// Configures an assigner by JSON text.
    ///
    /// # Errors
    /// Why the assigner refuses the configuration.
    pub fn new(config: &str) -> Result<Self> {
        let component = AssignerComponent::configured(config).map_err(Error::new)?;
        Ok(Self { hosted: Hosted::new(component), now_ms: 0 })
    }

    /// The windows that a record is in.
    ///
    /// # Errors
    /// Why the record fails.
    pub fn assign(&mut self, record: Input) -> Result<Vec<Window>> {
        self.assign_all([record])?.pop().unwrap_or_else(|| Ok(Vec::new()))
    }

    /// The windows that each record of a batch is in, or why it fails.
    ///
    /// # Errors
    /// When the batch fails as a whole.
    pub fn assign_all(&mut self, records: impl IntoIterator<Item = Input>) -> Result<Vec<Result<Vec<Window>>>> {
        let records: Vec<Input> = records.into_iter().collect();
        let now_ms = self.now_ms;
        let assigned = self.hosted.call(|component| component.assign(columns(&records), now_ms))?;
        let mut windows: Vec<Result<Vec<Window>>> = Vec::new();
        windows.resize_with(records.len(), || Ok(Vec::new()));
        for at in 0..assigned.rows.len() / 4 {
            let of = le_u32(&assigned.rows, at).and_then(|row| windows.get_mut(row as usize));
            if let Some(Ok(of)) = of {
                of.push(Window::read(&assigned.windows, at));
            }
        }
        for failure in failed(&assigned.failures.records, &assigned.failures.reasons) {
            if let Some(of) = windows.get_mut(failure.record) {
                *of = Err(Error::new(failure.reason));
            }
        }
        Ok(windows)
    }

    /// Sets processing time, milliseconds.
    pub fn set_now_ms(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
    }

    /// The log so far.
    pub fn log(&self) -> &[(Level, String)] {
        self.hosted.log()
    }
}
