//! How a simulated log is set up, and what it counts.

/// The broker's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimulatedConfig {
    /// A transaction that is open for longer is aborted and its owner fenced; 15 s unless set, as on Kafka
    /// (`millstream-log-kafka`).
    pub transaction_timeout_ms: i64,
    /// A member whose session has made no call for longer is removed from its group; 45 s unless set. Waiting
    /// within a call counts as a sign of life, as with Kafka's client.
    pub session_timeout_ms: i64,
    /// Whether groups take everything back from everybody at each rebalance, as Kafka's eager protocol does; not unless set.
    pub eager: bool,
    /// Guarantees that are taken away; none unless set.
    pub breakages: Breakages,
}

impl Default for SimulatedConfig {
    fn default() -> Self {
        Self {
            transaction_timeout_ms: 15_000,
            session_timeout_ms: 45_000,
            eager: false,
            breakages: Breakages::default(),
        }
    }
}

/// Guarantees of the log to take away, to prove that whoever checks its users would notice. All are kept
/// unless set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breakages {
    /// [`committed`](crate::LogSession::committed) does not wait for pending positions and returns the old ones.
    pub positions_unstable: bool,
    /// [`restore`](crate::LogSession::restore) does not wait for open transactions and reads up to the last stable offset.
    pub restore_past_open_transaction: bool,
    /// A session that was replaced, expelled or timed out may append and commit: neither producer epochs nor
    /// memberships are checked, and opening a session leaves earlier transactions of the worker open.
    pub zombie_commits: bool,
    /// Positions become visible when they are sent, whatever becomes of the transaction.
    pub positions_outside_transaction: bool,
    /// Sessions, restores and readers see records of open and aborted transactions.
    pub read_uncommitted: bool,
}

/// What has happened on a simulated log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Transactions that were committed.
    pub commits: u64,
    /// Transactions that were aborted, for whatever reason.
    pub aborts: u64,
    /// Of those: by their time-out.
    pub transaction_timeouts: u64,
    /// Of those: because a new session of their worker was opened.
    pub fenced_transactions: u64,
    /// Calls that were refused because their producer had been fenced.
    pub fenced_calls: u64,
    /// Positions that were refused because the member was no longer in its group.
    pub refused_positions: u64,
    /// Transactions that were committed without positions, and so without a look at who owns what.
    pub commits_without_positions: u64,
    /// Members that were removed from their group, by time-out or by hand.
    pub expulsions: u64,
    /// Questions for committed positions that had to wait for pending ones.
    pub waits_for_positions: u64,
    /// Restores that had to wait for an open transaction.
    pub waits_for_changelogs: u64,
}
