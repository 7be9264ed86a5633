//! The steps that are measured.

use std::sync::Arc;

use anyhow::Result;
use millstream_benches::keyed_sum;
use millstream_operator::{
    OperatorFactory,
    aggregate::AggregatesFactory,
    rolling::{RollingSpec, RollingWindow, default_lateness_ms, default_resolution_ms, rolling},
    window::{SessionGap, WindowContents, WindowKind, WindowSpec, window},
};

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// What the others are compared with.
pub const PLAIN: &str = "keyed sum";

/// A step.
#[derive(Clone, Copy)]
pub struct Case {
    /// What it is called.
    pub name: &'static str,
    /// Makes it.
    pub make: fn() -> Result<Arc<dyn OperatorFactory>>,
    /// How many records of each key it takes at least, evenly over an hour, until its state is as large as it gets, or
    /// grows no faster than what is measured makes it grow.
    pub rounds: u64,
}

/// All of them.
pub const CASES: [Case; 6] = [
    Case { name: PLAIN, make: || Ok(keyed_sum()), rounds: 1 },
    Case { name: "tumbling 1m", make: || windows(WindowKind::Tumbling { size_ms: MINUTE, offset_ms: 0 }), rounds: 1 },
    // An hour begins five minutes before what is measured; and a record in each slice of those five minutes long.
    Case { name: "tumbling 1h", make: || windows(WindowKind::Tumbling { size_ms: HOUR, offset_ms: 0 }), rounds: 12 },
    Case {
        name: "hopping 1h/5m",
        make: || windows(WindowKind::Hopping { size_ms: HOUR, every_ms: 5 * MINUTE, offset_ms: 0 }),
        rounds: 12,
    },
    // No session ends before the next record.
    Case {
        name: "session 30m",
        make: || windows(WindowKind::Session(SessionGap::Fixed { gap_ms: 30 * MINUTE })),
        rounds: 3,
    },
    Case {
        name: "rolling 5m+1h+7d",
        make: || features(&[("5m", 5 * MINUTE), ("1h", HOUR), ("7d", 7 * DAY)]),
        rounds: 3,
    },
];

/// The one of this name.
pub fn case(name: &str) -> Option<Case> {
    CASES.into_iter().find(|case| case.name == name)
}

fn aggregates() -> Result<Arc<AggregatesFactory>> {
    let declared = [("spend", "sum(/amount)"), ("txns", "count()")];
    let declared = declared.map(|(name, text)| (name.to_owned(), text.to_owned()));
    Ok(Arc::new(AggregatesFactory::new(&declared, None)?))
}

fn windows(kind: WindowKind) -> Result<Arc<dyn OperatorFactory>> {
    Ok(window(WindowSpec::new(kind), WindowContents::Aggregated(aggregates()?))?)
}

fn features(sizes: &[(&str, i64)]) -> Result<Arc<dyn OperatorFactory>> {
    let window = |&(name, size_ms): &(&str, i64)| RollingWindow {
        name: name.into(),
        size_ms,
        resolution_ms: default_resolution_ms(size_ms),
    };
    let windows: Vec<RollingWindow> = sizes.iter().map(window).collect();
    let lateness_ms = default_lateness_ms(&windows);
    Ok(rolling(RollingSpec { windows, lateness_ms }, aggregates()?)?)
}
