//! The assigners that Millstream brings along.

use super::{
    Assigned, Assignments, SessionGap, Window, WindowAssigner, WindowError, WindowKind, grid::Grid,
    number::RecordNumber,
};
use crate::{OperatorError, RecordFailure};

/// Assigns the windows of one kind.
pub(super) enum Assigner {
    /// Windows that are the same for all keys.
    Aligned(Grid),
    /// Sessions, each record with the window that waits for the next one.
    Session(Gap),
    /// One window.
    Global,
    /// Somebody else's.
    Custom(Box<dyn WindowAssigner>),
}

/// How long sessions wait.
pub(super) enum Gap {
    Fixed(i64),
    Dynamic { gap: RecordNumber, unit_ms: i64 },
}

impl Gap {
    pub(super) fn new(gap: &SessionGap) -> Result<Self, WindowError> {
        let positive = |setting, found: i64| match found {
            1.. => Ok(found),
            _ => Err(WindowError::Value { setting, found: found.into(), expected: "longer than 0 ms" }),
        };
        match gap {
            SessionGap::Fixed { gap_ms } => Ok(Self::Fixed(positive("session", *gap_ms)?)),
            SessionGap::Dynamic { gap, unit_ms } => Ok(Self::Dynamic {
                gap: RecordNumber::new("session gap", gap)?,
                unit_ms: positive("the unit of the session gap", *unit_ms)?,
            }),
        }
    }
}

impl Assigner {
    /// The assigner of a kind; `None`: it has none of its own.
    pub(super) fn new(kind: &WindowKind) -> Result<Option<Self>, WindowError> {
        Ok(match kind {
            WindowKind::Tumbling { .. } | WindowKind::Hopping { .. } | WindowKind::Calendar { .. } => {
                super::factory::grid_of(kind)?.map(Self::Aligned)
            }
            WindowKind::Session(gap) => Some(Self::Session(Gap::new(gap)?)),
            WindowKind::Global | WindowKind::Count { .. } => Some(Self::Global),
            WindowKind::Sliding { .. } | WindowKind::Custom(_) => None,
        })
    }
}

impl WindowAssigner for Assigner {
    fn assign(&mut self, records: &Assignments<'_>) -> Result<Assigned, OperatorError> {
        let mut assigned = Assigned::default();
        assigned.rows.reserve(records.rows.len());
        assigned.windows.reserve(records.rows.len());
        let timestamp_ms = |row: u32| records.batch.timestamps.get(row as usize).copied().unwrap_or_default();
        match self {
            Self::Custom(assigner) => return assigner.assign(records),
            Self::Global => {
                assigned.rows.extend_from_slice(records.rows);
                assigned.windows.resize(records.rows.len(), Window::GLOBAL);
            }
            Self::Session(Gap::Fixed(gap_ms)) => {
                assigned.rows.extend_from_slice(records.rows);
                assigned.windows.extend(records.rows.iter().map(|&row| session(timestamp_ms(row), *gap_ms)));
            }
            Self::Session(Gap::Dynamic { gap, unit_ms }) => {
                for &row in records.rows {
                    match dynamic_gap_ms(gap, *unit_ms, records, row) {
                        Ok(gap_ms) => {
                            assigned.rows.push(row);
                            assigned.windows.push(session(timestamp_ms(row), gap_ms));
                        }
                        Err(reason) => assigned.failures.push(RecordFailure { record: row, reason }),
                    }
                }
            }
            Self::Aligned(grid) => {
                for &row in records.rows {
                    match grid.slice_of(timestamp_ms(row)) {
                        Ok(slice) => {
                            for index in slice.windows {
                                assigned.rows.push(row);
                                assigned.windows.push(grid.window(index));
                            }
                        }
                        Err(reason) => assigned.failures.push(RecordFailure { record: row, reason }),
                    }
                }
            }
        }
        Ok(assigned)
    }
}

fn session(timestamp_ms: i64, gap_ms: i64) -> Window {
    Window { start_ms: timestamp_ms, end_ms: timestamp_ms.saturating_add(gap_ms) }
}

fn dynamic_gap_ms(gap: &mut RecordNumber, unit_ms: i64, records: &Assignments<'_>, row: u32) -> Result<i64, String> {
    let given = gap.of(records.batch.record(row as usize))?;
    let gap_ms = (given * unit_ms as f64).round();
    if gap_ms >= 1.0 { Ok(gap_ms as i64) } else { Err(format!("the session gap is {given}, and must be above 0")) }
}
