//! Triggers under test.

use std::collections::BTreeMap;

use super::hosted::Hosted;
use super::records::{Input, columns, failed};
use crate::column::{Column, ColumnBuilder, LeU32s, le_i64};
use crate::contract::window::firing::{Elements, Panes, Verdicts};
use crate::contract::window::{TimeDomain, WindowColumn};
use crate::log::Level;
use crate::state::Codec;
use crate::window::{Trigger, TriggerComponent, Verdict, Window};
use crate::{Error, Result, ResultExt};

/// A key, and a window of it.
type PaneName = (Vec<u8>, Window);

/// What is kept of a pane, as the host stores it.
#[derive(Clone, Debug)]
struct Kept {
    state: Option<Vec<u8>>,
    /// By event and by processing time; the largest integer is never.
    times: [i64; 2],
}

/// A pane about which a trigger was asked when a time had come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The key.
    pub key: Vec<u8>,
    /// The window.
    pub window: Window,
    /// The time that had been set, milliseconds.
    pub time_ms: i64,
    /// What the trigger said.
    pub verdict: Verdict,
}

/// A trigger under test, with what it remembers of each pane.
pub struct TriggerHarness<T> {
    hosted: Hosted<TriggerComponent<T>>,
    panes: BTreeMap<PaneName, Kept>,
    now_ms: i64,
    watermark_ms: i64,
}

impl<T: Trigger> TriggerHarness<T> {
    /// Configures a trigger by JSON text.
    ///
    /// # Errors
    /// Why the trigger refuses the configuration.
    pub fn new(config: &str) -> Result<Self> {
        let component = TriggerComponent::configured(config).map_err(Error::new)?;
        Ok(Self { hosted: Hosted::new(component), panes: BTreeMap::new(), now_ms: 0, watermark_ms: i64::MIN })
    }

    /// Lets a record come into a window of its key.
    ///
    /// # Errors
    /// Why the record fails.
    pub fn send(&mut self, record: Input, window: Window) -> Result<Verdict> {
        self.send_all([(record, window)])?.pop().unwrap_or(Ok(Verdict::Continue))
    }

    /// Lets records come into windows of their keys, in one batch, and returns the verdict after each, or why it
    /// failed. As the host does, asks again without those that failed.
    ///
    /// # Errors
    /// When the batch fails as a whole.
    pub fn send_all(&mut self, records: impl IntoIterator<Item = (Input, Window)>) -> Result<Vec<Result<Verdict>>> {
        let records: Vec<(Input, Window)> = records.into_iter().collect();
        let mut failures: BTreeMap<usize, String> = BTreeMap::new();
        loop {
            let rows: Vec<usize> = (0..records.len()).filter(|row| !failures.contains_key(row)).collect();
            let names = rows.iter().filter_map(|row| records.get(*row)).map(|(record, window)| {
                Ok((record.key.clone().context("a record without a key has no pane")?, *window))
            });
            let names: Vec<PaneName> = names.collect::<Result<_>>()?;
            let mut distinct: Vec<PaneName> = Vec::new();
            let mut panes_of = LeU32s::default();
            for name in &names {
                let at = distinct.iter().position(|known| known == name).unwrap_or_else(|| {
                    distinct.push(name.clone());
                    distinct.len() - 1
                });
                panes_of.push(at as u32);
            }
            let batch: Vec<Input> = records.iter().map(|(record, _)| record.clone()).collect();
            let elements = Elements {
                batch: columns(&batch),
                rows: rows.iter().flat_map(|row| (*row as u32).to_le_bytes()).collect(),
                panes: panes_of.into_bytes(),
                windows: WindowColumn::of(&names.iter().map(|(_, window)| *window).collect::<Vec<_>>()),
            };
            let panes = self.columns(&distinct);
            let answer = self.hosted.call(|component| component.on_elements(&panes, elements))?;
            let failed = failed(&answer.failures.records, &answer.failures.reasons);
            if !failed.is_empty() {
                failures.extend(failed.into_iter().map(|failure| (failure.record, failure.reason)));
                continue;
            }
            self.keep(&distinct, &answer);
            let mut verdicts = verdicts(&answer).into_iter();
            let of = |row: usize| match failures.remove(&row) {
                Some(reason) => Err(Error::new(reason)),
                None => Ok(verdicts.next().unwrap_or_default()),
            };
            return Ok((0..records.len()).map(of).collect());
        }
    }

    /// Lets event time reach `watermark_ms`, and asks about the panes whose time has come, in order of time, also
    /// where it is set meanwhile.
    ///
    /// # Errors
    /// When the trigger fails.
    pub fn advance_watermark_ms(&mut self, watermark_ms: i64) -> Result<Vec<Asked>> {
        self.watermark_ms = self.watermark_ms.max(watermark_ms);
        self.ask(TimeDomain::Event, watermark_ms)
    }

    /// Lets processing time reach `now_ms`, and asks about the panes whose time has come.
    ///
    /// # Errors
    /// As [`Self::advance_watermark_ms`].
    pub fn advance_now_ms(&mut self, now_ms: i64) -> Result<Vec<Asked>> {
        self.now_ms = self.now_ms.max(now_ms);
        self.ask(TimeDomain::Processing, now_ms)
    }

    /// Lets windows of a key become one.
    ///
    /// # Errors
    /// When the trigger fails.
    pub fn merge(&mut self, key: &str, windows: &[Window], into: Window) -> Result<Verdict> {
        let names: Vec<PaneName> = windows.iter().map(|window| (key.into(), *window)).collect();
        let panes = self.columns(&names);
        let groups = vec![0; names.len() * 4];
        let merged = WindowColumn::of(&[into]);
        let answer = self.hosted.call(|component| component.on_merge(&panes, &groups, &merged))?;
        for name in &names {
            self.panes.remove(name);
        }
        self.keep(&[(key.into(), into)], &answer);
        Ok(verdicts(&answer).first().copied().unwrap_or_default())
    }

    /// What the trigger remembers of a pane.
    ///
    /// # Errors
    /// When what is stored does not decode.
    pub fn state(&self, key: &str, window: Window) -> Result<T::State> {
        match self.kept(key, window).and_then(|kept| kept.state.as_ref()) {
            Some(state) => T::Codec::decode(state),
            None => Ok(T::State::default()),
        }
    }

    /// When it will be asked about a pane by event time, if it will.
    pub fn event_time_ms(&self, key: &str, window: Window) -> Option<i64> {
        self.kept(key, window).map(|kept| kept.times[0]).filter(|time_ms| *time_ms != i64::MAX)
    }

    /// When it will be asked about a pane by processing time, if it will.
    pub fn processing_time_ms(&self, key: &str, window: Window) -> Option<i64> {
        self.kept(key, window).map(|kept| kept.times[1]).filter(|time_ms| *time_ms != i64::MAX)
    }

    /// The log so far.
    pub fn log(&self) -> &[(Level, String)] {
        self.hosted.log()
    }

    fn ask(&mut self, domain: TimeDomain, up_to_ms: i64) -> Result<Vec<Asked>> {
        let clock = usize::from(domain == TimeDomain::Processing);
        let time = |kept: &Kept| kept.times.get(clock).copied().filter(|time_ms| *time_ms != i64::MAX);
        let mut asked = Vec::new();
        while let Some(next) = self.panes.values().filter_map(time).filter(|time_ms| *time_ms <= up_to_ms).min() {
            let due = self.panes.iter().filter(|(_, kept)| time(kept) == Some(next));
            let due: Vec<PaneName> = due.map(|(name, _)| name.clone()).collect();
            let panes = self.columns(&due);
            let times: Vec<u8> = due.iter().flat_map(|_| next.to_le_bytes()).collect();
            let answer = self.hosted.call(|component| component.on_time(&panes, domain, &times))?;
            self.keep(&due, &answer);
            let told = due.into_iter().zip(verdicts(&answer));
            asked.extend(told.map(|((key, window), verdict)| Asked { key, window, time_ms: next, verdict }));
        }
        Ok(asked)
    }

    fn kept(&self, key: &str, window: Window) -> Option<&Kept> {
        self.panes.get(&(key.into(), window))
    }

    fn columns(&self, names: &[PaneName]) -> Panes {
        let blank = Kept { state: None, times: [i64::MAX; 2] };
        let kept: Vec<&Kept> = names.iter().map(|name| self.panes.get(name).unwrap_or(&blank)).collect();
        let times = |clock: usize| {
            let of = kept.iter().filter_map(|kept| kept.times.get(clock));
            of.flat_map(|time_ms| time_ms.to_le_bytes()).collect()
        };
        Panes {
            keys: names.iter().map(|(key, _)| Some(key.as_slice())).collect::<ColumnBuilder>().finish(),
            windows: WindowColumn::of(&names.iter().map(|(_, window)| *window).collect::<Vec<_>>()),
            states: kept.iter().map(|kept| kept.state.as_deref()).collect::<ColumnBuilder>().finish(),
            event_times: times(0),
            processing_times: times(1),
            now: self.now_ms,
            watermark: self.watermark_ms,
        }
    }

    fn keep(&mut self, names: &[PaneName], answer: &Verdicts) {
        for (at, name) in names.iter().enumerate() {
            let state = Column::new(&answer.states).get(at).map(<[u8]>::to_vec);
            let time = |times: &[u8]| le_i64(times, at).unwrap_or(i64::MAX);
            let times = [time(&answer.event_times), time(&answer.processing_times)];
            self.panes.insert(name.clone(), Kept { state, times });
        }
    }
}

fn verdicts(answer: &Verdicts) -> Vec<Verdict> {
    let verdict = |byte: &u8| match byte {
        0 => Verdict::Continue,
        1 => Verdict::Fire,
        2 => Verdict::Purge,
        _ => Verdict::FireAndPurge,
    };
    answer.verdicts.iter().map(verdict).collect()
}
