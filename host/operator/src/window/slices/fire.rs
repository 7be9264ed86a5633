//! Firing windows and deleting slices, a page at a time.

use std::collections::BTreeMap;

use millstream_state::TaskState;
use millstream_types::BytesColumn;

use super::{DROP, FIRE, LiveSlices, Slices, Timers, name, read::read_keys, read_name};
use crate::{OperatorError, ProcessOutput, timer::FiredTimers, window::output::Fired};

/// Timers to work off, by time and name, and the fired timer that each came from.
type Queue = BTreeMap<(i64, Vec<u8>), u32>;

/// What a call has done.
struct Done {
    fired: Fired,
    results: BytesColumn,
    /// Results and deletions that the call may still bring.
    left: usize,
    source: u32,
}

impl Slices {
    /// Works off timers in order, those that they set included, until a page is full. The rest is set again.
    pub(super) fn work(
        &mut self,
        timers: &FiredTimers<'_>,
        state: &mut TaskState,
        live: &mut LiveSlices,
    ) -> Result<ProcessOutput, OperatorError> {
        let mut queue = Queue::new();
        for (source, (&time_ms, name)) in timers.times.iter().zip(timers.names.iter()).enumerate() {
            queue.entry((time_ms, name.unwrap_or_default().to_vec())).or_insert(source as u32);
        }
        let mut done = Done { fired: Fired::default(), results: BytesColumn::new(), left: self.page, source: 0 };
        let mut set = Timers::default();
        while let Some(((time_ms, name), source)) = queue.pop_first() {
            if done.left == 0 || time_ms > timers.watermark_ms {
                set.set(time_ms, name);
                continue;
            }
            done.source = done.source.max(source);
            let (kind, number, after) = read_name(&name)?;
            let next = match kind {
                FIRE => self.fire(state, live, (number, after), &mut done, &mut set)?,
                DROP => self.delete(state, live, (number, after), time_ms, &mut done)?,
                _ => return Err(millstream_state::StateError::Corrupt(format!("timer {name:?} of windows")).into()),
            };
            if let Some((time_ms, name)) = next {
                queue.entry((time_ms, name)).or_insert(source);
            }
        }
        self.states.advance(state, live, timers.watermark_ms)?;
        let outputs = done.fired.into_output(done.results).into_iter().collect();
        Ok(ProcessOutput { outputs, timers: set.into_changes(), ..Default::default() })
    }

    /// Fires the keys of window `index` after a key; returns the timer that goes on.
    fn fire(
        &mut self,
        state: &mut TaskState,
        live: &mut LiveSlices,
        (index, after): (i128, Option<&[u8]>),
        done: &mut Done,
        timers: &mut Timers,
    ) -> Result<Option<(i64, Vec<u8>)>, OperatorError> {
        if live.armed == Some(index) {
            live.armed = None;
        }
        let window = self.grid.window(index);
        let starts = live.of_window(&self.grid, index);
        let single = starts.clone().nth(1).is_none();
        let read = read_keys(state, &self.states.slices, starts, after, done.left)?;
        let mut fired = Fired::default();
        for key in read.keys.iter() {
            fired.push(done.source, key.unwrap_or_default(), window, window.last_ms());
        }
        if !fired.is_empty() {
            let merged = match single {
                true => read.accumulators,
                false => self.aggregation.merge(&read.accumulators, &read.groups, fired.len())?,
            };
            done.results.extend_from(&fired.results(&mut *self.aggregation, &merged)?);
            done.left = done.left.saturating_sub(fired.len());
            done.fired.extend(fired);
        }
        if read.more {
            let last = read.keys.get(read.keys.len().saturating_sub(1));
            return Ok(Some((window.last_ms(), name(FIRE, index, last))));
        }
        let next = live.next_window(&mut self.grid, index.saturating_add(1));
        if let Some(next) = next {
            self.rearm(live, next, timers);
        }
        Ok(next.map(|next| (self.grid.window(next).last_ms(), name(FIRE, next, None))))
    }

    /// Deletes entries of the slice that begins at `start_ms` after a key; returns the timer that goes on.
    fn delete(
        &mut self,
        state: &mut TaskState,
        live: &mut LiveSlices,
        (number, after): (i128, Option<&[u8]>),
        time_ms: i64,
        done: &mut Done,
    ) -> Result<Option<(i64, Vec<u8>)>, OperatorError> {
        let start_ms = number.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        let first = after.map(|after| [after, &[0]].concat()).unwrap_or_default();
        let key = super::live::ordered(start_ms);
        let page = state.map_scan(&self.states.slices, &key, &first, None, done.left)?;
        let count = page.fields.len();
        done.left -= count;
        let keys: BytesColumn = (0..count).map(|_| Some(key)).collect();
        let nothing: BytesColumn = (0..count).map(|_| None::<&[u8]>).collect();
        state.map_put_many(&self.states.slices, &keys, &page.fields, &nothing)?;
        if page.more {
            return Ok(Some((time_ms, name(DROP, number, page.fields.get(count.saturating_sub(1))))));
        }
        self.states.remove(state, live, start_ms)?;
        Ok(None)
    }
}
