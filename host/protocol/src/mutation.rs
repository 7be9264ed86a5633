//! Protocols that are wrong.

/// A way to get the protocol wrong. A checker that does not notice each of these checks nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutation {
    /// Positions and outputs are committed first, and the deltas go into the next transaction.
    CommitBeforeDeltas,
    /// State goes to the store before the log has committed it.
    WriteBackBeforeCommit,
    /// A task trusts its store and leaves the changelog after it alone.
    SkipRestore,
    /// Partitions are given back before what was done on them is committed.
    ReleaseBeforeCommit,
    /// Partitions are given back and what was done on them is not committed with its positions.
    ReleaseWithoutCommit,
    /// A worker whose transaction was aborted goes on as if it had been committed.
    GoOnAfterAbort,
    /// A commit whose answer never came is taken for one that happened.
    TrustUnknownCommit,
    /// A worker that lost its partitions goes on with its tasks.
    KeepLostTasks,
    /// A parked task is gone on with, whatever others have done with it meanwhile.
    TrustParkedTask,
}

impl Mutation {
    /// Every mutation.
    pub const ALL: [Self; 9] = [
        Self::CommitBeforeDeltas,
        Self::WriteBackBeforeCommit,
        Self::SkipRestore,
        Self::ReleaseBeforeCommit,
        Self::ReleaseWithoutCommit,
        Self::GoOnAfterAbort,
        Self::TrustUnknownCommit,
        Self::KeepLostTasks,
        Self::TrustParkedTask,
    ];
}
