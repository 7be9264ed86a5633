//! What becomes of a task that was laid aside.
//!
//! Members of Kafka's eager protocol give everything back at each rebalance, and get most of it again. A task that was
//! committed and then laid aside has all that it needs to go on, unless somebody else had it meanwhile. Who that was does
//! not matter: whatever a task does is committed to its changelog, or moves its positions.

use crate::{Mutation, Rules};

/// How far a task is, by what is committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The committed position of each of its inputs; `None`: none is, or the input is not a topic.
    pub positions: Vec<Option<i64>>,
    /// The position after the last change in its changelog; `None`: it is not the changelog that it was.
    pub changelog: Option<i64>,
}

/// What becomes of a parked task that is assigned again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// It goes on with what it has.
    GoOn,
    /// What it has is dropped, and it is opened as any other task: from its store and the changelog after it.
    Reopen,
}

impl Rules {
    /// Decides by how far the task was when it was `parked` and how far it is `now`, which is read as for any task that is
    /// opened: once no transaction is open below the end of its changelog, and none on its positions.
    pub fn resume(self, parked: &Standing, now: &Standing) -> Resume {
        let is_as_it_was = parked == now && now.changelog.is_some();
        if is_as_it_was || self.mutation() == Some(Mutation::TrustParkedTask) { Resume::GoOn } else { Resume::Reopen }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_goes_on_only_where_nobody_has_moved_it() {
        let at = |position, changelog| Standing { positions: vec![Some(position), None], changelog };
        let rules = Rules::default();
        assert_eq!(rules.resume(&at(7, Some(20)), &at(7, Some(20))), Resume::GoOn);
        for moved in [at(8, Some(20)), at(7, Some(21)), at(6, Some(20)), at(7, None)] {
            assert_eq!(rules.resume(&at(7, Some(20)), &moved), Resume::Reopen, "{moved:?}");
        }
        assert_eq!(rules.resume(&at(7, None), &at(7, None)), Resume::Reopen, "another changelog each time");
        let lost = Standing { positions: vec![None, None], changelog: Some(20) };
        assert_eq!(rules.resume(&at(7, Some(20)), &lost), Resume::Reopen);
    }
}
