//! A trigger under the calls for many panes.

use super::pane::{Clocks, NEVER};
use super::{Trigger, TriggerPane, Verdict};
use crate::column::{Column, ColumnBuilder, le_i64, le_u32};
use crate::component;
use crate::contract::BytesColumn;
use crate::contract::window::firing::{Description, Elements, Guest, Panes, Verdicts};
use crate::contract::window::{TimeDomain, WindowColumn};
use crate::frame::Frame;
use crate::instance::configured;
use crate::state::Codec;
use crate::window::failures::Failures;
use crate::window::{Pane, Window};
use crate::{Error, Record, Result};

/// A [`Trigger`] as a component exports it.
#[derive(Debug)]
pub struct TriggerComponent<T> {
    trigger: T,
}

/// The panes of a call.
type Asked<'a, T> = Vec<TriggerPane<'a, <T as Trigger>::State>>;

impl<T: Trigger> TriggerComponent<T> {
    pub(crate) fn configured(config: &str) -> Result<Self, String> {
        configured(config, T::configure).map(|trigger| Self { trigger })
    }

    pub(crate) fn on_elements(&mut self, panes: &Panes, elements: Elements) -> Result<Verdicts> {
        let Elements { batch, rows, panes: panes_of, windows } = elements;
        let frame = Frame::of(batch);
        let mut asked = read::<T>(panes)?;
        let mut failures = Failures::default();
        let mut verdicts = Vec::with_capacity(rows.len() / 4);
        for at in 0..rows.len() / 4 {
            let row = le_u32(&rows, at).unwrap_or_default();
            let pane = le_u32(&panes_of, at).and_then(|pane| asked.get_mut(pane as usize));
            let pane = pane.ok_or_else(no_such_pane)?;
            let before = (pane.state.clone(), pane.event_time_ms, pane.processing_time_ms);
            pane.pane = Pane::new(pane.key(), Window::read(&windows, at));
            let verdict = self.trigger.on_element(Record::new(&frame, row as usize), pane).or_else(|error| {
                (pane.state, pane.event_time_ms, pane.processing_time_ms) = before;
                failures.add(row, error).map(|()| Verdict::Continue)
            });
            verdicts.push(verdict?);
        }
        answer::<T>(&asked, &verdicts, failures)
    }

    pub(crate) fn on_time(&mut self, panes: &Panes, domain: TimeDomain, times: &[u8]) -> Result<Verdicts> {
        let mut asked = read::<T>(panes)?;
        let mut verdicts = Vec::with_capacity(asked.len());
        for (at, pane) in asked.iter_mut().enumerate() {
            let time_ms = le_i64(times, at).ok_or_else(no_such_pane)?;
            let (verdict, next_ms) = match domain {
                TimeDomain::Event => {
                    pane.delete_event_time();
                    (self.trigger.on_event_time(time_ms, pane)?, pane.event_time_ms)
                }
                TimeDomain::Processing => {
                    pane.delete_processing_time();
                    (self.trigger.on_processing_time(time_ms, pane)?, pane.processing_time_ms)
                }
            };
            // It would be asked for ever.
            if next_ms <= time_ms {
                return Err(Error::batch(format!(
                    "the trigger is asked at {time_ms}, and wants to be asked again at {next_ms}, which is not later"
                )));
            }
            verdicts.push(verdict);
        }
        answer::<T>(&asked, &verdicts, Failures::default())
    }

    pub(crate) fn on_merge(&mut self, panes: &Panes, groups: &[u8], merged: &WindowColumn) -> Result<Verdicts> {
        let mut from: Vec<Asked<'_, T>> = Vec::new();
        from.resize_with(merged.starts.len() / 8, Vec::new);
        for (at, pane) in read::<T>(panes)?.into_iter().enumerate() {
            let group = le_u32(groups, at).and_then(|group| from.get_mut(group as usize));
            group.ok_or_else(no_such_pane)?.push(pane);
        }
        let mut into = Vec::with_capacity(from.len());
        let mut verdicts = Vec::with_capacity(from.len());
        for (at, from) in from.iter().enumerate() {
            let key = from.first().ok_or_else(no_such_pane)?.key();
            let mut pane = TriggerPane {
                state: T::State::default(),
                pane: Pane::new(key, Window::read(merged, at)),
                event_time_ms: NEVER,
                processing_time_ms: NEVER,
                clocks: Clocks { now_ms: panes.now, watermark_ms: panes.watermark },
            };
            verdicts.push(self.trigger.on_merge(from, &mut pane)?);
            into.push(pane);
        }
        answer::<T>(&into, &verdicts, Failures::default())
    }
}

fn read<T: Trigger>(panes: &Panes) -> Result<Asked<'_, T>> {
    let states = Column::new(&panes.states);
    let clocks = Clocks { now_ms: panes.now, watermark_ms: panes.watermark };
    let pane = |at: usize| {
        Ok(TriggerPane {
            state: match states.get(at) {
                Some(bytes) => decode::<T>(bytes)?,
                None => T::State::default(),
            },
            pane: Pane::read(&panes.keys, &panes.windows, at),
            event_time_ms: le_i64(&panes.event_times, at).unwrap_or(NEVER),
            processing_time_ms: le_i64(&panes.processing_times, at).unwrap_or(NEVER),
            clocks,
        })
    };
    (0..Column::new(&panes.keys).len()).map(pane).collect()
}

fn decode<T: Trigger>(bytes: &[u8]) -> Result<T::State> {
    let decoded = T::Codec::decode(bytes);
    decoded.map_err(|error| Error::batch(format!("the trigger's state that is stored does not decode: {error}")))
}

fn encode<T: Trigger>(panes: &Asked<'_, T>) -> Result<BytesColumn> {
    let mut states = ColumnBuilder::with_capacity(panes.len(), 0);
    for pane in panes {
        if pane.state == T::State::default() {
            states.push_null();
        } else {
            states.push_with(|data| T::Codec::encode(&pane.state, data))?;
        }
    }
    Ok(states.finish())
}

fn answer<T: Trigger>(panes: &Asked<'_, T>, verdicts: &[Verdict], failures: Failures) -> Result<Verdicts> {
    Ok(Verdicts {
        verdicts: verdicts.iter().map(|verdict| verdict.byte()).collect(),
        states: encode::<T>(panes)?,
        event_times: panes.iter().flat_map(|pane| pane.event_time_ms.to_le_bytes()).collect(),
        processing_times: panes.iter().flat_map(|pane| pane.processing_time_ms.to_le_bytes()).collect(),
        failures: failures.finish(),
    })
}

#[cold]
fn no_such_pane() -> Error {
    Error::batch("the host asks about a pane that it did not pass")
}

impl<T: Trigger> Guest for TriggerComponent<T> {
    fn describe() -> Description {
        Description { schema_version: T::SCHEMA_VERSION, config_schema: T::CONFIG_SCHEMA.map(str::to_owned) }
    }

    fn configure(config: String) -> Result<(), String> {
        component::install(Self::configured(&config))
    }

    fn on_elements(panes: Panes, elements: Elements) -> Result<Verdicts, String> {
        component::call(|this: &mut Self| this.on_elements(&panes, elements))
    }

    fn on_time(panes: Panes, domain: TimeDomain, times: Vec<u8>) -> Result<Verdicts, String> {
        component::call(|this: &mut Self| this.on_time(&panes, domain, &times))
    }

    fn on_merge(panes: Panes, groups: Vec<u8>, merged: WindowColumn) -> Result<Verdicts, String> {
        component::call(|this: &mut Self| this.on_merge(&panes, &groups, &merged))
    }
}
