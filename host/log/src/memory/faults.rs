//! Faults that a session meets with, drawn from a seed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use millstream_types::{RecordBatch, TopicPartition};
use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::storage::MemoryStorage;
use crate::{Committed, ErrorKind, LogError, LogSession, PollEvent, Routing, SessionSpec, StateDelta, local::LocalLog};

/// How often which fault happens: probabilities from 0 to 1 of each call. The same seed and the same calls
/// give the same faults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// What the faults are drawn from.
    pub seed: u64,
    /// A commit happens, and its answer is lost: [`ErrorKind::Unknown`].
    pub commit_answer_lost: f64,
    /// A commit does not happen, and nobody can tell: [`ErrorKind::Unknown`].
    pub commit_request_lost: f64,
    /// A commit is refused and the session is sound: [`ErrorKind::Aborted`].
    pub commit_aborted: f64,
    /// A commit finds that another has taken over: [`ErrorKind::Fenced`].
    pub commit_fenced: f64,
    /// A poll fails and may be repeated: [`ErrorKind::Retriable`].
    pub poll_retriable: f64,
    /// A poll finds that all partitions were taken away: [`PollEvent::Lost`], and they come back later.
    pub poll_lost: f64,
}

#[derive(Debug)]
pub(super) struct FaultSource {
    state: Mutex<(Faults, StdRng)>,
    count: AtomicU64,
}

impl FaultSource {
    pub(super) fn new(faults: Faults) -> Self {
        let random = StdRng::seed_from_u64(faults.seed);
        Self { state: Mutex::new((faults, random)), count: AtomicU64::new(0) }
    }

    pub(super) fn set(&self, faults: Faults) {
        let random = StdRng::seed_from_u64(faults.seed);
        *self.state.lock() = (faults, random);
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Draws at most one of `candidates`, each of which has its probability.
    fn draw(&self, candidates: impl FnOnce(&Faults) -> [(f64, Fault); 4]) -> Option<Fault> {
        let mut state = self.state.lock();
        let (faults, random) = &mut *state;
        let candidates = candidates(faults);
        if candidates.iter().all(|(probability, _)| *probability <= 0.0) {
            return None;
        }
        let mut drawn: f64 = random.random();
        for (probability, fault) in candidates {
            if drawn < probability {
                self.count.fetch_add(1, Ordering::Relaxed);
                return Some(fault);
            }
            drawn -= probability;
        }
        None
    }
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    AnswerLost,
    RequestLost,
    Aborted,
    Fenced,
    Retriable,
    Lost,
}

/// A session that meets with faults. After one that kills it the session below is gone, as its worker
/// would be for the group.
pub(super) struct FaultySession {
    session: Option<Box<dyn LogSession>>,
    log: LocalLog<MemoryStorage>,
    faults: Arc<FaultSource>,
    spec: SessionSpec,
}

impl FaultySession {
    pub(super) fn new(
        session: Box<dyn LogSession>,
        log: LocalLog<MemoryStorage>,
        faults: Arc<FaultSource>,
        spec: &SessionSpec,
    ) -> Self {
        Self { session: Some(session), log, faults, spec: spec.clone() }
    }

    fn session(&mut self) -> Result<&mut Box<dyn LogSession>, LogError> {
        self.session.as_mut().ok_or_else(|| LogError::new(ErrorKind::Fenced, "the session is dead after a fault"))
    }

    fn die(&mut self, kind: ErrorKind, message: &str) -> LogError {
        self.session = None;
        LogError::new(kind, message)
    }
}

impl LogSession for FaultySession {
    fn poll(&mut self, timeout: Duration) -> Result<PollEvent, LogError> {
        let drawn = self.faults.draw(|faults| {
            [
                (faults.poll_retriable, Fault::Retriable),
                (faults.poll_lost, Fault::Lost),
                (0.0, Fault::Lost),
                (0.0, Fault::Lost),
            ]
        });
        match drawn {
            Some(Fault::Retriable) => {
                self.session()?;
                return Err(LogError::new(ErrorKind::Retriable, "fault: the log does not answer"));
            }
            Some(_) => {
                self.log.expel(self.spec.group.as_str(), &self.spec.worker);
            }
            None => {}
        }
        self.session()?.poll(timeout)
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<i64>>, LogError> {
        self.session()?.committed(partitions)
    }

    fn start(&mut self, partitions: &[(TopicPartition, Option<i64>)]) -> Result<(), LogError> {
        self.session()?.start(partitions)
    }

    fn hold_back(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.session()?.hold_back(partitions)
    }

    fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.session()?.release(partitions)
    }

    fn append(&mut self, topic: &Arc<str>, routing: Routing, batch: &RecordBatch) -> Result<(), LogError> {
        self.session()?.append(topic, routing, batch)
    }

    fn append_changelog(&mut self, changelog: &TopicPartition, delta: &StateDelta) -> Result<(), LogError> {
        self.session()?.append_changelog(changelog, delta)
    }

    fn commit(&mut self, positions: &[(TopicPartition, i64)]) -> Result<Committed, LogError> {
        self.session()?;
        let drawn = self.faults.draw(|faults| {
            [
                (faults.commit_answer_lost, Fault::AnswerLost),
                (faults.commit_request_lost, Fault::RequestLost),
                (faults.commit_aborted, Fault::Aborted),
                (faults.commit_fenced, Fault::Fenced),
            ]
        });
        match drawn {
            Some(Fault::AnswerLost) => {
                self.session()?.commit(positions)?;
                Err(self.die(ErrorKind::Unknown, "fault: the answer to a commit was lost"))
            }
            Some(Fault::RequestLost) => Err(self.die(ErrorKind::Unknown, "fault: a commit was never answered")),
            Some(Fault::Aborted) => {
                self.session()?.abort()?;
                Err(LogError::new(ErrorKind::Aborted, "fault: the transaction was aborted"))
            }
            Some(_) => Err(self.die(ErrorKind::Fenced, "fault: the producer was fenced")),
            None => self.session()?.commit(positions),
        }
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.session()?.abort()
    }

    fn restore(
        &mut self,
        changelog: &TopicPartition,
        from: Option<i64>,
        apply: &mut dyn FnMut(StateDelta, i64, i64) -> Result<(), LogError>,
    ) -> Result<i64, LogError> {
        self.session()?.restore(changelog, from, apply)
    }

    fn trim_changelog(&mut self, changelog: &TopicPartition, position: i64) -> Result<(), LogError> {
        self.session()?.trim_changelog(changelog, position)
    }

    fn lag(&self) -> Vec<(TopicPartition, i64)> {
        self.session.as_ref().map_or_else(Vec::new, |session| session.lag())
    }

    fn close(self: Box<Self>) -> Result<(), LogError> {
        self.session.map_or(Ok(()), LogSession::close)
    }
}
