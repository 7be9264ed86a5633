//! Event time in words.

use std::time::Duration;

use crate::{
    plan::{CustomOperator, RollingStep, WatermarkStrategy, Watermarks, WindowFunction, WindowStep},
    spec::{CalendarUnit, Continuous, Early, EmitSpec, Every, Evict, Late, Session, Window, format_duration},
};

use super::{aggregate_lines, one_line};

pub(super) fn watermark_lines(watermarks: &Watermarks) -> Vec<String> {
    let mut lines = vec![match &watermarks.strategy {
        WatermarkStrategy::OutOfOrder(by) if by.is_zero() => "watermarks: records are in order".into(),
        WatermarkStrategy::OutOfOrder(by) => format!("watermarks: records up to {} out of order", format_duration(*by)),
        WatermarkStrategy::Generator { operator, config } if config == "{}" => format!("watermarks: by {operator}"),
        WatermarkStrategy::Generator { operator, config } => format!("watermarks: by {operator}, config {config}"),
    }];
    lines.push(match watermarks.idle {
        Some(idle) => format!("idle partitions hold nothing back after {}", format_duration(idle)),
        None => "idle partitions hold everything back".into(),
    });
    if let Some(align) = watermarks.align {
        lines.push(format!("no partition is read more than {} ahead of the slowest", format_duration(align)));
    }
    if let Some(future) = watermarks.future {
        let future = format_duration(future);
        lines.push(format!("watermarks pass over times more than {future} ahead of the clock"));
    }
    lines
}

pub(super) fn window_lines(step: &WindowStep) -> Vec<String> {
    let window = &step.window;
    let mut lines = vec![kind_line(window)];
    if let Some(lateness) = window.lateness.filter(|lateness| !lateness.is_zero()) {
        lines.push(format!("records may come {} after the end", format_duration(lateness)));
    }
    lines.push(firing_line(window));
    if let Some(evict) = &window.evict {
        lines.push(match evict {
            Evict::Last(records) => format!("of the last {records} records"),
            Evict::Within(time) => format!("of the records of the last {}", format_duration(*time)),
            Evict::Delta(delta) => {
                format!("of the records whose {} is within {} of the last", one_line(&delta.field), delta.threshold)
            }
        });
    }
    match &step.function {
        WindowFunction::Aggregates(aggregates) => {
            lines.push("aggregate".into());
            lines.extend(aggregate_lines(aggregates));
        }
        WindowFunction::Aggregator(custom) => lines.extend(custom_lines("aggregator", custom)),
        WindowFunction::Process(custom) => lines.extend(custom_lines("process", custom)),
    }
    lines
}

fn custom_lines(role: &str, CustomOperator { operator, config }: &CustomOperator) -> Vec<String> {
    let config = (config != "{}").then(|| format!("config {config}"));
    std::iter::once(format!("{role} {operator}")).chain(config).collect()
}

fn kind_line(window: &Window) -> String {
    let from = |offset: Option<Duration>| match offset.filter(|offset| !offset.is_zero()) {
        Some(offset) => format!(", set off by {}", format_duration(offset)),
        None => String::new(),
    };
    let Window { tumbling, hopping, calendar, sliding, session, count, every, offset, .. } = window;
    if let Some(size) = tumbling {
        format!("windows of {} side by side{}", format_duration(*size), from(*offset))
    } else if let Some(size) = hopping {
        let every = every.map(|every| format!(", one every {}", every_text(every))).unwrap_or_default();
        format!("windows of {}{every}{}", format_duration(*size), from(*offset))
    } else if let Some(unit) = calendar {
        let unit = match unit {
            CalendarUnit::Day => "days",
            CalendarUnit::Week => "weeks",
            CalendarUnit::Month => "months",
        };
        format!("windows of {unit} in {}", window.time_zone.as_deref().unwrap_or("UTC"))
    } else if let Some(size) = sliding {
        format!("sliding windows of {}", format_duration(*size))
    } else if let Some(session) = session {
        match session {
            Session::Fixed(gap) => format!("sessions with gaps up to {}", format_duration(*gap)),
            Session::Dynamic(gap) => format!("sessions with gaps up to {}", one_line(&gap.gap)),
        }
    } else if let Some(count) = count {
        let every = every.map(|every| format!(", one every {}", every_text(every))).unwrap_or_default();
        format!("windows of {count} records{every}")
    } else if let Some(assigner) = &window.assigner {
        format!("windows by {assigner}")
    } else {
        "one window without an end".into()
    }
}

fn every_text(every: Every) -> String {
    match every {
        Every::Time(every) => format_duration(every),
        Every::Records(records) => format!("{records} records"),
    }
}

fn firing_line(window: &Window) -> String {
    let trigger = window.trigger.clone().unwrap_or_default();
    let mut when = Vec::new();
    if window.emit == EmitSpec::OnUpdate {
        when.push("with every change".into());
    } else if let Some(continuous) = trigger.continuous {
        when.push(match continuous {
            Continuous::EventTime(every) => format!("every {} of event time", format_duration(every)),
            Continuous::ProcessingTime(every) => format!("every {}", format_duration(every)),
        });
    } else if let Some(delta) = &trigger.delta {
        when.push(format!("when {} has changed by more than {}", one_line(&delta.field), delta.threshold));
    } else if let Some(count) = trigger.count {
        when.push(format!("with every {count} records"));
    } else if let Some(operator) = &trigger.operator {
        when.push(format!("as {operator} says"));
    } else {
        when.extend(trigger.early.map(|early| match early {
            Early::Every(every) => format!("every {}", format_duration(every)),
            Early::EventTime(every) => format!("every {} of event time", format_duration(every)),
            Early::Records(records) => format!("with every {records} records"),
        }));
        if window.count.is_some() {
            when.push("when a window is full".into());
        } else if window.global.is_none() {
            when.push("when a window ends".into());
        }
    }
    if trigger.late == Some(Late::OnExpiry) {
        when.push("once more after late records".into());
    }
    let purge = if trigger.purge { ", of the records since the result before" } else { "" };
    format!("results {}{purge}", when.join(" and "))
}

pub(super) fn rolling_lines(step: &RollingStep) -> Vec<String> {
    let time = |ms: i64| format_duration(Duration::from_millis(u64::try_from(ms).unwrap_or_default()));
    let windows: Vec<String> =
        step.spec.windows.iter().map(|window| format!("{} by {}", window.name, time(window.resolution_ms))).collect();
    let mut lines = vec![format!("rolling windows of {}", windows.join(", "))];
    lines.push(format!("records may come {} late", time(step.spec.lateness_ms)));
    lines.push("aggregate".into());
    lines.extend(aggregate_lines(&step.aggregates));
    lines
}
