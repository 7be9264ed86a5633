//! Timers as keyed state.

use std::collections::{HashMap, hash_map::Entry};

use millstream_state::{StateDeclaration, StateError, StateHandle, StateKind, TaskState};
use millstream_types::BytesColumn;

use super::{DELETE_TIMER, NEVER, TimeDomain, TimerChanges, TimerUse};

/// The timers of one step, in the state of a task.
///
/// They are committed, restored and undone as all state is. Per clock there is one map, whose fields are
///
/// ```text
///   time (8 bytes, big-endian, sign flipped)   key length (4 bytes, big-endian)   key   name
/// ```
///
/// so that a scan from its beginning finds what is due in order of time; of named timers another map says for
/// each key and name at what time it stands. What is due soonest is remembered, so that nothing is scanned
/// while nothing is due, and scans begin where the last one ended, past what the store has deleted before.
#[derive(Clone, Debug)]
pub struct Timers {
    usage: TimerUse,
    by_time: [StateHandle; 2],
    by_name: [StateHandle; 2],
}

/// What is remembered of a task's timers of one clock.
#[derive(Clone, Copy, Debug)]
struct Horizon {
    /// No timer is due before; [`NEVER`]: none will be.
    earliest: i64,
}

/// Timers that are due, taken out of the state: rows in order of time, those of the same time in an order of keys
/// and names that is always the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DueTimers {
    /// The keys.
    pub keys: BytesColumn,
    /// The names.
    pub names: BytesColumn,
    /// The times.
    pub times: Vec<i64>,
}

impl Timers {
    /// The timers of `step`.
    pub fn new(step: &str, usage: TimerUse) -> Self {
        let handle = |kind: &str, domain: TimeDomain| StateHandle::new(step, &declaration(kind, domain));
        Self {
            usage,
            by_time: TimeDomain::ALL.map(|domain| handle("timers", domain)),
            by_name: TimeDomain::ALL.map(|domain| handle("timer-names", domain)),
        }
    }

    /// Whether there may be any.
    pub fn are_used(&self) -> bool {
        self.usage != TimerUse::None
    }

    /// The states that timers are kept in, as an operator with this use would declare them.
    pub fn declarations(usage: TimerUse) -> Vec<StateDeclaration> {
        let kinds: &[&str] = match usage {
            TimerUse::None => &[],
            TimerUse::Exact => &["timers"],
            TimerUse::Named => &["timers", "timer-names"],
        };
        kinds.iter().flat_map(|kind| TimeDomain::ALL.map(|domain| declaration(kind, domain))).collect()
    }

    /// Sets and deletes timers, in order.
    ///
    /// # Errors
    /// When a column has nulls or another length, or the store cannot be read.
    pub fn apply(&self, state: &mut TaskState, changes: &[TimerChanges]) -> Result<(), StateError> {
        for change in changes {
            check(change)?;
            match self.usage {
                TimerUse::None => {
                    return Err(StateError::Misuse("timers of an operator that declares none".into()));
                }
                TimerUse::Exact => self.apply_exact(state, change)?,
                TimerUse::Named => self.apply_named(state, change)?,
            }
        }
        Ok(())
    }

    fn apply_exact(&self, state: &mut TaskState, change: &TimerChanges) -> Result<(), StateError> {
        let mut fields = BytesColumn::with_capacity(change.len(), change.len() * 32);
        for ((key, name), time) in change.keys.iter().zip(change.names.iter()).zip(&change.times) {
            fields.push(Some(&field(*time, key.unwrap_or_default(), name.unwrap_or_default())));
        }
        let value = (!change.delete).then_some(&b""[..]);
        self.put_by_time(state, change.domain, &fields, value)?;
        if !change.delete {
            self.note(state, change.domain, change.times.iter().copied().min())?;
        }
        Ok(())
    }

    fn apply_named(&self, state: &mut TaskState, change: &TimerChanges) -> Result<(), StateError> {
        let by_name = handle_of(&self.by_name, change.domain);
        // Row by row where a key and name may come twice: the later one counts. One read for all.
        let stored = state.map_get_many(by_name, &change.keys, &change.names)?;
        let mut latest: HashMap<(&[u8], &[u8]), Option<i64>> = HashMap::with_capacity(change.len());
        let mut removed = BytesColumn::with_capacity(change.len(), change.len() * 32);
        for ((key, name), stored) in change.keys.iter().zip(change.names.iter()).zip(stored.iter()) {
            let (key, name) = (key.unwrap_or_default(), name.unwrap_or_default());
            if let Entry::Vacant(first) = latest.entry((key, name)) {
                first.insert(None);
                if let Some(time) = stored.and_then(<[u8]>::first_chunk) {
                    removed.push(Some(&field(i64::from_le_bytes(*time), key, name)));
                }
            }
        }
        for ((key, name), time) in change.keys.iter().zip(change.names.iter()).zip(&change.times) {
            let time = (*time != DELETE_TIMER && !change.delete).then_some(*time);
            latest.insert((key.unwrap_or_default(), name.unwrap_or_default()), time);
        }
        let mut rows: Vec<_> = latest.into_iter().collect();
        rows.sort_unstable();
        let (mut keys, mut names, mut values) = (BytesColumn::new(), BytesColumn::new(), BytesColumn::new());
        let mut set = BytesColumn::with_capacity(rows.len(), rows.len() * 32);
        for ((key, name), time) in &rows {
            keys.push(Some(key));
            names.push(Some(name));
            values.push(time.map(i64::to_le_bytes).as_ref().map(<[u8; 8]>::as_slice));
            if let Some(time) = time {
                set.push(Some(&field(*time, key, name)));
            }
        }
        state.map_put_many(by_name, &keys, &names, &values)?;
        self.put_by_time(state, change.domain, &removed, None)?;
        self.put_by_time(state, change.domain, &set, Some(b""))?;
        self.note(state, change.domain, rows.iter().filter_map(|(_, time)| *time).min())
    }

    fn put_by_time(
        &self,
        state: &mut TaskState,
        domain: TimeDomain,
        fields: &BytesColumn,
        value: Option<&[u8]>,
    ) -> Result<(), StateError> {
        let (mut keys, mut values) = (BytesColumn::new(), BytesColumn::new());
        for _ in 0..fields.len() {
            keys.push(Some(b""));
            values.push(value);
        }
        // They are read in order of time, and never one by one.
        state.map_put_cold(handle_of(&self.by_time, domain), &keys, fields, &values)
    }

    /// Remembers that a timer was set at `time`.
    fn note(&self, state: &mut TaskState, domain: TimeDomain, time: Option<i64>) -> Result<(), StateError> {
        if let Some(time) = time {
            let earliest = self.earliest(state, domain)?.min(time);
            self.remember(state, domain, earliest);
        }
        Ok(())
    }

    fn remember(&self, state: &mut TaskState, domain: TimeDomain, earliest: i64) {
        state.put_memory(handle_of(&self.by_time, domain).id, Box::new(Horizon { earliest }));
    }

    /// A time before which no timer of this clock is due; [`NEVER`] where none will be. Cheap.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn earliest(&self, state: &mut TaskState, domain: TimeDomain) -> Result<i64, StateError> {
        if self.usage == TimerUse::None {
            return Ok(NEVER);
        }
        let handle = handle_of(&self.by_time, domain);
        if let Some(horizon) = state.memory::<Horizon>(handle.id) {
            return Ok(horizon.earliest);
        }
        let page = state.map_scan(handle, b"", b"", None, 1)?;
        let earliest = match page.fields.get(0) {
            Some(first) => split(first)?.0,
            None => NEVER,
        };
        self.remember(state, domain, earliest);
        Ok(earliest)
    }

    /// Takes out up to `limit` of the timers of this clock that are due at `up_to`, that moment included.
    ///
    /// # Errors
    /// When the store cannot be read, or an entry is damaged.
    pub fn take_due(
        &self,
        state: &mut TaskState,
        domain: TimeDomain,
        up_to: i64,
        limit: usize,
    ) -> Result<DueTimers, StateError> {
        let mut due = DueTimers::default();
        let earliest = self.earliest(state, domain)?;
        if earliest > up_to || earliest == NEVER {
            return Ok(due);
        }
        let handle = handle_of(&self.by_time, domain);
        // Where one timer is due, thousands may come soon after it: they are not looked at.
        let end = up_to.checked_add(1).map(ordered);
        let end = end.as_ref().map(<[u8; 8]>::as_slice);
        let page = state.map_scan(handle, b"", &ordered(earliest), end, limit.saturating_add(1))?;
        let mut next = NEVER;
        let mut taken = BytesColumn::with_capacity(page.fields.len(), page.fields.data().len());
        for entry in page.fields.iter().flatten() {
            let (time, key, name) = split(entry)?;
            if time > up_to || time == NEVER || due.times.len() == limit {
                next = time;
                break;
            }
            due.keys.push(Some(key));
            due.names.push(Some(name));
            due.times.push(time);
            taken.push(Some(entry));
        }
        if let Some(end) = end.filter(|_| next == NEVER) {
            let page = state.map_scan(handle, b"", end, None, 1)?;
            next = page.fields.get(0).map_or(Ok(NEVER), |first| split(first).map(|(time, _, _)| time))?;
        }
        self.put_by_time(state, domain, &taken, None)?;
        if self.usage == TimerUse::Named && !due.times.is_empty() {
            let mut gone = BytesColumn::new();
            due.times.iter().for_each(|_| gone.push(None));
            state.map_put_many(handle_of(&self.by_name, domain), &due.keys, &due.names, &gone)?;
        }
        self.remember(state, domain, next);
        Ok(due)
    }
}

/// Refuses columns with nulls or of different lengths.
fn check(change: &TimerChanges) -> Result<(), StateError> {
    let (keys, names, times) = (change.keys.len(), change.names.len(), change.times.len());
    if keys != times || names != times {
        return Err(StateError::Misuse(format!("{times} timers with {keys} keys and {names} names")));
    }
    match change.keys.null_count() + change.names.null_count() {
        0 => Ok(()),
        nulls => Err(StateError::Misuse(format!("timers with {nulls} null keys and names, which they may not have"))),
    }
}

fn declaration(kind: &str, domain: TimeDomain) -> StateDeclaration {
    StateDeclaration {
        // The slash keeps it apart from what operators may declare.
        name: format!("{kind}/{}", domain.as_str()),
        kind: StateKind::Map,
        schema_version: 1,
        ttl: None,
        prefetch: false,
    }
}

fn handle_of(handles: &[StateHandle; 2], domain: TimeDomain) -> &StateHandle {
    let [event, processing] = handles;
    match domain {
        TimeDomain::Event => event,
        TimeDomain::Processing => processing,
    }
}

/// A time as bytes that order as it does.
fn ordered(time_ms: i64) -> [u8; 8] {
    (time_ms.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

fn field(time_ms: i64, key: &[u8], name: &[u8]) -> Vec<u8> {
    let mut field = Vec::with_capacity(12 + key.len() + name.len());
    field.extend_from_slice(&ordered(time_ms));
    field.extend_from_slice(&(key.len() as u32).to_be_bytes());
    field.extend_from_slice(key);
    field.extend_from_slice(name);
    field
}

fn split(field: &[u8]) -> Result<(i64, &[u8], &[u8]), StateError> {
    let damaged = || StateError::Corrupt(format!("timer {field:?}"));
    let (time, rest) = field.split_first_chunk::<8>().ok_or_else(damaged)?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
    let (key, name) = rest.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or_else(damaged)?;
    Ok(((u64::from_be_bytes(*time) ^ (1 << 63)).cast_signed(), key, name))
}
