//! Windows and what becomes of their records.

use std::time::Duration;

use jiff::tz::{self, TimeZone};
use millstream_operator::aggregate::{AggregateError, AggregatesFactory};

use crate::{
    document::Kind,
    error::nearest,
    spec::{
        Aggregates, CalendarUnit, DynamicGap, EmitSpec, Every, Evict, GapUnit, Session, Window, format_duration,
        parse_duration,
    },
};

use super::{Decoder, Field, Members, given, list};

/// The kinds of window.
const KINDS: [&str; 8] = ["tumbling", "hopping", "calendar", "sliding", "session", "global", "count", "assigner"];
/// The shortest time that is one.
pub(super) const MIN: Duration = Duration::from_millis(1);
/// The longest; ten thousand years.
pub(super) const MAX: Duration = Duration::from_secs(3_652_500 * 24 * 3600);

impl Decoder {
    pub(super) fn window(&mut self, field: &Field<'_>) -> Option<Window> {
        let mut members = self.members(field, "a map such as { tumbling: 1h }", false)?;
        let kinds = KINDS.map(|kind| (kind, self.take(&mut members, kind)));
        let choices: Vec<_> = kinds.iter().map(|(kind, field)| (*kind, field)).collect();
        self.exactly_one(&members, &choices);
        let [tumbling, hopping, calendar, sliding, session, global, count, assigner] = kinds.map(|(_, field)| field);
        let is = |kinds: &[&Option<Field<'_>>]| kinds.iter().any(|field| field.is_some());

        let every = self.take(&mut members, "every");
        self.only_with(&every, "every", "hopping` or `count", is(&[&hopping, &count]));
        let offset = self.take(&mut members, "offset");
        self.only_with(&offset, "offset", "tumbling` or `hopping", is(&[&tumbling, &hopping]));
        let time_zone = self.take(&mut members, "time-zone");
        self.only_with(&time_zone, "time-zone", "calendar", calendar.is_some());
        let config = self.take(&mut members, "config");
        self.only_with(&config, "config", "assigner", assigner.is_some());
        let lateness = self.take(&mut members, "lateness");
        if let Some(field) = lateness.as_ref().filter(|_| is(&[&global, &count])) {
            self.error_at(field, "says nothing here: only windows with an end have a lateness");
        }
        if hopping.is_some() && every.is_none() {
            self.error(members.position, &members.path, "`hopping` needs `every` beside it: how often a window begins");
        }
        let is_by_count = count.is_some();
        let mut window = Window {
            tumbling: tumbling.and_then(|field| self.length(&field)),
            hopping: hopping.and_then(|field| self.length(&field)),
            calendar: calendar.and_then(|field| self.calendar_unit(&field)),
            sliding: sliding.and_then(|field| self.length(&field)),
            session: session.and_then(|field| self.session(&field)),
            global: global.and_then(|field| self.only_true(&field)),
            count: count.and_then(|field| self.integer(&field, 1, u64::MAX)),
            assigner: assigner.and_then(|field| self.operator(&field)),
            config: config.map(|field| field.node.to_json()),
            every: None,
            offset: offset.and_then(|field| self.duration_within(&field, Duration::ZERO, MAX)),
            time_zone: time_zone.and_then(|field| self.time_zone(&field)),
            lateness: lateness.and_then(|field| self.duration_within(&field, Duration::ZERO, MAX)),
            emit: self.take(&mut members, "emit").and_then(|field| self.emit(&field)).unwrap_or_default(),
            trigger: None,
            evict: self.take(&mut members, "evict").and_then(|field| self.evict(&field)),
        };
        window.every = every.and_then(|field| self.every(&field, is_by_count, &window));
        let trigger = self.take(&mut members, "trigger");
        window.trigger = trigger.as_ref().and_then(|field| self.trigger(field, &window));
        if window.global.is_some() && window.emit == EmitSpec::OnClose {
            let fires = |trigger: &crate::spec::Trigger| trigger.early.is_some() || trigger.has_condition();
            // A trigger that could not be read has been complained about.
            if trigger.is_none() || window.trigger.as_ref().is_some_and(|trigger| !fires(trigger)) {
                let message = "never ends, so that it needs a `trigger` or `emit: on-update`";
                self.error(members.position, &members.path, message);
            }
        }
        self.finish(members);
        Some(window)
    }

    /// A time that is not nothing.
    pub(super) fn length(&mut self, field: &Field<'_>) -> Option<Duration> {
        self.duration_within(field, MIN, MAX)
    }

    pub(super) fn only_true(&mut self, field: &Field<'_>) -> Option<bool> {
        match self.boolean(field) {
            Some(false) => {
                self.expected(field, "true");
                None
            }
            other => other,
        }
    }

    fn every(&mut self, field: &Field<'_>, is_by_count: bool, window: &Window) -> Option<Every> {
        if is_by_count {
            let every = self.integer(field, 1, u64::MAX)?;
            if window.count.is_some_and(|count| every > count) {
                self.error_at(field, format!("{every} is more than the window has, so that records would be in none"));
                return None;
            }
            return Some(Every::Records(every));
        }
        let every = self.length(field)?;
        if let Some(size) = window.hopping.filter(|size| every > *size) {
            let (every, size) = (format_duration(every), format_duration(size));
            let message = format!("{every} is longer than the window of {size}, so that records would be in none");
            self.error_at(field, message);
            return None;
        }
        Some(Every::Time(every))
    }

    fn calendar_unit(&mut self, field: &Field<'_>) -> Option<CalendarUnit> {
        let known = [("day", CalendarUnit::Day), ("week", CalendarUnit::Week), ("month", CalendarUnit::Month)];
        self.choice(field, &known)
    }

    fn time_zone(&mut self, field: &Field<'_>) -> Option<String> {
        let text = self.text(field, "a time zone such as Europe/Berlin")?;
        if TimeZone::get(&text).is_err() {
            let known: Vec<String> = tz::db().available().map(|name| name.to_string()).collect();
            let suggestion = nearest(&text, known.iter().map(String::as_str));
            let shown = super::shorten(&text);
            let message = format!("there is no time zone `{shown}`; they are called as in Europe/Berlin and UTC");
            self.error_with(field.node.position, &field.path, message, suggestion);
            return None;
        }
        Some(text)
    }

    fn session(&mut self, field: &Field<'_>) -> Option<Session> {
        if !matches!(field.node.kind, Kind::Map(_)) {
            let is_duration = matches!(&field.node.kind, Kind::Scalar { text, .. } if parse_duration(text).is_some());
            if !is_duration {
                self.expected(field, "a duration such as 30m, or a map such as { gap: /gap_ms }");
                return None;
            }
            return self.length(field).map(Session::Fixed);
        }
        let mut members = self.members(field, "a map such as { gap: /gap_ms }", false)?;
        let gap = self.require(&mut members, "gap").and_then(|field| self.expression(&field));
        let known = [("ms", GapUnit::Ms), ("s", GapUnit::S), ("m", GapUnit::M), ("h", GapUnit::H)];
        let unit = self.take(&mut members, "unit").and_then(|field| self.choice(&field, &known));
        self.finish(members);
        Some(Session::Dynamic(DynamicGap { gap: gap?, unit: unit.unwrap_or_default() }))
    }

    fn emit(&mut self, field: &Field<'_>) -> Option<EmitSpec> {
        self.choice(field, &[("on-close", EmitSpec::OnClose), ("on-update", EmitSpec::OnUpdate)])
    }

    fn evict(&mut self, field: &Field<'_>) -> Option<Evict> {
        let mut members = self.members(field, "a map such as { last: 100 }", false)?;
        let last = self.take(&mut members, "last");
        let within = self.take(&mut members, "within");
        let delta = self.take(&mut members, "delta");
        self.exactly_one(&members, &[("last", &last), ("within", &within), ("delta", &delta)]);
        let last = last.and_then(|field| self.integer(&field, 1, u64::MAX)).map(Evict::Last);
        let within = within.and_then(|field| self.length(&field)).map(Evict::Within);
        let delta = delta.and_then(|field| self.delta(&field)).map(Evict::Delta);
        self.finish(members);
        last.or(within).or(delta)
    }

    /// The aggregates of a step, at least one.
    pub(super) fn aggregates(&mut self, field: &Field<'_>, key_field: Option<&str>) -> Option<Aggregates> {
        let members = self.named(field, "a map from names to functions, for instance { spend: sum(/amount) }");
        if members.is_empty() {
            if matches!(field.node.kind, Kind::Map(_)) || field.node.is_null() {
                self.error_at(field, "needs at least one aggregate, for instance { spend: sum(/amount) }");
            }
            return None;
        }
        let mut aggregates: Vec<(String, String)> = Vec::with_capacity(members.len());
        for (name, field) in members {
            let Some(text) = self.text(&field, "a function such as sum(/amount)") else { continue };
            // One more at a time: the next may be wrong, too.
            aggregates.push((name.to_owned(), text));
            if let Err(error) = AggregatesFactory::new(&aggregates, key_field.map(str::to_owned)) {
                self.wrong_aggregate(&field, &error);
                aggregates.pop();
            }
        }
        Some(Aggregates(aggregates))
    }

    fn wrong_aggregate(&mut self, field: &Field<'_>, error: &AggregateError) {
        let message = error.to_string();
        let said = format!("aggregate `{}`: ", error.name);
        let message = message.strip_prefix(&said).unwrap_or(&message);
        let position = match error.column {
            0 => self.positions.of(&field.path),
            column => self.place_in_text(field, column),
        };
        self.error(position, &field.path, message);
    }

    /// Exactly one of what makes results of windows.
    pub(super) fn window_function(&mut self, members: &Members<'_>, choices: &[(&str, &Option<Field<'_>>)]) {
        let given = given(choices);
        if given.len() != 1 {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            let has = if given.is_empty() { "nothing".into() } else { list(&given) };
            let message = format!("`window` needs one of {} beside it, and has {has}", list(&names));
            self.error(members.position, &members.path, message);
        }
    }
}
