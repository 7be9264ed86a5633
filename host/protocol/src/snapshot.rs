//! When a snapshot is due.

use std::time::Duration;

/// How often snapshots are taken: when so many bytes went to the changelog since the last one, or so much
/// time has passed and anything did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotPace {
    /// The longest between two snapshots of a task that changes.
    pub interval: Duration,
    /// Bytes of changelog after which a snapshot is taken before that.
    pub bytes: u64,
    /// The shortest between two snapshots, whatever is written.
    pub least: Duration,
}

impl Default for SnapshotPace {
    fn default() -> Self {
        Self { interval: Duration::from_secs(600), bytes: 1 << 30, least: Duration::from_secs(30) }
    }
}

impl SnapshotPace {
    /// Whether a snapshot is due, `since` after the last one and with so many bytes written since.
    pub fn is_due(&self, since: Duration, bytes: u64) -> bool {
        bytes > 0 && since >= self.least && (since >= self.interval || bytes >= self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_due_by_time_or_bytes_and_never_for_nothing() {
        let pace = SnapshotPace { interval: Duration::from_secs(60), bytes: 1_000, least: Duration::from_secs(5) };
        let at = |seconds| Duration::from_secs(seconds);
        assert!(!pace.is_due(at(600), 0));
        assert!(!pace.is_due(at(4), 5_000));
        assert!(pace.is_due(at(5), 1_000));
        assert!(!pace.is_due(at(59), 999));
        assert!(pace.is_due(at(60), 1));
    }
}
