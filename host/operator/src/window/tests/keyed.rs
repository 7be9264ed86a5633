//! Windows of single keys: every kind, trigger and evictor, against lists of records.

use proptest::prelude::*;

use super::{
    functions,
    ids::Ids,
    model::{Arrival, Model, Shape, Step, compare_sorted, history, late},
};
use crate::{
    testing::{Emission, TestTask},
    timer::TimeDomain,
    window::{
        EarlyFiring, Emit, EvictSpec, LateFiring, SessionGap, TriggerCondition, TriggerSpec, Window, WindowContents,
        WindowKind, WindowSpec, window,
    },
};

/// A gap that depends on the record.
const GAP: &str = "if(timestamp() < 100, 10, 25)";

/// A pane, as a list of its records.
#[derive(Clone, Debug)]
struct ModelPane {
    key: String,
    window: Window,
    /// Timestamps and numbers, in order of arrival; of sessions that became one the earlier one's first.
    elements: Vec<(i64, String)>,
    newest_ms: i64,
    ended: bool,
    changed: bool,
    /// What a trigger counts.
    count: u64,
    /// What a delta trigger compares with.
    value: Option<i64>,
    /// When an interval is over.
    time: i64,
    /// How many records ever came.
    records: u64,
    in_batch: bool,
}

struct Keyed {
    spec: WindowSpec,
    panes: Vec<ModelPane>,
    now_ms: i64,
    processed: bool,
    /// Slices do not keep the order of arrival.
    sorted: bool,
}

/// Whether windows are kept as slices.
fn is_sliced(spec: &WindowSpec, processed: bool) -> bool {
    matches!(spec.kind, WindowKind::Tumbling { .. } | WindowKind::Hopping { .. })
        && matches!(spec.trigger.condition, TriggerCondition::End)
        && spec.trigger.early.is_none()
        && spec.trigger.late == LateFiring::OnUpdate
        && !spec.trigger.purge
        && spec.evict.is_none()
        && !processed
}

/// Multiples of an interval after a moment.
fn next_multiple(after: i64, every: i64) -> i64 {
    let next = (i128::from(after).div_euclid(every.into()) + 1) * i128::from(every);
    i64::try_from(next).unwrap_or(i64::MAX)
}

impl Keyed {
    fn new(spec: WindowSpec, processed: bool) -> Self {
        let sorted = is_sliced(&spec, processed);
        Self { spec, panes: Vec::new(), now_ms: 0, processed, sorted }
    }

    fn merges(&self) -> bool {
        matches!(self.spec.kind, WindowKind::Session(_))
    }

    fn fires_at_end(&self) -> bool {
        self.spec.emit == Emit::OnClose
            && matches!(self.spec.trigger.condition, TriggerCondition::End | TriggerCondition::Continuous { .. })
            && !matches!(self.spec.kind, WindowKind::Count { .. })
    }

    fn expired(&self, window: Window, watermark_ms: i64) -> bool {
        window.end_ms < i64::MAX && (window.end_ms - 1).saturating_add(self.spec.lateness_ms) <= watermark_ms
    }

    fn windows_of(&self, at: i64) -> Vec<Window> {
        let session = |gap: i64| vec![Window { start_ms: at, end_ms: at.saturating_add(gap) }];
        match &self.spec.kind {
            WindowKind::Session(SessionGap::Fixed { gap_ms }) => session(*gap_ms),
            WindowKind::Session(SessionGap::Dynamic { .. }) => session(if at < 100 { 10 } else { 25 }),
            WindowKind::Global | WindowKind::Count { .. } => vec![Window::GLOBAL],
            WindowKind::Custom(_) => functions::windows_of(at),
            kind => super::aligned::windows_of(kind, at),
        }
    }

    /// Where an interval ends that begins after `after`, in the pane's domain.
    fn interval_end(&self, every: i64, domain: TimeDomain, after: i64, window: Window) -> i64 {
        let next = next_multiple(after, every);
        if domain == TimeDomain::Event && next >= window.last_ms() { i64::MAX } else { next }
    }

    fn interval(&self) -> Option<(TimeDomain, i64, bool)> {
        match (&self.spec.trigger.condition, self.spec.trigger.early) {
            (TriggerCondition::Continuous { domain, every_ms }, _) => Some((*domain, *every_ms, true)),
            (_, Some(EarlyFiring::Every(domain, every_ms))) => Some((domain, every_ms, false)),
            _ => None,
        }
    }

    /// Emits what a pane has.
    fn fire(&mut self, at: usize, window: Window) -> Option<Emission> {
        let purge = self.spec.trigger.purge;
        let evict = self.spec.evict.clone();
        let (processed, sorted) = (self.processed, self.sorted);
        let count_windows = match self.spec.kind {
            WindowKind::Count { size, every } => Some((size as usize, every as usize)),
            _ => None,
        };
        let pane = &mut self.panes[at];
        pane.changed = false;
        let newest_ms = pane.newest_ms;
        let newest_element = pane.elements.iter().map(|(at, _)| *at).max().unwrap_or_default();
        match evict {
            Some(EvictSpec::Last(keep)) => {
                let over = pane.elements.len().saturating_sub(keep as usize);
                pane.elements.drain(..over);
            }
            Some(EvictSpec::Within(ms)) => {
                pane.elements.retain(|(at, _)| *at > newest_element.saturating_sub(ms));
            }
            Some(EvictSpec::Delta { threshold, .. }) => {
                if let Some(&(last, _)) = pane.elements.last() {
                    pane.elements.retain(|(at, _)| (*at as f64 - last as f64).abs() < threshold);
                }
            }
            None => {}
        }
        let mut elements = pane.elements.clone();
        if let Some((size, every)) = count_windows {
            elements.drain(..elements.len().saturating_sub(size));
            let keep = size - every;
            let over = pane.elements.len().saturating_sub(keep);
            pane.elements.drain(..over);
        }
        let key = pane.key.clone();
        if purge {
            pane.elements.clear();
            pane.newest_ms = i64::MIN;
        }
        if elements.is_empty() {
            return None;
        }
        let ids: Vec<&str> = elements.iter().map(|(_, id)| id.as_str()).collect();
        let value = match processed {
            true => functions::told(window, &ids),
            false => Ids { sorted }.result(window, ids),
        };
        let timestamp_ms = match window.end_ms {
            i64::MAX if !sorted => newest_ms,
            _ => window.last_ms(),
        };
        Some(Emission { output: 0, key, timestamp_ms, value, headers: Vec::new() })
    }

    /// The pane that a record comes into.
    fn pane_for(&mut self, key: &str, window: Window, watermark_ms: i64) -> Option<usize> {
        let new = ModelPane {
            key: key.into(),
            window,
            elements: Vec::new(),
            newest_ms: i64::MIN,
            ended: false,
            changed: false,
            count: 0,
            value: None,
            time: i64::MAX,
            records: 0,
            in_batch: false,
        };
        if !self.merges() {
            if self.expired(window, watermark_ms) {
                return None;
            }
            let found = self.panes.iter().position(|pane| pane.key == key && pane.window == window);
            return Some(found.unwrap_or_else(|| {
                self.panes.push(new);
                self.panes.len() - 1
            }));
        }
        let touches = |pane: &ModelPane| {
            pane.key == key && pane.window.start_ms <= window.end_ms && window.start_ms <= pane.window.end_ms
        };
        let mut touching: Vec<ModelPane> = self.panes.iter().filter(|pane| touches(pane)).cloned().collect();
        touching.sort_by_key(|pane| pane.window);
        let mut merged = window;
        for pane in &touching {
            merged.start_ms = merged.start_ms.min(pane.window.start_ms);
            merged.end_ms = merged.end_ms.max(pane.window.end_ms);
        }
        if self.expired(merged, watermark_ms) {
            return None;
        }
        self.panes.retain(|pane| !touches(pane));
        let mut pane = touching.last().cloned().unwrap_or(new);
        pane.window = merged;
        if touching.len() > 1 {
            pane.elements = touching.iter().flat_map(|pane| pane.elements.clone()).collect();
            pane.newest_ms = touching.iter().map(|pane| pane.newest_ms).max().expect("panes");
            pane.changed = touching.iter().any(|pane| pane.changed);
            pane.count = touching.iter().map(|pane| pane.count).sum();
            pane.value = touching.iter().filter_map(|pane| pane.value).next_back();
            pane.time = touching.iter().map(|pane| pane.time).min().expect("panes");
            pane.in_batch = touching.iter().any(|pane| pane.in_batch);
        }
        self.panes.push(pane);
        Some(self.panes.len() - 1)
    }

    /// What a trigger makes of a record that has come.
    fn trigger(&mut self, at: usize, timestamp_ms: i64, watermark_ms: i64) -> bool {
        let ended = self.panes[at].window.is_complete(watermark_ms);
        let (interval, now_ms) = (self.interval(), self.now_ms);
        if let Some((domain, every, _)) = interval
            && !ended
            && self.panes[at].time == i64::MAX
        {
            let after = if domain == TimeDomain::Event { timestamp_ms.max(watermark_ms) } else { now_ms };
            let window = self.panes[at].window;
            self.panes[at].time = self.interval_end(every, domain, after, window);
        }
        let condition = self.spec.trigger.condition.clone();
        let early = self.spec.trigger.early;
        let pane = &mut self.panes[at];
        let limit = match (&condition, early) {
            (TriggerCondition::Count(limit), _) => Some(*limit),
            (TriggerCondition::End, Some(EarlyFiring::Records(limit))) if !ended => Some(limit),
            _ => None,
        };
        if let Some(limit) = limit {
            pane.count += 1;
            let fires = pane.count >= limit;
            pane.count = if fires { 0 } else { pane.count };
            return fires;
        }
        match condition {
            TriggerCondition::Delta { threshold, .. } => {
                let fires = pane.value.is_some_and(|last| (timestamp_ms as f64 - last as f64).abs() > threshold);
                if fires || pane.value.is_none() {
                    pane.value = Some(timestamp_ms);
                }
                fires
            }
            TriggerCondition::Custom(_) => functions::fires(timestamp_ms),
            _ => false,
        }
    }

    /// Takes a batch; what is emitted, and which records were taken.
    fn try_batch(&mut self, arrivals: &[(Arrival, String)], watermark_ms: i64) -> (Vec<Emission>, Vec<bool>) {
        let mut emitted = Vec::new();
        let mut takes = Vec::new();
        for (arrival, id) in arrivals {
            let windows = self.windows_of(arrival.timestamp_ms);
            let mut taken = false;
            for &window in &windows {
                let Some(at) = self.pane_for(&arrival.key, window, watermark_ms) else { continue };
                taken = true;
                let pane = &mut self.panes[at];
                pane.elements.push((arrival.timestamp_ms, id.clone()));
                pane.newest_ms = pane.newest_ms.max(arrival.timestamp_ms);
                pane.records += 1;
                pane.changed = true;
                pane.in_batch = true;
                let window = pane.window;
                let complete = match self.spec.kind {
                    WindowKind::Count { every, .. } => pane.records.is_multiple_of(every),
                    _ => false,
                };
                if complete || self.trigger(at, arrival.timestamp_ms, watermark_ms) {
                    emitted.extend(self.fire(at, window));
                }
            }
            takes.push(taken);
            if !taken {
                let end_ms = windows.iter().map(|window| window.end_ms).max().expect("a window");
                emitted.push(late(arrival, id, watermark_ms, end_ms, self.spec.lateness_ms));
            }
        }
        for at in 0..self.panes.len() {
            let pane = &mut self.panes[at];
            if !std::mem::take(&mut pane.in_batch) || matches!(self.spec.kind, WindowKind::Count { .. }) {
                continue;
            }
            let window = pane.window;
            pane.ended = window.end_ms < i64::MAX && window.last_ms() <= watermark_ms;
            let (ended, changed) = (pane.ended, pane.changed);
            let late = self.fires_at_end() && ended && self.spec.trigger.late == LateFiring::OnUpdate;
            if changed && (self.spec.emit == Emit::OnUpdate || late) {
                emitted.extend(self.fire(at, window));
            }
        }
        (emitted, takes)
    }
}

impl Model for Keyed {
    fn batch(&mut self, arrivals: &[(Arrival, String)], watermark_ms: i64, now_ms: i64) -> Vec<Emission> {
        self.now_ms = now_ms;
        let mut good: Vec<(Arrival, String)> = arrivals.to_vec();
        loop {
            // Records fail that are taken; then all is as if they had not come.
            let mut next = Self { panes: self.panes.clone(), spec: self.spec.clone(), ..*self };
            let (emitted, taken) = next.try_batch(&good, watermark_ms);
            let mut failed =
                taken.iter().zip(&good).map(|(taken, (arrival, _))| *taken && arrival.bad && !self.processed);
            let failed: Vec<bool> = failed.by_ref().collect();
            if !failed.contains(&true) {
                *self = next;
                return emitted;
            }
            let mut failed = failed.into_iter();
            good.retain(|_| !failed.next().unwrap_or_default());
        }
    }

    fn advance(&mut self, _from_ms: i64, to_ms: i64, now_ms: i64) -> Vec<Emission> {
        self.now_ms = now_ms;
        let mut emitted = Vec::new();
        loop {
            // The first thing that is due in any pane.
            let by_event = self.interval().is_some_and(|(domain, ..)| domain == TimeDomain::Event);
            let mut due: Vec<(i64, usize)> = Vec::new();
            for (at, pane) in self.panes.iter().enumerate() {
                let window = pane.window;
                let trigger = if by_event { pane.time } else { i64::MAX };
                let end = if !pane.ended && window.end_ms < i64::MAX { window.end_ms - 1 } else { i64::MAX };
                let expiry = match window.end_ms {
                    i64::MAX => i64::MAX,
                    end_ms => (end_ms - 1).saturating_add(self.spec.lateness_ms),
                };
                due.push((trigger.min(end).min(expiry), at));
            }
            let Some(&(time, at)) = due.iter().min().filter(|(time, _)| *time <= to_ms && *time < i64::MAX) else {
                return emitted;
            };
            let window = self.panes[at].window;
            let mut fired = false;
            if by_event && self.panes[at].time <= time {
                let (domain, every, continuous) = self.interval().expect("an interval");
                let next =
                    if continuous { self.interval_end(every, domain, to_ms.max(time), window) } else { i64::MAX };
                self.panes[at].time = next;
                emitted.extend(self.fire(at, window));
                fired = true;
            }
            if !self.panes[at].ended && window.end_ms < i64::MAX && window.end_ms - 1 <= time {
                self.panes[at].ended = true;
                if self.fires_at_end() && !fired {
                    emitted.extend(self.fire(at, window));
                }
            }
            if self.expired(window, time) {
                if self.panes[at].changed && self.fires_at_end() && self.spec.trigger.late == LateFiring::OnExpiry {
                    emitted.extend(self.fire(at, window));
                }
                self.panes.remove(at);
            }
        }
    }

    fn wait(&mut self, _from_ms: i64, to_ms: i64, watermark_ms: i64) -> Vec<Emission> {
        self.now_ms = to_ms;
        let Some((TimeDomain::Processing, every, continuous)) = self.interval() else { return Vec::new() };
        let mut emitted = Vec::new();
        for at in 0..self.panes.len() {
            if self.panes[at].time > to_ms {
                continue;
            }
            let window = self.panes[at].window;
            let over = window.is_complete(watermark_ms);
            self.panes[at].time = match continuous && !over {
                true => self.interval_end(every, TimeDomain::Processing, to_ms, window),
                false => i64::MAX,
            };
            if !over {
                emitted.extend(self.fire(at, window));
            }
        }
        emitted
    }
}

fn kinds() -> impl Strategy<Value = WindowKind> {
    prop_oneof![
        (5_i64..60, -100_i64..100).prop_map(|(size_ms, offset_ms)| WindowKind::Tumbling { size_ms, offset_ms }),
        (5_i64..20, 1_i64..4).prop_map(|(every_ms, n)| WindowKind::Hopping {
            size_ms: every_ms * n + 3,
            every_ms,
            offset_ms: 0,
        }),
        (1_i64..40).prop_map(|gap_ms| WindowKind::Session(SessionGap::Fixed { gap_ms })),
        Just(WindowKind::Session(SessionGap::Dynamic { gap: GAP.into(), unit_ms: 1 })),
        Just(WindowKind::Global),
        Just(WindowKind::Custom(functions::assigner())),
    ]
}

fn conditions() -> impl Strategy<Value = TriggerCondition> {
    let domains = prop::sample::select(TimeDomain::ALL.to_vec());
    prop_oneof![
        3 => Just(TriggerCondition::End),
        1 => (domains, 1_i64..40).prop_map(|(domain, every_ms)| TriggerCondition::Continuous { domain, every_ms }),
        1 => (0_i64..50).prop_map(|threshold| TriggerCondition::Delta {
            value: "timestamp()".into(),
            threshold: threshold as f64,
        }),
        1 => (1_u64..6).prop_map(TriggerCondition::Count),
        1 => Just(TriggerCondition::Custom(functions::trigger())),
    ]
}

fn early() -> impl Strategy<Value = Option<EarlyFiring>> {
    let domains = prop::sample::select(TimeDomain::ALL.to_vec());
    prop_oneof![
        Just(None),
        (1_u64..5).prop_map(|records| Some(EarlyFiring::Records(records))),
        (domains, 1_i64..40).prop_map(|(domain, every_ms)| Some(EarlyFiring::Every(domain, every_ms))),
    ]
}

fn evictors() -> impl Strategy<Value = Option<EvictSpec>> {
    prop_oneof![
        4 => Just(None),
        1 => (1_u64..6).prop_map(|keep| Some(EvictSpec::Last(keep))),
        1 => (1_i64..60).prop_map(|ms| Some(EvictSpec::Within(ms))),
        1 => (1_i64..60).prop_map(|threshold| Some(EvictSpec::Delta {
            value: "timestamp()".into(),
            threshold: threshold as f64,
        })),
    ]
}

fn specs() -> impl Strategy<Value = WindowSpec> {
    let emit = prop::sample::select(vec![Emit::OnClose, Emit::OnClose, Emit::OnUpdate]);
    let late = prop::sample::select(vec![LateFiring::OnUpdate, LateFiring::OnExpiry]);
    let lateness = prop_oneof![Just(0_i64), 0_i64..80, Just(i64::MAX)];
    let trigger = (conditions(), early(), late, prop::bool::weighted(0.25));
    (kinds(), lateness, emit, trigger, evictors()).prop_map(|(kind, lateness_ms, emit, trigger, evict)| {
        let (condition, early, late, purge) = trigger;
        let early = early.filter(|_| matches!(condition, TriggerCondition::End));
        let mut trigger = TriggerSpec { condition, early, late, purge };
        let needs = matches!(kind, WindowKind::Global) && emit == Emit::OnClose;
        if needs && trigger.early.is_none() && matches!(trigger.condition, TriggerCondition::End) {
            trigger.condition = TriggerCondition::Count(2);
        }
        WindowSpec { kind, lateness_ms, emit, trigger, evict }
    })
}

fn run(spec: WindowSpec, processed: bool, timer_page: usize, steps: &[Step]) {
    let contents = match processed {
        true => WindowContents::Processed(functions::listing()),
        false => Ids::contents(is_sliced(&spec, processed)),
    };
    let mut task = TestTask::new(window(spec.clone(), contents).expect("windows"));
    task.timer_page = timer_page;
    compare_sorted(&mut task, &mut Keyed::new(spec, processed), steps);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..Default::default() })]

    #[test]
    fn panes_fire_what_came_into_them(
        spec in specs(), processed in prop::bool::weighted(0.3), timer_page in 1_usize..6,
        steps in history(Shape { span_ms: 200, extremes: true, bad: true }, 30),
    ) {
        // Slices have a test of their own; here they are shown to be no different.
        run(spec, processed, timer_page, &steps);
    }

    #[test]
    fn counts_are_of_the_last_records(
        size in 1_u64..12, every in 1_u64..12, processed in any::<bool>(),
        steps in history(Shape { span_ms: 100, extremes: true, bad: true }, 40),
    ) {
        let kind = WindowKind::Count { size: size.max(every), every: size.min(every) };
        run(WindowSpec::new(kind), processed, 3, &steps);
    }
}
