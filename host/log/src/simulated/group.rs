//! Membership in groups, over the coordinator that all logs share: who is heard of, who is removed.

use std::sync::Arc;

use millstream_types::TopicPartition;

use super::broker::Broker;
use crate::{ErrorKind, GroupCoordinator, GroupEvent, LogError, Member, Refused};

/// The members of all groups. Each session is a member of its own, as on Kafka: one that crashed stays in
/// the group beside the session that follows it, until its time-out.
#[derive(Debug, Default)]
pub(super) struct Members {
    groups: GroupCoordinator,
    registered: Vec<Registered>,
    sessions: u64,
}

#[derive(Debug)]
struct Registered {
    member: Member,
    worker: Arc<str>,
    heard_ms: i64,
}

impl Members {
    pub(super) fn new(eager: bool) -> Self {
        let groups = if eager { GroupCoordinator::eager() } else { GroupCoordinator::default() };
        Self { groups, ..Self::default() }
    }
}

impl Broker {
    /// A number for a session, by which its member differs from others of the same worker.
    pub(super) fn next_session(&mut self) -> u64 {
        self.members.sessions += 1;
        self.members.sessions
    }

    /// Adds a member to its group.
    ///
    /// # Errors
    /// [`User`](ErrorKind::User) where a topic is missing.
    pub(super) fn join(
        &mut self,
        group: &str,
        worker: &Arc<str>,
        session: u64,
        topics: &[Arc<str>],
    ) -> Result<Member, LogError> {
        let mut wanted = Vec::with_capacity(topics.len());
        for topic in topics {
            wanted.push((Arc::clone(topic), self.partition_count(topic)? as u32));
        }
        // The digits keep the members of a worker in the order of their sessions.
        let name = format!("{worker}#{session:08}");
        let member = self
            .members
            .groups
            .join(group, &name, wanted)
            .map_err(|refused| LogError::new(ErrorKind::Retriable, refused.to_string()))?;
        let registered = Registered { member: member.clone(), worker: Arc::clone(worker), heard_ms: self.now_ms };
        self.members.registered.push(registered);
        Ok(member)
    }

    /// A sign of life.
    pub(super) fn hear(&mut self, member: &Member) {
        if let Some(registered) = self.members.registered.iter_mut().find(|known| known.member == *member) {
            registered.heard_ms = self.now_ms;
        }
    }

    pub(super) fn leave(&mut self, member: &Member) {
        self.members.groups.leave(member);
        self.members.registered.retain(|known| known.member != *member);
    }

    /// Removes every member of a worker; whether any of them owned anything.
    pub(super) fn expel(&mut self, group: &str, worker: &str) -> bool {
        let known = self.members.registered.iter();
        let expelled: Vec<Member> = known
            .filter(|known| &**known.member.group() == group && &*known.worker == worker)
            .map(|known| known.member.clone())
            .collect();
        let mut owned = false;
        for member in expelled {
            owned |= self.members.groups.expel(group, member.worker());
            self.remove(&member);
        }
        owned
    }

    pub(super) fn expire_members(&mut self) {
        let oldest_ms = self.now_ms.saturating_sub(self.config.session_timeout_ms);
        let known = self.members.registered.iter();
        let due: Vec<Member> =
            known.filter(|known| known.heard_ms < oldest_ms).map(|known| known.member.clone()).collect();
        for member in due {
            self.remove(&member);
        }
    }

    fn remove(&mut self, member: &Member) {
        self.counts.expulsions += 1;
        self.leave(member);
    }

    /// # Errors
    /// [`Aborted`](ErrorKind::Aborted) where the member was removed from its group.
    pub(super) fn check_member(&mut self, member: &Member) -> Result<(), LogError> {
        // What the coordinator guards against between these two cannot be guarded against on Kafka.
        let allowed = self.members.groups.begin_commit(member, &[]);
        self.members.groups.end_commit(member);
        allowed.map_err(|_| {
            self.counts.refused_positions += 1;
            let message = format!("{} is no longer a member of group {}", member.worker(), member.group());
            LogError::new(ErrorKind::Aborted, message)
        })
    }

    /// What the member has not been told yet.
    ///
    /// # Errors
    /// Where it was removed from its group.
    pub(super) fn next_event(&mut self, member: &Member) -> Result<Option<GroupEvent>, Refused> {
        self.members.groups.next_event(member)
    }

    /// Gives partitions back. A member that was removed has nothing to give.
    pub(super) fn release(&mut self, member: &Member, partitions: &[TopicPartition]) {
        // Refused: the group has them already.
        let _ = self.members.groups.release(member, partitions);
    }

    /// Forgets a group without members; returns how many it has.
    pub(super) fn delete_group(&mut self, group: &str) -> usize {
        let members = self.members.groups.member_count(group);
        if members == 0 {
            self.positions.remove(group);
        }
        members
    }
}
