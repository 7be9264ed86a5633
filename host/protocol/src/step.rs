//! What a worker does that others can see, or that a crash can fall between.

/// One step. A worker may die before and after each of them, and the protocol must hold all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Opens the store of a task, or takes the task up that was parked, and puts a snapshot in its place where that is nearer to the present.
    OpenStore,
    /// Brings the store up to the end of its changelog, once no transaction is open below that end.
    RestoreChangelog,
    /// Reads the committed positions, once none of them is pending in an open transaction.
    ReadPositions,
    /// Opens readers and sinks at what the task's state says was committed. Sinks finish what was prepared.
    OpenConnectors,
    /// Begins to read at the committed positions.
    StartReading,

    /// Makes what sinks took durable, without showing it, and puts its description into the state.
    PrepareSinks,
    /// Appends the changes of state since the last commit to the changelogs.
    AppendDeltas,
    /// Makes outputs, deltas and positions durable and visible as one. The only step that decides.
    CommitLog,
    /// Counts the deltas as committed, so that they may go to the store.
    ApplyDeltas,
    /// Shows what sinks had prepared.
    FinishSinks,

    /// Puts other versions of operators in place.
    SwitchVersions,
    /// Writes committed state into the stores, where it is due.
    WriteBack,
    /// Copies stores, where that is due, and has the copies sent to where snapshots are kept.
    TakeSnapshots,
    /// Writes committed state into the stores and makes it durable.
    Flush,
    /// Closes tasks; what they have uncommitted is dropped.
    CloseTasks,
    /// Lays tasks aside with their state as it is in memory and in the open store, for when they come back.
    ParkTasks,
    /// Gives partitions back to the group.
    Release,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 17] = [
        Self::OpenStore,
        Self::RestoreChangelog,
        Self::ReadPositions,
        Self::OpenConnectors,
        Self::StartReading,
        Self::PrepareSinks,
        Self::AppendDeltas,
        Self::CommitLog,
        Self::ApplyDeltas,
        Self::FinishSinks,
        Self::SwitchVersions,
        Self::WriteBack,
        Self::TakeSnapshots,
        Self::Flush,
        Self::CloseTasks,
        Self::ParkTasks,
        Self::Release,
    ];

    /// Its name in logs and for fail points: `append-deltas`.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenStore => "open-store",
            Self::RestoreChangelog => "restore-changelog",
            Self::ReadPositions => "read-positions",
            Self::OpenConnectors => "open-connectors",
            Self::StartReading => "start-reading",
            Self::PrepareSinks => "prepare-sinks",
            Self::AppendDeltas => "append-deltas",
            Self::CommitLog => "commit-log",
            Self::ApplyDeltas => "apply-deltas",
            Self::FinishSinks => "finish-sinks",
            Self::SwitchVersions => "switch-versions",
            Self::WriteBack => "write-back",
            Self::TakeSnapshots => "take-snapshots",
            Self::Flush => "flush",
            Self::CloseTasks => "close-tasks",
            Self::ParkTasks => "park-tasks",
            Self::Release => "release",
        }
    }

    /// The step of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.name() == name)
    }
}
