//! What guests log while a case runs.

use std::{fmt, sync::Arc};

use parking_lot::Mutex;
use serde::Deserialize;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// Where the host writes what guests log.
const GUEST: &str = "millstream::guest";

/// What must have been logged since the case began.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ExpectedLog {
    /// The first lines, each with its level: `INFO line 0`.
    starts: Vec<String>,
    /// There are no other lines.
    #[serde(default)]
    ends: bool,
    /// There are no more lines than this.
    at_most: Option<usize>,
}

impl ExpectedLog {
    /// What is wrong with these lines.
    pub fn wrong(&self, lines: &[String]) -> Option<Vec<String>> {
        let found = if self.ends { lines } else { lines.get(..self.starts.len()).unwrap_or(lines) };
        if let Some(difference) = crate::difference::of(&self.starts, found, |expected, found| expected == found) {
            return Some(difference);
        }
        let most = self.at_most.filter(|most| lines.len() > *most)?;
        Some(vec![format!("- at most {most} lines"), format!("+ {} lines", lines.len())])
    }
}

/// The lines of guests, as `LEVEL text`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    pub fn so_far(&self) -> Vec<String> {
        self.0.lock().clone()
    }

    /// Runs something while the lines of guests on this thread come here, and other events nowhere.
    pub fn gather<R>(&self, run: impl FnOnce() -> R) -> R {
        tracing::subscriber::with_default(Gather(self.clone()), run)
    }
}

struct Gather(Lines);

impl Subscriber for Gather {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == GUEST
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.0.lock().push(format!("{} {}", event.metadata().level(), message.0));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
