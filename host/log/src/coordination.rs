//! Who owns which partition of a group: decisions only, no I/O, no locks, no clock.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use millstream_types::TopicPartition;

use crate::range_assignment;

/// A session's membership in a group. It ends with [`GroupCoordinator::leave`], or when another session
/// joins under the same worker name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    group: Arc<str>,
    worker: Arc<str>,
    member_epoch: u64,
}

impl Member {
    /// The group.
    pub fn group(&self) -> &Arc<str> {
        &self.group
    }

    /// The worker's name within the group.
    pub fn worker(&self) -> &Arc<str> {
        &self.worker
    }
}

/// What a member is told; each is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupEvent {
    /// The partitions are the member's from now on.
    Assigned(Vec<TopicPartition>),
    /// The partitions are wanted back and stay the member's until it releases them.
    Revoked(Vec<TopicPartition>),
    /// The partitions were taken away; the member gets nothing more until it releases them.
    Lost(Vec<TopicPartition>),
}

/// Why a member may not do what it asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Another session has joined under the same name, or the member has left.
    #[error("another session has joined the group as this worker")]
    Fenced,
    /// Partitions were taken away and not yet released.
    #[error("partitions were taken away from this worker")]
    Lost,
    /// A position of a partition that is not the member's.
    #[error("partition {0} is not assigned to this worker")]
    NotOwned(TopicPartition),
    /// The worker's earlier session is in the middle of a commit; ask again once it is over.
    #[error("the earlier session of this worker is committing")]
    Committing,
}

/// Shares out the partitions of every group of one log.
///
/// ```text
///            join / leave / expel: new targets
///   free --Assigned--> owned --Revoked--> owned, asked for --release--> free
///                        +---- expel, fencing, leave ----------------->  free
/// ```
///
/// A partition has at most one owner at any time: a new owner gets it only when the old one has released
/// it or is gone. Between [`begin_commit`](Self::begin_commit) and [`end_commit`](Self::end_commit) a
/// member can neither be fenced nor expelled, so that nobody takes over in the middle of a commit.
#[derive(Debug, Default)]
pub struct GroupCoordinator {
    groups: BTreeMap<Arc<str>, Group>,
    last_epoch: u64,
    eager: bool,
}

#[derive(Debug, Default)]
struct Group {
    members: BTreeMap<Arc<str>, MemberState>,
    targets: BTreeMap<TopicPartition, Arc<str>>,
    owners: BTreeMap<TopicPartition, Owner>,
    /// How often the partitions were shared out.
    generation: u64,
}

#[derive(Debug)]
struct MemberState {
    member_epoch: u64,
    /// The generation that it has joined, in an eager group.
    joined: u64,
    topics: BTreeMap<Arc<str>, u32>,
    committing: bool,
    lost: BTreeSet<TopicPartition>,
    told_lost: bool,
}

#[derive(Debug)]
struct Owner {
    worker: Arc<str>,
    asked_back: bool,
}

impl GroupCoordinator {
    /// One that takes everything back from every member, before it gives out anything, whenever somebody comes or goes, as
    /// Kafka's eager protocol does.
    pub fn eager() -> Self {
        Self { eager: true, ..Self::default() }
    }

    /// Adds a session, fencing one of the same name, and shares the partitions out anew. `topics`: each
    /// with its number of partitions.
    ///
    /// # Errors
    /// [`Refused::Committing`]: try again after the [`Self::end_commit`] of the session to be fenced.
    pub fn join(
        &mut self,
        group: &str,
        worker: &str,
        topics: impl IntoIterator<Item = (Arc<str>, u32)>,
    ) -> Result<Member, Refused> {
        let group: Arc<str> = group.into();
        let worker: Arc<str> = worker.into();
        let state = self.groups.entry(Arc::clone(&group)).or_default();
        if state.members.get(&worker).is_some_and(|earlier| earlier.committing) {
            return Err(Refused::Committing);
        }
        self.last_epoch += 1;
        state.owners.retain(|_, owner| owner.worker != worker);
        state.members.insert(
            Arc::clone(&worker),
            MemberState {
                member_epoch: self.last_epoch,
                joined: 0,
                topics: topics.into_iter().collect(),
                committing: false,
                lost: BTreeSet::new(),
                told_lost: false,
            },
        );
        state.share_out();
        Ok(Member { group, worker, member_epoch: self.last_epoch })
    }

    /// Removes a member and shares its partitions out. Nothing happens where it was fenced.
    pub fn leave(&mut self, member: &Member) {
        let Ok((group, _)) = self.member(member) else { return };
        group.members.remove(&member.worker);
        group.owners.retain(|_, owner| owner.worker != member.worker);
        group.share_out();
        if group.members.is_empty() {
            self.groups.remove(&member.group);
        }
    }

    /// Takes all partitions away from a worker, as a broker does that has not heard from it; `false` where
    /// there is no such worker or it is committing.
    pub fn expel(&mut self, group: &str, worker: &str) -> bool {
        let Some(group) = self.groups.get_mut(group) else { return false };
        let Some(state) = group.members.get_mut(worker).filter(|state| !state.committing) else { return false };
        let mut lost = false;
        group.owners.retain(|partition, owner| {
            let keep = &*owner.worker != worker;
            if !keep {
                lost = true;
                state.lost.insert(partition.clone());
            }
            keep
        });
        if lost {
            state.told_lost = false;
            group.share_out();
        }
        lost
    }

    /// What the member has not been told yet.
    ///
    /// # Errors
    /// [`Refused::Fenced`].
    pub fn next_event(&mut self, member: &Member) -> Result<Option<GroupEvent>, Refused> {
        let eager = self.eager;
        let (group, worker) = self.member(member)?;
        if let Some(state) = group.members.get_mut(&worker)
            && !state.lost.is_empty()
        {
            let told = std::mem::replace(&mut state.told_lost, true);
            return Ok((!told).then(|| GroupEvent::Lost(state.lost.iter().cloned().collect())));
        }
        let is_behind = eager && group.members.get(&worker).is_some_and(|state| state.joined < group.generation);
        let mut revoked = Vec::new();
        for (partition, owner) in &mut group.owners {
            let goes = is_behind || group.targets.get(partition) != Some(&worker);
            if owner.worker == worker && !owner.asked_back && goes {
                owner.asked_back = true;
                revoked.push(partition.clone());
            }
        }
        if !revoked.is_empty() {
            return Ok(Some(GroupEvent::Revoked(revoked)));
        }
        if eager && !group.has_joined(&worker) {
            return Ok(None);
        }
        let assigned: Vec<_> = group
            .targets
            .iter()
            .filter(|(partition, target)| **target == worker && !group.owners.contains_key(*partition))
            .map(|(partition, _)| partition.clone())
            .collect();
        for partition in &assigned {
            group.owners.insert(partition.clone(), Owner { worker: Arc::clone(&worker), asked_back: false });
        }
        Ok((!assigned.is_empty()).then_some(GroupEvent::Assigned(assigned)))
    }

    /// Gives partitions back, whether they were asked for or lost.
    ///
    /// # Errors
    /// [`Refused::Fenced`].
    pub fn release(&mut self, member: &Member, partitions: &[TopicPartition]) -> Result<(), Refused> {
        let (group, worker) = self.member(member)?;
        let mut rejoins = false;
        if let Some(state) = group.members.get_mut(&worker) {
            for partition in partitions {
                rejoins |= state.lost.remove(partition) && state.lost.is_empty();
            }
        }
        for partition in partitions {
            if group.owners.get(partition).is_some_and(|owner| owner.worker == worker) {
                group.owners.remove(partition);
            }
        }
        if rejoins {
            group.share_out();
        }
        Ok(())
    }

    /// Says whether a partition is the member's at this moment.
    ///
    /// # Errors
    /// [`Refused::Fenced`] or [`Refused::NotOwned`].
    pub fn check_owned(&mut self, member: &Member, partition: &TopicPartition) -> Result<(), Refused> {
        let (group, worker) = self.member(member)?;
        match group.owners.get(partition) {
            Some(owner) if owner.worker == worker => Ok(()),
            _ => Err(Refused::NotOwned(partition.clone())),
        }
    }

    /// Allows a commit and keeps others from taking over until [`Self::end_commit`].
    ///
    /// # Errors
    /// When the member may not commit these positions.
    pub fn begin_commit(&mut self, member: &Member, positions: &[(TopicPartition, i64)]) -> Result<(), Refused> {
        let (group, worker) = self.member(member)?;
        let Some(state) = group.members.get_mut(&worker) else { return Err(Refused::Fenced) };
        if !state.lost.is_empty() {
            return Err(Refused::Lost);
        }
        for (partition, _) in positions {
            if group.owners.get(partition).is_none_or(|owner| owner.worker != worker) {
                return Err(Refused::NotOwned(partition.clone()));
            }
        }
        state.committing = true;
        Ok(())
    }

    /// Ends what [`Self::begin_commit`] began, whatever came of it.
    pub fn end_commit(&mut self, member: &Member) {
        if let Ok((group, worker)) = self.member(member)
            && let Some(state) = group.members.get_mut(&worker)
        {
            state.committing = false;
        }
    }

    /// How many members a group has.
    pub fn member_count(&self, group: &str) -> usize {
        self.groups.get(group).map_or(0, |group| group.members.len())
    }

    fn member(&mut self, member: &Member) -> Result<(&mut Group, Arc<str>), Refused> {
        let group = self.groups.get_mut(&member.group).ok_or(Refused::Fenced)?;
        match group.members.get(&member.worker) {
            Some(state) if state.member_epoch == member.member_epoch => Ok((group, Arc::clone(&member.worker))),
            _ => Err(Refused::Fenced),
        }
    }
}

impl Group {
    /// Computes the targets: each topic by ranges over the members that want it, sorted by name.
    fn share_out(&mut self) {
        let mut wanted: BTreeMap<&Arc<str>, (u32, Vec<&Arc<str>>)> = BTreeMap::new();
        for (worker, state) in self.members.iter().filter(|(_, state)| state.lost.is_empty()) {
            for (topic, &partitions) in &state.topics {
                let (most, workers) = wanted.entry(topic).or_default();
                *most = partitions.max(*most);
                workers.push(worker);
            }
        }
        let mut targets = BTreeMap::new();
        for (topic, (partitions, workers)) in wanted {
            for (partition, index) in (0..).zip(range_assignment(partitions, workers.len() as u32)) {
                if let Some(worker) = workers.get(index as usize) {
                    targets.insert(TopicPartition::new(Arc::clone(topic), partition), Arc::clone(worker));
                }
            }
        }
        self.targets = targets;
        self.generation += 1;
    }

    /// In an eager group: a member that has given everything back joins the generation; whether all have.
    fn has_joined(&mut self, worker: &Arc<str>) -> bool {
        if !self.owners.values().any(|owner| owner.worker == *worker && owner.asked_back)
            && let Some(state) = self.members.get_mut(worker)
        {
            state.joined = self.generation;
        }
        self.members.values().all(|state| state.joined == self.generation || !state.lost.is_empty())
    }
}

#[cfg(test)]
mod tests;
