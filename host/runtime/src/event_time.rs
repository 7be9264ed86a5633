//! Event time of a task: how far its inputs are, how far its steps are, and what it tells the tasks behind its
//! shuffles. See `docs/time.md` for what a watermark promises.

mod generators;
mod mark;
mod reach;
mod source;
mod upstream;

use std::{sync::Arc, time::Duration};

use millstream_operator::OperatorError;
use millstream_pipeline::plan::{InputKind, StageInput};
use millstream_types::{RecordBatch, UNKNOWN_WATERMARK};

pub(crate) use generators::{GeneratorFactories, Generators, generators_of};
pub(crate) use mark::Mark;
pub(crate) use reach::StageReach;
pub(crate) use source::Moment;
use source::SourceClock;
use upstream::UpstreamClock;
pub(crate) use upstream::{Notice, take_notices};

use crate::status::WatermarkStatus;

/// Event time of one task. Of a pipeline that does not need it there is none, and nothing is done.
#[derive(Debug, Default)]
pub(crate) struct TaskTime {
    inputs: Vec<InputClock>,
    /// The watermark that each step works with.
    steps: Vec<i64>,
    /// What each shuffle is to be told, and what it was told.
    shuffles: Vec<(Mark, Option<Mark>)>,
    /// An input has said something that has not been looked at.
    moved: bool,
}

#[derive(Debug)]
enum InputClock {
    Source(SourceClock),
    Repartition(UpstreamClock),
}

impl InputClock {
    fn mark(&self) -> Mark {
        match self {
            Self::Source(clock) => clock.mark(),
            Self::Repartition(clock) => clock.mark(),
        }
    }
}

impl TaskTime {
    /// The time of a task of a stage with these inputs. `restored` gives what [`Self::lasting`] said of an input
    /// when its task was committed last.
    pub(crate) fn new(
        inputs: &[StageInput],
        reach: &StageReach,
        now: Duration,
        mut restored: impl FnMut(&StageInput) -> Vec<Notice>,
    ) -> Self {
        let clocks = inputs.iter().zip(&reach.writers).map(|(input, writers)| {
            let restored = restored(input);
            match &input.kind {
                InputKind::Repartition { .. } => InputClock::Repartition(UpstreamClock::new(writers, restored)),
                InputKind::Topic { watermarks, .. } | InputKind::Connector { watermarks, .. } => {
                    let at = restored.first().and_then(|notice| notice.watermark_ms).unwrap_or(UNKNOWN_WATERMARK);
                    InputClock::Source(SourceClock::new(&input.name, watermarks, at, now))
                }
            }
        });
        Self {
            inputs: clocks.collect(),
            steps: vec![UNKNOWN_WATERMARK; reach.steps.len()],
            shuffles: vec![(Mark::UNKNOWN, None); reach.shuffles.len()],
            moved: true,
        }
    }

    /// The watermark of each step.
    pub(crate) fn steps(&self) -> &[i64] {
        &self.steps
    }

    /// Records came from a source.
    ///
    /// # Errors
    /// When its watermark generator failed.
    pub(crate) fn observe(
        &mut self,
        input: usize,
        records: &RecordBatch,
        at: Moment,
        generators: &mut Generators,
    ) -> Result<(), OperatorError> {
        if let Some(InputClock::Source(clock)) = self.inputs.get_mut(input) {
            let before = clock.mark();
            clock.observe(records, at, generators)?;
            self.moved |= clock.mark() != before;
        }
        Ok(())
    }

    /// Tells watermark generators the time where they are to be told; on failure with the place of the input.
    ///
    /// # Errors
    /// When one failed.
    pub(crate) fn tick(&mut self, at: Moment, generators: &mut Generators) -> Result<(), (usize, OperatorError)> {
        for (input, clock) in self.inputs.iter_mut().enumerate() {
            if let InputClock::Source(clock) = clock {
                let before = clock.mark();
                clock.tick(at, generators).map_err(|error| (input, error))?;
                self.moved |= clock.mark() != before;
            }
        }
        Ok(())
    }

    /// The watermark of a source is `watermark_ms` at least, whatever its records say.
    pub(crate) fn advance_source(&mut self, input: usize, watermark_ms: i64, now: Duration) {
        if let Some(InputClock::Source(clock)) = self.inputs.get_mut(input) {
            let before = clock.mark();
            clock.advance(watermark_ms, now);
            self.moved |= clock.mark() != before;
        }
    }

    /// A bounded source was read to its end.
    pub(crate) fn finish(&mut self, input: usize) {
        if let Some(InputClock::Source(clock)) = self.inputs.get_mut(input) {
            clock.finish();
            self.moved = true;
        }
    }

    /// Tasks before a shuffle spoke.
    pub(crate) fn hear(&mut self, input: usize, notices: &[Notice]) {
        if let Some(InputClock::Repartition(clock)) = self.inputs.get_mut(input) {
            notices.iter().for_each(|notice| clock.hear(notice));
            self.moved |= !notices.is_empty();
        }
    }

    /// Looks for sources that have become idle.
    pub(crate) fn look_for_idle(&mut self, now: Duration) {
        for clock in &mut self.inputs {
            if let InputClock::Source(clock) = clock {
                self.moved |= clock.becomes_idle(now);
            }
        }
    }

    /// Whether an input has said something since the last call.
    pub(crate) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Brings a step to where its inputs are; its watermark, where that is later than before.
    pub(crate) fn advance_step(&mut self, step: usize, reach: &StageReach) -> Option<i64> {
        let mark = self.mark_of(reach.steps.get(step)?);
        let watermark = self.steps.get_mut(step)?;
        if mark.at <= *watermark {
            return None;
        }
        *watermark = mark.at;
        Some(mark.at)
    }

    /// Decides what shuffles are to be told, after all steps have done what their watermarks ask for; whether any is
    /// to be told something new.
    pub(crate) fn advance_shuffles(&mut self, reach: &StageReach) -> bool {
        let marks: Vec<Mark> = reach.shuffles.iter().map(|shuffle| self.mark_of(&shuffle.inputs)).collect();
        let mut is_new = false;
        for ((due, told), mark) in self.shuffles.iter_mut().zip(marks) {
            *due = Mark { at: mark.at.max(due.at), idle: mark.idle };
            is_new |= told.map_or(*due != Mark::UNKNOWN, |told| told != *due);
        }
        is_new
    }

    /// What shuffles have not been told yet: the place of the shuffle, and the mark. They count as told from now on.
    pub(crate) fn take_untold(&mut self) -> Vec<(usize, Mark)> {
        let mut untold = Vec::new();
        for (place, (due, told)) in self.shuffles.iter_mut().enumerate() {
            if *due != Mark::UNKNOWN && *told != Some(*due) {
                *told = Some(*due);
                untold.push((place, *due));
            }
        }
        untold
    }

    fn mark_of(&self, inputs: &[usize]) -> Mark {
        Mark::of_all(inputs.iter().filter_map(|&input| self.inputs.get(input)).map(InputClock::mark))
    }

    /// What to begin with after a restart, by place of the input.
    pub(crate) fn lasting(&self) -> impl Iterator<Item = (usize, Vec<Notice>)> {
        self.inputs.iter().enumerate().map(|(input, clock)| match clock {
            InputClock::Repartition(clock) => (input, clock.lasting()),
            InputClock::Source(clock) => {
                let mark = Mark { at: clock.lasting(), idle: false };
                let notice = (mark != Mark::UNKNOWN).then(|| Notice::new(Arc::from(""), 0, mark));
                (input, notice.into_iter().collect())
            }
        })
    }

    /// How far ahead of others an input is that may not be: its watermark, and how much it may be ahead.
    pub(crate) fn alignment(&self, input: usize) -> Option<(Mark, Duration)> {
        match self.inputs.get(input)? {
            InputClock::Source(clock) => Some((clock.mark(), clock.align()?)),
            InputClock::Repartition(_) => None,
        }
    }

    /// The watermarks of steps, for the status: `names` are those of the inputs.
    pub(crate) fn status(&self, steps: &[&str], names: &[&str], reach: &StageReach) -> Vec<WatermarkStatus> {
        let status = |(step, (name, watermark)): (usize, (&&str, &i64))| {
            let inputs = reach.steps.get(step).map_or(&[][..], Vec::as_slice);
            let marks = inputs.iter().filter_map(|&input| Some((input, self.inputs.get(input)?)));
            let slowest = marks.filter(|(_, clock)| !clock.mark().idle).min_by_key(|(_, clock)| clock.mark().at);
            let slowest = slowest.map(|(input, clock)| match clock {
                InputClock::Source(_) => names.get(input).map_or_else(String::new, ToString::to_string),
                InputClock::Repartition(clock) => clock.slowest().unwrap_or_default(),
            });
            let watermark_ms = (*watermark != UNKNOWN_WATERMARK).then_some(*watermark);
            WatermarkStatus { step: (*name).into(), watermark_ms, slowest }
        };
        steps.iter().zip(&self.steps).enumerate().map(status).collect()
    }
}
