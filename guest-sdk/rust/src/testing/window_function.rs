//! Window functions under test.

use super::hosted::Hosted;
use super::records::{Emitted, Input, columns, told};
use crate::column::Column;
use crate::contract::window::window_function::Pane;
use crate::log::Level;
use crate::window::{FunctionComponent, Window, WindowFunction};
use crate::{Error, Result};

/// Records of a page: so few that most tests see more than one.
const PAGE: usize = 2;

/// A window function under test.
pub struct WindowFunctionHarness<F: WindowFunction> {
    hosted: Hosted<FunctionComponent<F>>,
    now_ms: i64,
    watermark_ms: i64,
}

impl<F: WindowFunction> WindowFunctionHarness<F> {
    /// Configures a window function by JSON text.
    ///
    /// # Errors
    /// Why the function refuses the configuration.
    pub fn new(config: &str) -> Result<Self> {
        let component = FunctionComponent::configured(config).map_err(Error::new)?;
        Ok(Self { hosted: Hosted::new(component), now_ms: 0, watermark_ms: i64::MIN })
    }

    /// Lets a pane with these records fire, and returns what is emitted. The records are passed two at a time.
    ///
    /// # Errors
    /// Why there are no results.
    pub fn fire(
        &mut self,
        key: &str,
        window: Window,
        records: impl IntoIterator<Item = Input>,
    ) -> Result<Vec<Emitted>> {
        let records: Vec<Input> = records.into_iter().collect();
        let pane = Pane {
            key: key.into(),
            start: window.start_ms,
            end: window.end_ms,
            elements: records.len() as u64,
            now: self.now_ms,
            watermark: self.watermark_ms,
        };
        self.hosted.call(|component| component.begin(pane))?;
        let mut emitted = Vec::new();
        let mut take = |values| emitted.extend(Column::new(&values).iter().map(|value| told(key, window, value)));
        for page in records.chunks(PAGE) {
            take(self.hosted.call(|component| component.elements(columns(page)))?);
        }
        take(self.hosted.call(FunctionComponent::end)?);
        Ok(emitted)
    }

    /// Sets processing time, milliseconds.
    pub fn set_now_ms(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
    }

    /// Sets the event time that the input has reached, milliseconds.
    pub fn set_watermark_ms(&mut self, watermark_ms: i64) {
        self.watermark_ms = watermark_ms;
    }

    /// The log so far.
    pub fn log(&self) -> &[(Level, String)] {
        self.hosted.log()
    }
}
