//! What makes windows fire.

use crate::{
    document::Kind,
    spec::{Continuous, Delta, Early, EmitSpec, Late, Trigger, Window},
};

use super::{Decoder, Field, given, list};

impl Decoder {
    pub(super) fn trigger(&mut self, field: &Field<'_>, window: &Window) -> Option<Trigger> {
        let mut members = self.members(field, "a map such as { early: { every: 10s } }", false)?;
        let early = self.take(&mut members, "early");
        let late = self.take(&mut members, "late");
        let continuous = self.take(&mut members, "continuous");
        let delta = self.take(&mut members, "delta");
        let count = self.take(&mut members, "count");
        let operator = self.take(&mut members, "operator");
        let config = self.take(&mut members, "config");
        self.only_with(&config, "config", "operator", operator.is_some());
        let conditions =
            given(&[("continuous", &continuous), ("delta", &delta), ("count", &count), ("operator", &operator)]);
        if conditions.len() > 1 {
            let message = format!("has {}; a trigger has one condition", list(&conditions));
            self.error(members.position, &members.path, message);
        }
        if let (Some(early), [condition, ..]) = (&early, conditions.as_slice()) {
            let message = format!("goes with the end of the window, in whose place there is `{condition}`");
            self.error(self.positions.of(&early.path), &early.path, message);
        }
        if window.emit == EmitSpec::OnUpdate
            && let Some(first) = given(&[("early", &early), ("late", &late)]).first().or(conditions.first())
        {
            let path = format!("{}.{first}", members.path);
            let message = "says nothing beside `emit: on-update`, with which every change is emitted at once";
            self.error(self.positions.of(&path), &path, message);
        }
        if let Some(late) = late.as_ref().filter(|_| window.global.is_some() || window.count.is_some()) {
            self.error_at(late, "says nothing here: only windows with an end have late records");
        }
        let trigger = Trigger {
            early: early.and_then(|field| self.early(&field)),
            late: late
                .and_then(|field| self.choice(&field, &[("on-update", Late::OnUpdate), ("on-expiry", Late::OnExpiry)])),
            continuous: continuous.and_then(|field| self.continuous(&field)),
            delta: delta.and_then(|field| self.delta(&field)),
            count: count.and_then(|field| self.integer(&field, 1, u64::MAX)),
            operator: operator.and_then(|field| self.operator(&field)),
            config: config.map(|field| field.node.to_json()),
            purge: self.take(&mut members, "purge").and_then(|field| self.boolean(&field)).unwrap_or_default(),
        };
        self.finish(members);
        Some(trigger)
    }

    fn early(&mut self, field: &Field<'_>) -> Option<Early> {
        let mut members = self.members(field, "a map such as { every: 10s }", false)?;
        let every = self.take(&mut members, "every");
        let event_time = self.take(&mut members, "event-time");
        let records = self.take(&mut members, "records");
        self.exactly_one(&members, &[("every", &every), ("event-time", &event_time), ("records", &records)]);
        let every = every.and_then(|field| self.length(&field)).map(Early::Every);
        let event_time = event_time.and_then(|field| self.length(&field)).map(Early::EventTime);
        let records = records.and_then(|field| self.integer(&field, 1, u64::MAX)).map(Early::Records);
        self.finish(members);
        every.or(event_time).or(records)
    }

    fn continuous(&mut self, field: &Field<'_>) -> Option<Continuous> {
        if !matches!(field.node.kind, Kind::Map(_)) {
            return self.length(field).map(Continuous::EventTime);
        }
        let mut members = self.members(field, "a duration, or a map such as { processing-time: 1m }", false)?;
        let every = self.require(&mut members, "processing-time").and_then(|field| self.length(&field));
        self.finish(members);
        every.map(Continuous::ProcessingTime)
    }

    pub(super) fn delta(&mut self, field: &Field<'_>) -> Option<Delta> {
        let mut members = self.members(field, "a map such as { field: /price, threshold: 10 }", false)?;
        let value = self.require(&mut members, "field").and_then(|field| self.expression(&field));
        let threshold = self.require(&mut members, "threshold").and_then(|field| self.float(&field, 0.0, f64::MAX));
        self.finish(members);
        Some(Delta { field: value?, threshold: threshold? })
    }
}
