//! Triggers.

mod component;
mod pane;

use serde::de::DeserializeOwned;

pub use component::TriggerComponent;
pub use pane::TriggerPane;

use crate::state::Codec;
use crate::{Error, Record, Result};

/// When windows fire: when the results of what they have so far are emitted.
///
/// A trigger is asked about panes, windows of a key. For each it has a state and two times at which it wants to be
/// asked again: one in event time, which comes when the watermark has reached it, and one in processing time.
///
/// It takes the place of the window's end: results come when it says so, and at no other time, but as `emit` and
/// `late` of the window say.
///
/// Put [`#[trigger]`](macro@super::trigger) over the `impl`.
///
/// ```
/// use millstream_guest::prelude::*;
/// use millstream_guest::testing::{Input, TriggerHarness};
///
/// /// Fires with every record that says so, and at the end.
/// #[derive(Default)]
/// struct OnFlush;
///
/// #[trigger]
/// impl Trigger for OnFlush {
///     fn on_element(&mut self, record: Record<'_>, pane: &mut TriggerPane<'_, ()>) -> Result<Verdict> {
///         pane.set_event_time_ms(pane.window().last_ms());
///         Ok(if record.value() == Some(b"flush") { Verdict::Fire } else { Verdict::Continue })
///     }
///
///     fn on_event_time(&mut self, _: i64, _: &mut TriggerPane<'_, ()>) -> Result<Verdict> {
///         Ok(Verdict::FireAndPurge)
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let mut trigger = TriggerHarness::<OnFlush>::new("{}")?;
/// let hour = Window::new(0, 3_600_000);
/// assert_eq!(trigger.send(Input::bytes("a").key("k"), hour)?, Verdict::Continue);
/// assert_eq!(trigger.send(Input::bytes("flush").key("k"), hour)?, Verdict::Fire);
/// assert_eq!(trigger.advance_watermark_ms(3_600_000)?[0].verdict, Verdict::FireAndPurge);
/// # Ok(())
/// # }
/// ```
pub trait Trigger: Sized + 'static {
    /// The trigger's configuration.
    type Config: DeserializeOwned;

    /// What is remembered of a pane; `()` for nothing. What equals the default is not stored. It is cloned for every
    /// element, so that one that fails can be undone: keep it small.
    type State: Clone + Default + PartialEq + 'static;

    /// How states are stored; [`Standard`](crate::state::Standard) unless said otherwise.
    type Codec: Codec<Self::State>;

    /// The version of the states' format: raise it where stored ones no longer decode.
    const SCHEMA_VERSION: u32 = 1;

    /// JSON Schema of the configuration.
    const CONFIG_SCHEMA: Option<&'static str> = None;

    /// Makes an instance for a step. Called before any record is seen, when a pipeline is applied.
    ///
    /// # Errors
    /// When the configuration makes no sense: the pipeline is refused with this reason.
    fn configure(config: Self::Config) -> Result<Self>;

    /// A record comes into a pane; where the pane fires, it does so after the record.
    ///
    /// # Errors
    /// Why the record fails. What was changed of the pane is undone, and the record is in none of its windows.
    fn on_element(&mut self, record: Record<'_>, pane: &mut TriggerPane<'_, Self::State>) -> Result<Verdict>;

    /// The watermark has reached the time that was set; it is not set any more.
    ///
    /// # Errors
    /// Why there is no verdict; this is no record's fault, and stops the pipeline.
    fn on_event_time(&mut self, time_ms: i64, pane: &mut TriggerPane<'_, Self::State>) -> Result<Verdict> {
        let _ = (time_ms, pane);
        Ok(Verdict::Continue)
    }

    /// Processing time has reached the time that was set; it is not set any more.
    ///
    /// # Errors
    /// As [`Self::on_event_time`].
    fn on_processing_time(&mut self, time_ms: i64, pane: &mut TriggerPane<'_, Self::State>) -> Result<Verdict> {
        let _ = (time_ms, pane);
        Ok(Verdict::Continue)
    }

    /// Panes become one, as sessions do. `into` has the window that they become, the state by default and no times
    /// set.
    ///
    /// # Errors
    /// As [`Self::on_event_time`]; always, unless there is an `on_merge`.
    fn on_merge(
        &mut self,
        from: &[TriggerPane<'_, Self::State>],
        into: &mut TriggerPane<'_, Self::State>,
    ) -> Result<Verdict> {
        let _ = (from, into);
        Err(Error::batch("the trigger has no `fn on_merge`, which windows that merge need"))
    }
}

/// What becomes of a pane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Nothing.
    #[default]
    Continue,
    /// It fires: its result is emitted.
    Fire,
    /// What it has is forgotten.
    Purge,
    /// It fires, then what it has is forgotten.
    FireAndPurge,
}

impl Verdict {
    /// As it crosses to the host.
    fn byte(self) -> u8 {
        match self {
            Self::Continue => 0,
            Self::Fire => 1,
            Self::Purge => 2,
            Self::FireAndPurge => 3,
        }
    }
}
