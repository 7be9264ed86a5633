//! Firing windows and deleting slices, a page at a time.

use std::collections::BTreeMap;

use millstream_state::TaskState;
use millstream_types::BytesColumn;

use super::{
    DROP, FIRE, LiveSlices, Slices, TIDY, Timers,
    fold::Changes,
    live::{Entries, ordered},
    name,
    read::{Keys, Source, read_keys},
    read_name,
    rows::{MOST_SLICES, Parts},
};
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
    watermark_ms: i64,
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
        let (fired, results, watermark_ms) = (Fired::default(), BytesColumn::new(), timers.watermark_ms);
        let mut done = Done { fired, results, left: self.page, source: 0, watermark_ms };
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
                TIDY => self.tidy(state, live, after, time_ms, &mut done)?,
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
        let slices = self.grid.slices_a_window();
        let (read, mut fired, merged) = match 1 < slices && slices <= MOST_SLICES {
            true => self.fire_rows(state, live, (index, after), (done.watermark_ms, done.left))?,
            false => self.fire_slices(state, live, (index, after), done.left)?,
        };
        if !fired.is_empty() {
            fired.sources.fill(done.source);
            done.results.extend_from(&fired.results(&mut *self.aggregation, &merged)?);
            done.fired.extend(fired);
        }
        done.left = done.left.saturating_sub(read.keys.len());
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

    /// Fires keys of window `index` after `after`, about `limit` of them, from the entries of its slices.
    fn fire_slices(
        &mut self,
        state: &mut TaskState,
        live: &LiveSlices,
        (index, after): (i128, Option<&[u8]>),
        limit: usize,
    ) -> Result<(Keys, Fired, BytesColumn), OperatorError> {
        let window = self.grid.window(index);
        let starts = live.of_window(&self.grid, index);
        let sources: Vec<Source<'_>> =
            starts.map(|start_ms| (&self.states.slices, ordered(start_ms).to_vec())).collect();
        let mut read = read_keys(state, &sources, after, limit)?;
        let mut fired = Fired::default();
        for key in read.keys.iter() {
            fired.push(0, key.unwrap_or_default(), window, window.last_ms());
        }
        let merged = match sources.len() {
            1 => std::mem::take(&mut read.values),
            _ => self.aggregation.merge(&read.values, &read.groups, fired.len())?,
        };
        Ok((read, fired, merged))
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
        if live.entries(start_ms) != Entries::None {
            let first = after.map(|after| [after, &[0]].concat()).unwrap_or_default();
            let key = ordered(start_ms);
            let page = state.map_scan(&self.states.slices, &key, &first, None, done.left)?;
            let mut deleted = Changes::default();
            page.fields.iter().for_each(|field| deleted.push(&key, field.unwrap_or_default(), None));
            deleted.write(state, &self.states.slices)?;
            let count = page.fields.len();
            done.left -= count;
            if page.more {
                return Ok(Some((time_ms, name(DROP, number, page.fields.get(count.saturating_sub(1))))));
            }
        }
        self.states.remove(state, live, start_ms)?;
        Ok(live.rows_are_over().then(|| (time_ms, name(TIDY, 0, None))))
    }

    /// Deletes rows after a key that have nothing that counts any more: no window is to fire that would come by them.
    /// Returns the timer that goes on.
    fn tidy(
        &mut self,
        state: &mut TaskState,
        live: &mut LiveSlices,
        after: Option<&[u8]>,
        time_ms: i64,
        done: &mut Done,
    ) -> Result<Option<(i64, Vec<u8>)>, OperatorError> {
        let first = after.map(|after| [after, &[0]].concat()).unwrap_or_default();
        let page = state.map_scan(&self.states.rows, b"", &first, None, done.left)?;
        let mut deleted = Changes::default();
        for (key, row) in page.fields.iter().zip(page.values.iter()) {
            let mut is_over = true;
            for part in Parts::of(row.unwrap_or_default()) {
                is_over &= !live.has(part?.0);
            }
            if is_over {
                deleted.push(b"", key.unwrap_or_default(), None);
            }
        }
        deleted.write(state, &self.states.rows)?;
        let count = page.fields.len();
        done.left -= count;
        if page.more {
            return Ok(Some((time_ms, name(TIDY, 0, page.fields.get(count.saturating_sub(1))))));
        }
        if live.rows_are_over() {
            self.states.note_rows(state, live, None)?;
        }
        Ok(None)
    }
}
