//! What panes do when a time has come.

use std::collections::BTreeMap;

use millstream_state::{StateError, TaskState};

use super::{
    Panes,
    place::{Asked, check_answer},
    work::{Fire, LivePane, Work},
};
use crate::{
    OperatorError, ProcessOutput,
    timer::{FiredTimers, TimeDomain, TimerChanges},
    window::LateFiring,
};

/// Panes that fire in one call, roughly.
const PAGE: usize = 4096;

/// Moments of one call, so that a trigger that keeps asking does not keep the call from ending.
const MOMENTS: usize = 100_000;

/// Groups by the time that they wait for, and the timer that each comes from.
type Queue = BTreeMap<i64, BTreeMap<u32, u32>>;

/// What a call on timers has come to.
struct Course {
    domain: TimeDomain,
    now_ms: i64,
    watermark_ms: i64,
    fires: Vec<Fire>,
    source: u32,
}

impl Panes {
    /// When a pane wants to be woken, by event and by processing time; `None`: there is nothing to it.
    pub(super) fn wanted(&self, pane: &LivePane) -> Option<[i64; 2]> {
        let is_blank = pane.pieces.is_empty() && pane.trigger.is_none() && pane.times == [i64::MAX; 2];
        if is_blank && !self.policy.merges && self.policy.count.is_none() {
            return None;
        }
        let end = match self.policy.fires_at_end && !pane.ended && pane.window.ends() {
            true => pane.window.last_ms(),
            false => pane.window.expiry_ms(self.policy.lateness_ms).unwrap_or(i64::MAX),
        };
        let [event, processing] = pane.times;
        Some([event.min(end), processing])
    }

    /// Works off timers in order of time, with the moments after them up to the last.
    pub(super) fn work_off(
        &mut self,
        timers: &FiredTimers<'_>,
        state: &mut TaskState,
    ) -> Result<ProcessOutput, OperatorError> {
        let stored = state.get_groups(&self.states.windows, timers.groups)?;
        let mut work = Work::new(timers.groups, stored, self.contents.keeps_elements());
        work.keeps_pieces = self.policy.count.is_some();
        let mut queue = Queue::new();
        for (source, (&time, &group)) in timers.times.iter().zip(&timers.groups.group_of).enumerate() {
            queue.entry(time).or_default().entry(group).or_insert(source as u32);
        }
        let last = timers.times.last().copied().unwrap_or(i64::MIN);
        let mut course = Course {
            domain: timers.domain,
            now_ms: timers.now_ms,
            watermark_ms: timers.watermark_ms,
            fires: Vec::new(),
            source: 0,
        };
        let mut put_off = TimerChanges::new(timers.domain);
        let mut moments = 0;
        while let Some((time, groups)) = queue.pop_first() {
            moments += 1;
            if course.fires.len() >= PAGE || moments > MOMENTS {
                groups.keys().for_each(|&group| put_off.push(work.key(group), b"", time));
                continue;
            }
            self.at(&mut work, time, &groups, &mut course)?;
            for (group, source) in groups {
                let wanted = self.wanted_of(&mut work, group, timers.domain)?;
                if wanted > time && wanted <= last {
                    queue.entry(wanted).or_default().entry(group).or_insert(source);
                }
            }
        }
        let mut output = ProcessOutput::default();
        let clocks = (timers.now_ms, timers.watermark_ms);
        output.outputs.extend(self.contents.fire(&self.states, state, &mut work, course.fires, clocks)?);
        self.write(timers.groups, state, work, &mut output)?;
        output.timers.extend((!put_off.is_empty()).then_some(put_off));
        Ok(output)
    }

    /// The first time that a pane of a group waits for.
    fn wanted_of(&self, work: &mut Work<'_>, group: u32, domain: TimeDomain) -> Result<i64, StateError> {
        let panes = work.panes_of(group)?;
        let times = panes.iter().filter_map(|&pane| self.wanted(work.panes.get(pane as usize)?));
        let of_domain = |[event, processing]: [i64; 2]| match domain {
            TimeDomain::Event => event,
            TimeDomain::Processing => processing,
        };
        Ok(times.map(of_domain).min().unwrap_or(i64::MAX))
    }

    /// Does what is due in these groups at `time`.
    fn at(
        &mut self,
        work: &mut Work<'_>,
        time: i64,
        groups: &BTreeMap<u32, u32>,
        course: &mut Course,
    ) -> Result<(), OperatorError> {
        let mut panes: Vec<(u32, u32)> = Vec::new();
        for (&group, &source) in groups {
            let armed = &mut work.entry(group)?.armed;
            let armed = armed.get_mut(course.domain as usize);
            if let Some(armed) = armed.filter(|armed| **armed <= time) {
                *armed = i64::MAX;
            }
            let mut numbers = work.panes_of(group)?;
            if numbers.is_empty() {
                // A timer of panes that are gone.
                continue;
            }
            work.touch(group)?;
            numbers.sort_by_key(|&pane| work.panes.get(pane as usize).map(|live| (live.window.end_ms, live.window)));
            panes.extend(numbers.into_iter().map(|pane| (pane, source)));
        }
        panes.sort_by_key(|&(pane, _)| work.panes.get(pane as usize).map(|live| work.key(live.group)));
        let fired = self.ask_on_time(work, time, &panes, course)?;
        for (pane, source) in panes {
            course.source = course.source.max(source);
            if course.domain == TimeDomain::Event {
                self.end(work, time, pane, fired.contains(&pane), course);
            }
        }
        Ok(())
    }

    /// Lets the trigger have the panes that it wanted to be asked about; returns those that fired.
    fn ask_on_time(
        &mut self,
        work: &mut Work<'_>,
        time: i64,
        panes: &[(u32, u32)],
        course: &mut Course,
    ) -> Result<Vec<u32>, OperatorError> {
        let mut fired = Vec::new();
        let Some(trigger) = &mut self.trigger else { return Ok(fired) };
        let mut asked = Asked::default();
        let (mut times, mut sources) = (Vec::new(), Vec::new());
        for &(pane, source) in panes {
            let wanted = work.panes.get(pane as usize).and_then(|live| live.times.get(course.domain as usize).copied());
            if let Some(wanted) = wanted.filter(|wanted| *wanted <= time) {
                asked.add(work, pane);
                times.push(wanted);
                sources.push(source);
            }
        }
        if times.is_empty() {
            return Ok(fired);
        }
        let clocks = (course.now_ms, course.watermark_ms);
        let answer = trigger.on_time(&asked.panes(clocks), course.domain, &times)?;
        check_answer(&answer, times.len(), times.len())?;
        asked.remember(work, &answer);
        for ((&pane, verdict), source) in asked.numbers.iter().zip(&answer.verdicts).zip(sources) {
            let live = work.panes.get(pane as usize);
            if live.and_then(|live| live.times.get(course.domain as usize)).is_some_and(|&next| next <= time) {
                return Err(OperatorError::Malformed(format!(
                    "a trigger that was asked at {time} and wants to be asked again at a time that is over"
                )));
            }
            course.source = course.source.max(source);
            if verdict.fires() {
                self.fire_pane(work, pane, course);
                fired.push(pane);
            }
            if verdict.purges() {
                work.purge(pane);
            }
        }
        Ok(fired)
    }

    fn fire_pane(&self, work: &mut Work<'_>, pane: u32, course: &mut Course) {
        course.fires.extend(work.fire(pane, course.source));
        if let Some(live) = work.panes.get_mut(pane as usize) {
            live.changed = false;
        }
        if self.policy.purge {
            work.purge(pane);
        }
    }

    /// Ends a pane, and forgets it, if that is due.
    fn end(&self, work: &mut Work<'_>, time: i64, pane: u32, has_fired: bool, course: &mut Course) {
        let Some(live) = work.panes.get_mut(pane as usize) else { return };
        let window = live.window;
        let ends_now = !live.ended && window.is_complete(time);
        if ends_now {
            live.ended = true;
            if self.policy.fires_at_end && !has_fired {
                self.fire_pane(work, pane, course);
            }
        }
        if window.is_expired(self.policy.lateness_ms, time) {
            let changed = work.panes.get(pane as usize).is_some_and(|live| live.changed);
            if changed && self.policy.fires_at_end && self.policy.late == LateFiring::OnExpiry {
                self.fire_pane(work, pane, course);
            }
            work.remove(pane);
        }
    }
}
