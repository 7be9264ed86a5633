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

/// Makes a step.
pub type Make = fn() -> Result<Arc<dyn OperatorFactory>>;

/// All of them, by name.
pub const CASES: [(&str, Make); 6] = [
    (PLAIN, || Ok(keyed_sum())),
    ("tumbling 1m", || windows(WindowKind::Tumbling { size_ms: MINUTE, offset_ms: 0 })),
    ("tumbling 1h", || windows(WindowKind::Tumbling { size_ms: HOUR, offset_ms: 0 })),
    ("hopping 1h/5m", || windows(WindowKind::Hopping { size_ms: HOUR, every_ms: 5 * MINUTE, offset_ms: 0 })),
    ("session 30m", || windows(WindowKind::Session(SessionGap::Fixed { gap_ms: 30 * MINUTE }))),
    ("rolling 5m+1h+7d", || features(&[("5m", 5 * MINUTE), ("1h", HOUR), ("7d", 7 * DAY)])),
];

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
