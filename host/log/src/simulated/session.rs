//! A worker's session: Kafka's client, as far as its answers go.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use millstream_types::{RecordBatch, TopicPartition};

use super::{
    Shared,
    broker::{Broker, Cursor, FetchLimits, check_within},
    hooks::{Call, Verdict},
    routing::route,
    transaction::{End, Producer},
};
use crate::{
    Committed, DeliveryGuarantee, ErrorKind, GroupEvent, LogError, LogSession, Member, PollEvent, Routing, SessionSpec,
    StartPosition, StateDelta,
    local::{check_sizes, deleted},
};

/// The most bytes that a record may have; what the Kafka log sends at most.
pub(super) const MAX_RECORD_BYTES: usize = 8 << 20;

/// The session of a simulated log. Dropping it is the crash of its worker, and the broker is not told.
pub(super) struct SimulatedSession {
    shared: Arc<Shared>,
    spec: SessionSpec,
    worker: Arc<str>,
    /// Tells this session's member from those of the worker's other sessions.
    number: u64,
    member: Member,
    /// `None`: at least once.
    producer: Option<Producer>,
    cursors: Vec<Cursor>,
    /// Partitions that nothing is read from for now.
    held_back: Vec<TopicPartition>,
    /// Which cursor has the next turn.
    turn: usize,
    /// Assigned and not released.
    held: BTreeSet<TopicPartition>,
    /// Of those: the ones that the group wants back, from which nothing more is read.
    revoking: BTreeSet<TopicPartition>,
    /// Taken away and not released: until then the group is not joined again.
    lost: BTreeSet<TopicPartition>,
    /// Each changelog appended to since the last commit, with the position after the delta.
    changelogs: Vec<(TopicPartition, i64)>,
    /// Where the records without a key of the next append go.
    keyless_turn: usize,
    /// Something was added to the transaction, as far as the client knows.
    open: bool,
    /// The transaction has failed, so that nothing but an abort is left.
    failed: bool,
    /// Why the session can do nothing any more.
    dead: Option<LogError>,
}

impl SimulatedSession {
    pub(super) fn open(shared: &Arc<Shared>, spec: &SessionSpec) -> Result<Self, LogError> {
        let worker: Arc<str> = spec.worker.as_str().into();
        for topic in &spec.topics {
            shared.arrive(None).partition_count(topic)?;
        }
        let transactional_id = format!("{}.{worker}", spec.group);
        let (producer, number) = shared.request(&worker, None, Call::Open, ErrorKind::Retriable, |broker| {
            let is_transactional = spec.guarantee == DeliveryGuarantee::ExactlyOnce;
            Ok((is_transactional.then(|| broker.init_producer(&transactional_id)), broker.next_session()))
        })?;
        let member = shared.request(&worker, None, Call::Join, ErrorKind::Retriable, |broker| {
            broker.join(spec.group.as_str(), &worker, number, &spec.topics)
        })?;
        Ok(Self {
            shared: Arc::clone(shared),
            spec: spec.clone(),
            worker,
            number,
            member,
            producer,
            cursors: Vec::new(),
            held_back: Vec::new(),
            turn: 0,
            held: BTreeSet::new(),
            revoking: BTreeSet::new(),
            lost: BTreeSet::new(),
            changelogs: Vec::new(),
            keyless_turn: 0,
            open: false,
            failed: false,
            dead: None,
        })
    }

    fn check_alive(&self) -> Result<(), LogError> {
        self.dead.clone().map_or(Ok(()), Err)
    }

    fn check_not_failed(&self) -> Result<(), LogError> {
        self.check_alive()?;
        if self.failed {
            return Err(LogError::new(ErrorKind::Aborted, "the transaction has failed; abort it before going on"));
        }
        Ok(())
    }

    /// Makes a request, and remembers what an error means to the session. `unanswered` is the kind of error
    /// where no answer comes.
    fn request<T>(
        &mut self,
        call: Call,
        unanswered: ErrorKind,
        work: impl FnOnce(&mut Self, &mut Broker) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let shared = Arc::clone(&self.shared);
        let (worker, member) = (Arc::clone(&self.worker), self.member.clone());
        let answer = shared.request(&worker, Some(&member), call, unanswered, |broker| work(self, broker));
        if let Err(error) = &answer {
            match error.kind {
                ErrorKind::Fenced | ErrorKind::Unknown | ErrorKind::Fatal => self.dead = Some(error.clone()),
                ErrorKind::Aborted => self.failed = true,
                ErrorKind::Retriable | ErrorKind::User => {}
            }
        }
        answer
    }

    /// What the group has to say. A member that was removed loses what it holds, and joins again once it
    /// has released that.
    fn group_event(&mut self, broker: &mut Broker) -> Result<Option<PollEvent>, LogError> {
        match broker.next_event(&self.member) {
            Ok(None) => Ok(None),
            Ok(Some(GroupEvent::Assigned(partitions))) => {
                self.held.extend(partitions.iter().cloned());
                Ok(Some(PollEvent::Assigned(partitions)))
            }
            Ok(Some(GroupEvent::Revoked(partitions))) => {
                self.cursors.retain(|cursor| !partitions.contains(&cursor.at));
                self.revoking.extend(partitions.iter().cloned());
                Ok(Some(PollEvent::Revoked(partitions)))
            }
            Ok(Some(GroupEvent::Lost(_))) | Err(_) if !self.held.is_empty() => {
                self.cursors.clear();
                self.revoking.clear();
                self.lost = std::mem::take(&mut self.held);
                Ok(Some(PollEvent::Lost(self.lost.iter().cloned().collect())))
            }
            Err(_) if self.lost.is_empty() => {
                self.member = broker.join(self.spec.group.as_str(), &self.worker, self.number, &self.spec.topics)?;
                Ok(None)
            }
            Ok(Some(GroupEvent::Lost(_))) | Err(_) => Ok(None),
        }
    }

    fn next_event(&mut self, broker: &mut Broker, verdict: Verdict) -> Result<Option<PollEvent>, LogError> {
        if verdict != Verdict::Later
            && let Some(event) = self.group_event(broker)?
        {
            return Ok(Some(event));
        }
        let limits = FetchLimits { records: self.spec.max_batch_records, bytes: self.spec.max_batch_bytes };
        let count = self.cursors.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            let Some(cursor) = self.cursors.get_mut(index) else { continue };
            if self.held_back.contains(&cursor.at) {
                continue;
            }
            if let Some(fetched) = broker.fetch(cursor, limits)? {
                self.turn = index + 1;
                return Ok(Some(PollEvent::Batch(fetched)));
            }
        }
        Ok(None)
    }

    fn append_batches(
        &mut self,
        call: Call,
        cut: impl FnOnce(&Broker) -> Result<Vec<(TopicPartition, RecordBatch)>, LogError>,
    ) -> Result<Vec<i64>, LogError> {
        let appended = self.request(call, ErrorKind::Aborted, |session, broker| {
            let batches = cut(broker)?;
            broker.append(session.producer.as_ref(), batches)
        });
        // Without an answer something may have been added.
        let refused = appended.as_ref().is_err_and(|error| error.kind == ErrorKind::User);
        self.open |= self.producer.is_some() && !refused;
        appended
    }

    fn wait(&self) {
        self.shared.hooks.wait(&self.worker);
    }
}

impl Shared {
    /// A request to the broker, as far as it gets.
    fn request<T>(
        &self,
        worker: &str,
        member: Option<&Member>,
        call: Call,
        unanswered: ErrorKind,
        work: impl FnOnce(&mut Broker) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let verdict = self.hooks.before(worker, call);
        let answer = match verdict {
            Verdict::RequestLost => None,
            Verdict::Go | Verdict::Later | Verdict::AnswerLost => Some(work(&mut self.arrive(member))),
        };
        match answer {
            Some(answer) if verdict != Verdict::AnswerLost => answer,
            _ => Err(no_answer(worker, call, unanswered)),
        }
    }
}

fn no_answer(worker: &str, call: Call, kind: ErrorKind) -> LogError {
    LogError::new(kind, format!("a request of worker {worker} was not answered: {call:?}"))
}

impl LogSession for SimulatedSession {
    /// As documented; it waits at most once, and not at all with a time-out of zero.
    fn poll(&mut self, timeout: Duration) -> Result<PollEvent, LogError> {
        self.check_alive()?;
        let verdict = self.shared.hooks.before(&self.worker, Call::Poll);
        let unanswered = || no_answer(&self.worker, Call::Poll, ErrorKind::Retriable);
        if verdict == Verdict::RequestLost {
            return Err(unanswered());
        }
        let shared = Arc::clone(&self.shared);
        {
            let mut broker = shared.arrive(Some(&self.member));
            if verdict == Verdict::AnswerLost {
                return Err(unanswered());
            }
            if let Some(event) = self.next_event(&mut broker, verdict)? {
                return Ok(event);
            }
        }
        if timeout.is_zero() {
            return Ok(PollEvent::Idle);
        }
        self.wait();
        let mut broker = shared.arrive(Some(&self.member));
        Ok(self.next_event(&mut broker, verdict)?.unwrap_or(PollEvent::Idle))
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<i64>>, LogError> {
        self.check_alive()?;
        self.request(Call::Committed, ErrorKind::Retriable, |_, _| Ok(()))?;
        let mut has_waited = false;
        loop {
            let mut broker = self.shared.arrive(Some(&self.member));
            if let Some(positions) = broker.stable_positions(self.spec.group.as_str(), partitions) {
                return Ok(positions);
            }
            if !std::mem::replace(&mut has_waited, true) {
                broker.counts.waits_for_positions += 1;
            }
            drop(broker);
            self.wait();
        }
    }

    fn start(&mut self, partitions: &[(TopicPartition, Option<i64>)]) -> Result<(), LogError> {
        self.check_alive()?;
        let start = match self.spec.start {
            StartPosition::Last(_) => StartPosition::Latest,
            start => start,
        };
        self.request(Call::Start, ErrorKind::Retriable, |session, broker| {
            let mut started = Vec::with_capacity(partitions.len());
            for (at, position) in partitions {
                if !session.held.contains(at) {
                    let message = format!("partition {at} is not assigned to worker {}", session.worker);
                    return Err(LogError::new(ErrorKind::User, message).at(at.clone()));
                }
                if !session.revoking.contains(at) {
                    started.push(broker.cursor(at, *position, start)?);
                }
            }
            session.cursors.retain(|cursor| !partitions.iter().any(|(at, _)| *at == cursor.at));
            session.cursors.extend(started);
            Ok(())
        })
    }

    fn hold_back(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.held_back = partitions.to_vec();
        Ok(())
    }

    fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.check_alive()?;
        self.request(Call::Release, ErrorKind::Retriable, |session, broker| {
            session.cursors.retain(|cursor| !partitions.contains(&cursor.at));
            session.held_back.retain(|partition| !partitions.contains(partition));
            for partition in partitions {
                session.held.remove(partition);
                session.revoking.remove(partition);
                session.lost.remove(partition);
            }
            broker.release(&session.member, partitions);
            Ok(())
        })
    }

    fn takes_all_back(&self) -> bool {
        self.shared.broker.lock().config.eager
    }

    fn append(&mut self, topic: &Arc<str>, routing: Routing, batch: &RecordBatch) -> Result<(), LogError> {
        self.check_not_failed()?;
        if batch.is_empty() {
            return Ok(());
        }
        check_sizes(topic, batch, MAX_RECORD_BYTES)?;
        self.keyless_turn += 1;
        let turn = self.keyless_turn;
        self.append_batches(Call::Append, |broker| route(topic, broker.partition_count(topic)?, routing, batch, turn))?;
        Ok(())
    }

    fn append_changelog(&mut self, changelog: &TopicPartition, delta: &StateDelta) -> Result<(), LogError> {
        self.check_not_failed()?;
        if delta.keys.is_empty() {
            return Ok(());
        }
        if self.changelogs.iter().any(|(known, _)| known == changelog) {
            let message = "a changelog takes one delta between two commits";
            return Err(LogError::new(ErrorKind::User, message).at(changelog.clone()));
        }
        let ends = self.append_batches(Call::AppendChangelog, |broker| {
            broker.partition(changelog)?;
            let batch = RecordBatch {
                keys: delta.keys.clone(),
                values: delta.values.clone(),
                timestamps: vec![0; delta.keys.len()],
                ..RecordBatch::default()
            };
            Ok(vec![(changelog.clone(), batch)])
        })?;
        self.changelogs.extend(ends.into_iter().map(|end| (changelog.clone(), end)));
        Ok(())
    }

    fn commit(&mut self, positions: &[(TopicPartition, i64)]) -> Result<Committed, LogError> {
        self.check_not_failed()?;
        match self.producer.clone() {
            Some(producer) if self.open || !positions.is_empty() => {
                self.open = true;
                if !positions.is_empty() {
                    self.request(Call::SendPositions, ErrorKind::Aborted, |session, broker| {
                        broker.send_positions(&producer, &session.member, positions)
                    })?;
                }
                self.request(Call::EndTransaction, ErrorKind::Unknown, |_, broker| {
                    broker.counts.commits_without_positions += u64::from(positions.is_empty());
                    broker.end_transaction(&producer, End::Commit)
                })?;
                self.open = false;
            }
            None if !positions.is_empty() => {
                self.request(Call::SendPositions, ErrorKind::Retriable, |session, broker| {
                    broker.commit_positions(&session.member, positions)
                })?;
            }
            _ => {}
        }
        Ok(Committed { changelogs: std::mem::take(&mut self.changelogs) })
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.check_alive()?;
        if let Some(producer) = self.producer.clone().filter(|_| self.open) {
            self.request(Call::Abort, ErrorKind::Unknown, |_, broker| broker.end_transaction(&producer, End::Abort))?;
        }
        self.open = false;
        self.failed = false;
        self.changelogs.clear();
        Ok(())
    }

    fn restore(
        &mut self,
        changelog: &TopicPartition,
        from: Option<i64>,
        apply: &mut dyn FnMut(StateDelta, i64, i64) -> Result<(), LogError>,
    ) -> Result<i64, LogError> {
        self.check_alive()?;
        let from = from.unwrap_or(0);
        let end = self.request(Call::Restore, ErrorKind::Retriable, |_, broker| {
            broker.partition(changelog)?;
            let end = broker.high_watermark(changelog);
            check_within(changelog, from, end)?;
            let stays = broker.config.breakages.restore_past_open_transaction;
            Ok(if stays { broker.last_stable_offset(changelog) } else { end })
        })?;
        let mut has_waited = false;
        let deltas = loop {
            let mut broker = self.shared.arrive(Some(&self.member));
            if broker.high_watermark(changelog) < end {
                return Err(deleted(changelog));
            }
            if broker.readable_end(changelog) >= end {
                break broker.deltas(changelog, from, end);
            }
            if !std::mem::replace(&mut has_waited, true) {
                broker.counts.waits_for_changelogs += 1;
            }
            drop(broker);
            self.wait();
        };
        for (delta, position) in deltas {
            apply(delta, position, end)?;
        }
        Ok(end.max(from))
    }

    /// Compaction forgets; there is nothing to do.
    fn trim_changelog(&mut self, _: &TopicPartition, _: i64) -> Result<(), LogError> {
        self.check_alive()
    }

    fn lag(&self) -> Vec<(TopicPartition, i64)> {
        let broker = self.shared.broker.lock();
        let lag = |cursor: &Cursor| (broker.readable_end(&cursor.at) - cursor.position).max(0);
        self.cursors.iter().map(|cursor| (cursor.at.clone(), lag(cursor))).collect()
    }

    /// As documented; what is open is aborted, unless the session is dead.
    fn close(self: Box<Self>) -> Result<(), LogError> {
        let open = self.producer.as_ref().filter(|_| self.open && self.dead.is_none());
        self.shared.request(&self.worker, Some(&self.member), Call::Close, ErrorKind::Retriable, |broker| {
            let aborted = open.map_or(Ok(()), |producer| broker.end_transaction(producer, End::Abort));
            broker.leave(&self.member);
            aborted
        })
    }
}
