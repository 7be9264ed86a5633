//! Which steps are taken when, and what follows when one fails.

use crate::{ErrorKind, Mutation, Recovery, Step};

/// What happened to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Occasion {
    /// A task has all of its partitions.
    TaskAssigned,
    /// The interval or the bytes of a commit are over, or a version waits to be switched.
    CommitDue,
    /// Nothing has happened since the last commit, for a while.
    Idle,
    /// The worker was told to stop or to pause.
    Leaving,
    /// The group wants partitions back, which are still the worker's.
    PartitionsRevoked,
    /// The group takes everything back from everybody, to give most of it out again as it was.
    EverythingRevoked,
}

/// The rules. [`Rules::default`] are the sound ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    mutation: Option<Mutation>,
}

use Step::{
    AppendDeltas, ApplyDeltas, CloseTasks, CommitLog, FinishSinks, Flush, OpenConnectors, OpenStore, ParkTasks,
    PrepareSinks, ReadPositions, Release, RestoreChangelog, StartReading, SwitchVersions, TakeSnapshots, WriteBack,
};

/// A commit. What sinks prepared is described in the state, so that it goes with the deltas; nothing counts
/// before the log has committed, and sinks show only what counts.
const COMMIT: [Step; 5] = [PrepareSinks, AppendDeltas, CommitLog, ApplyDeltas, FinishSinks];

impl Rules {
    /// Rules with one thing wrong, to prove that a checker notices.
    pub fn mutated(mutation: Mutation) -> Self {
        Self { mutation: Some(mutation) }
    }

    /// The steps to take, in order. The steps of a commit are only taken where something is uncommitted.
    pub fn steps(self, occasion: Occasion) -> Vec<Step> {
        match occasion {
            // The changelog first: it waits out whoever still has a transaction open on it, and whoever has
            // one open on the positions has one open there too.
            Occasion::TaskAssigned if self.mutation == Some(Mutation::SkipRestore) => {
                vec![OpenStore, ReadPositions, OpenConnectors, StartReading]
            }
            Occasion::TaskAssigned => vec![OpenStore, RestoreChangelog, ReadPositions, OpenConnectors, StartReading],
            // Versions switch with nothing uncommitted, so that each commit belongs to one of them.
            Occasion::CommitDue => [&self.commit()[..], &[SwitchVersions, WriteBack, TakeSnapshots]].concat(),
            // What is committed reaches the stores and the snapshots also where nothing follows it.
            Occasion::Idle => vec![WriteBack, TakeSnapshots],
            Occasion::Leaving => [&self.commit()[..], &[SwitchVersions, Flush]].concat(),
            // The next owner reads positions and changelogs from the moment of the release.
            Occasion::PartitionsRevoked => match self.mutation {
                Some(Mutation::ReleaseBeforeCommit) => [&[Release][..], &self.commit(), &[Flush, CloseTasks]].concat(),
                Some(Mutation::ReleaseWithoutCommit) => vec![CloseTasks, Release],
                _ => [&self.commit()[..], &[Flush, CloseTasks, Release]].concat(),
            },
            Occasion::EverythingRevoked => self.give_everything_back(),
        }
    }

    /// As where partitions move, but whoever gets a task back finds it as it left it.
    fn give_everything_back(self) -> Vec<Step> {
        match self.mutation {
            Some(Mutation::ReleaseBeforeCommit) => [&[Release][..], &self.commit(), &[ParkTasks]].concat(),
            Some(Mutation::ReleaseWithoutCommit) => vec![CloseTasks, Release],
            _ => [&self.commit()[..], &[ParkTasks, Release]].concat(),
        }
    }

    pub(crate) fn mutation(self) -> Option<Mutation> {
        self.mutation
    }

    fn commit(self) -> Vec<Step> {
        match self.mutation {
            Some(Mutation::CommitBeforeDeltas) => vec![PrepareSinks, CommitLog, AppendDeltas, ApplyDeltas, FinishSinks],
            Some(Mutation::WriteBackBeforeCommit) => {
                vec![PrepareSinks, AppendDeltas, ApplyDeltas, Flush, CommitLog, FinishSinks]
            }
            _ => COMMIT.to_vec(),
        }
    }

    /// What follows when a step failed.
    pub fn after_step(self, kind: ErrorKind) -> Recovery {
        match (kind, self.mutation) {
            (ErrorKind::Aborted, Some(Mutation::GoOnAfterAbort))
            | (ErrorKind::Unknown, Some(Mutation::TrustUnknownCommit)) => Recovery::Again,
            _ => after(kind),
        }
    }

    /// What follows when polling failed, which takes nothing and changes nothing.
    pub fn after_poll(self, kind: ErrorKind) -> Recovery {
        match kind {
            ErrorKind::Retriable => Recovery::Again,
            _ => after(kind),
        }
    }

    /// What follows when partitions were taken away. The open transaction may hold work on them that
    /// somebody else does by now, so all of it goes; the stores hold nothing uncommitted and stay.
    pub fn after_loss(self) -> Recovery {
        match self.mutation {
            Some(Mutation::KeepLostTasks) => Recovery::Again,
            _ => Recovery::Rejoin,
        }
    }
}

fn after(kind: ErrorKind) -> Recovery {
    match kind {
        // The steps before it were taken, so that it is not repeated on its own.
        ErrorKind::Retriable => Recovery::Restart,
        ErrorKind::Aborted | ErrorKind::Fenced | ErrorKind::Unknown => Recovery::Rejoin,
        ErrorKind::User | ErrorKind::Fatal => Recovery::Stop,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Standing;

    fn place(steps: &[Step], step: Step) -> usize {
        steps.iter().position(|at| *at == step).expect("the step is taken")
    }

    const OCCASIONS: [Occasion; 6] = [
        Occasion::TaskAssigned,
        Occasion::CommitDue,
        Occasion::Idle,
        Occasion::Leaving,
        Occasion::PartitionsRevoked,
        Occasion::EverythingRevoked,
    ];

    #[test]
    fn nothing_counts_or_shows_before_the_log_has_committed() {
        let giving_back = [Occasion::PartitionsRevoked, Occasion::EverythingRevoked];
        for occasion in [Occasion::CommitDue, Occasion::Leaving].into_iter().chain(giving_back) {
            let steps = Rules::default().steps(occasion);
            let committed = place(&steps, CommitLog);
            assert!(place(&steps, PrepareSinks) < place(&steps, AppendDeltas), "{occasion:?}");
            assert!(place(&steps, AppendDeltas) < committed, "{occasion:?}");
            assert!(committed < place(&steps, ApplyDeltas), "{occasion:?}");
            assert!(committed < place(&steps, FinishSinks), "{occasion:?}");
        }
    }

    #[test]
    fn partitions_are_given_back_when_everything_else_is_done() {
        for occasion in [Occasion::PartitionsRevoked, Occasion::EverythingRevoked] {
            assert_eq!(Rules::default().steps(occasion).last(), Some(&Release), "{occasion:?}");
        }
    }

    #[test]
    fn a_task_is_restored_before_it_reads() {
        let steps = Rules::default().steps(Occasion::TaskAssigned);
        assert!(place(&steps, RestoreChangelog) < place(&steps, OpenConnectors));
        assert_eq!(steps.last(), Some(&StartReading));
    }

    #[test]
    fn what_is_not_known_is_never_assumed() {
        assert_eq!(Rules::default().after_step(ErrorKind::Unknown), Recovery::Rejoin);
        assert_eq!(Rules::default().after_poll(ErrorKind::Unknown), Recovery::Rejoin);
    }

    #[test]
    fn every_mutation_changes_a_decision() {
        let decisions = |rules: Rules| {
            let steps = OCCASIONS.map(|occasion| rules.steps(occasion));
            let kinds = [ErrorKind::Aborted, ErrorKind::Unknown].map(|kind| rules.after_step(kind));
            let moved = Standing { positions: Vec::new(), changelog: Some(1) };
            (steps, kinds, rules.after_loss(), rules.resume(&Standing::default(), &moved))
        };
        for mutation in Mutation::ALL {
            assert_ne!(decisions(Rules::mutated(mutation)), decisions(Rules::default()), "{mutation:?}");
        }
    }

    #[test]
    fn steps_are_found_by_name() {
        for step in Step::ALL {
            assert_eq!(Step::named(step.name()), Some(step));
        }
        assert_eq!(Step::named("commit"), None);
    }
}
