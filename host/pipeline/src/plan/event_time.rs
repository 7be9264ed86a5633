//! Window and rolling steps of a plan, and what `millstream-operator` calls the same.

use std::{sync::Arc, time::Duration};

use millstream_operator::{
    OperatorFactory,
    aggregate::{AggregatesFactory, AggregationFactory},
    rolling::{self, RollingSpec, RollingWindow, default_lateness_ms, default_resolution_ms},
    timer::TimeDomain,
    window::{
        self, CalendarUnit, EarlyFiring, Emit, EvictSpec, LateFiring, SessionGap, TriggerCondition, TriggerFactory,
        TriggerSpec, WindowAssignerFactory, WindowContents, WindowFunctionFactory, WindowKind, WindowSpec,
    },
};
use millstream_types::OperatorRef;
use serde_json::Value;

use crate::spec::{self, Aggregates, Rolling, Trigger, Window};

/// A step with windows.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowStep {
    /// The windows, as the pipeline file has them.
    pub window: Window,
    /// The field of the results that has the key; `None`: they have none.
    pub key_field: Option<String>,
    /// What becomes of the records of a window.
    pub function: WindowFunction,
}

/// What becomes of the records of a window.
#[derive(Clone, Debug, PartialEq)]
pub enum WindowFunction {
    /// Built-in aggregates.
    Aggregates(Aggregates),
    /// A registered operator that takes them one after another.
    Aggregator(CustomOperator),
    /// A registered operator that takes all at once.
    Process(CustomOperator),
}

/// A registered operator in a part of a step, and its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomOperator {
    /// Which one.
    pub operator: OperatorRef,
    /// Its configuration as JSON text.
    pub config: String,
}

impl CustomOperator {
    /// The operator with the configuration of the pipeline file.
    pub(crate) fn new(operator: &OperatorRef, config: Option<&Value>) -> Self {
        Self { operator: operator.clone(), config: config.map_or_else(|| "{}".into(), ToString::to_string) }
    }
}

/// What registered operators of a window step were resolved to.
#[derive(Clone, Default)]
pub struct CustomParts {
    /// What [`WindowFunction::Aggregator`] asks for.
    pub aggregator: Option<Arc<dyn AggregationFactory>>,
    /// What [`WindowFunction::Process`] asks for.
    pub process: Option<Arc<dyn WindowFunctionFactory>>,
    /// What [`WindowStep::assigner`] asks for.
    pub assigner: Option<Arc<dyn WindowAssignerFactory>>,
    /// What [`WindowStep::trigger`] asks for.
    pub trigger: Option<Arc<dyn TriggerFactory>>,
}

impl WindowStep {
    /// The operator that assigns the windows, if one does.
    pub fn assigner(&self) -> Option<CustomOperator> {
        Some(CustomOperator::new(self.window.assigner.as_ref()?, self.window.config.as_ref()))
    }

    /// The operator that says when windows fire, if one does.
    pub fn trigger(&self) -> Option<CustomOperator> {
        let trigger = self.window.trigger.as_ref()?;
        Some(CustomOperator::new(trigger.operator.as_ref()?, trigger.config.as_ref()))
    }

    /// The step as it runs.
    ///
    /// # Errors
    /// Which setting cannot be, or which part is missing.
    pub fn factory(&self, parts: CustomParts) -> Result<Arc<dyn OperatorFactory>, String> {
        let missing = |what: &str| format!("its {what} is missing");
        let spec = self.spec(&parts).ok_or_else(|| missing("assigner or trigger"))?;
        let contents = match &self.function {
            WindowFunction::Aggregates(aggregates) => {
                let factory = AggregatesFactory::new(&aggregates.0, self.key_field.clone());
                WindowContents::Aggregated(Arc::new(factory.map_err(|error| error.to_string())?))
            }
            WindowFunction::Aggregator(_) => {
                WindowContents::Aggregated(parts.aggregator.ok_or_else(|| missing("aggregator"))?)
            }
            WindowFunction::Process(_) => WindowContents::Processed(parts.process.ok_or_else(|| missing("function"))?),
        };
        window::window(spec, contents).map_err(|error| error.to_string())
    }

    /// The windows as they run; `None` where a part is missing that they need.
    fn spec(&self, parts: &CustomParts) -> Option<WindowSpec> {
        let window = &self.window;
        let trigger = window.trigger.clone().unwrap_or_default();
        Some(WindowSpec {
            kind: kind(window, parts.assigner.clone())?,
            lateness_ms: ms(window.lateness.unwrap_or_default()),
            emit: match window.emit {
                spec::EmitSpec::OnClose => Emit::OnClose,
                spec::EmitSpec::OnUpdate => Emit::OnUpdate,
            },
            trigger: TriggerSpec {
                condition: condition(&trigger, parts.trigger.clone())?,
                early: trigger.early.map(early),
                late: match trigger.late {
                    None | Some(spec::Late::OnUpdate) => LateFiring::OnUpdate,
                    Some(spec::Late::OnExpiry) => LateFiring::OnExpiry,
                },
                purge: trigger.purge,
            },
            evict: window.evict.as_ref().map(evict),
        })
    }
}

fn kind(window: &Window, assigner: Option<Arc<dyn WindowAssignerFactory>>) -> Option<WindowKind> {
    let offset_ms = ms(window.offset.unwrap_or_default());
    Some(if let Some(size) = window.tumbling {
        WindowKind::Tumbling { size_ms: ms(size), offset_ms }
    } else if let Some(size) = window.hopping {
        let every_ms = match window.every {
            Some(spec::Every::Time(every)) => ms(every),
            _ => ms(size),
        };
        WindowKind::Hopping { size_ms: ms(size), every_ms, offset_ms }
    } else if let Some(unit) = window.calendar {
        let unit = match unit {
            spec::CalendarUnit::Day => CalendarUnit::Day,
            spec::CalendarUnit::Week => CalendarUnit::Week,
            spec::CalendarUnit::Month => CalendarUnit::Month,
        };
        WindowKind::Calendar { unit, time_zone: window.time_zone.clone().unwrap_or_else(|| "UTC".into()) }
    } else if let Some(size) = window.sliding {
        WindowKind::Sliding { size_ms: ms(size) }
    } else if let Some(session) = &window.session {
        WindowKind::Session(match session {
            spec::Session::Fixed(gap) => SessionGap::Fixed { gap_ms: ms(*gap) },
            spec::Session::Dynamic(dynamic) => {
                SessionGap::Dynamic { gap: dynamic.gap.clone(), unit_ms: dynamic.unit.ms() }
            }
        })
    } else if window.global.is_some() {
        WindowKind::Global
    } else if let Some(size) = window.count {
        let every = match window.every {
            Some(spec::Every::Records(every)) => every,
            _ => size,
        };
        WindowKind::Count { size, every }
    } else {
        WindowKind::Custom(assigner?)
    })
}

fn condition(trigger: &Trigger, operator: Option<Arc<dyn TriggerFactory>>) -> Option<TriggerCondition> {
    Some(if let Some(continuous) = trigger.continuous {
        let (domain, every) = match continuous {
            spec::Continuous::EventTime(every) => (TimeDomain::Event, every),
            spec::Continuous::ProcessingTime(every) => (TimeDomain::Processing, every),
        };
        TriggerCondition::Continuous { domain, every_ms: ms(every) }
    } else if let Some(delta) = &trigger.delta {
        TriggerCondition::Delta { value: delta.field.clone(), threshold: delta.threshold }
    } else if let Some(count) = trigger.count {
        TriggerCondition::Count(count)
    } else if trigger.operator.is_some() {
        TriggerCondition::Custom(operator?)
    } else {
        TriggerCondition::End
    })
}

fn early(early: spec::Early) -> EarlyFiring {
    match early {
        spec::Early::Every(every) => EarlyFiring::Every(TimeDomain::Processing, ms(every)),
        spec::Early::EventTime(every) => EarlyFiring::Every(TimeDomain::Event, ms(every)),
        spec::Early::Records(records) => EarlyFiring::Records(records),
    }
}

fn evict(evict: &spec::Evict) -> EvictSpec {
    match evict {
        spec::Evict::Last(records) => EvictSpec::Last(*records),
        spec::Evict::Within(time) => EvictSpec::Within(ms(*time)),
        spec::Evict::Delta(delta) => EvictSpec::Delta { value: delta.field.clone(), threshold: delta.threshold },
    }
}

/// A rolling step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollingStep {
    /// Its windows.
    pub spec: RollingSpec,
    /// Its aggregates.
    pub aggregates: Aggregates,
}

impl RollingStep {
    /// The step as it runs.
    pub(crate) fn new(rolling: &Rolling) -> Self {
        let windows: Vec<RollingWindow> = rolling.windows.iter().map(|name| rolling_window(name, rolling)).collect();
        let lateness_ms = rolling.lateness.map_or_else(|| default_lateness_ms(&windows), ms);
        Self { spec: RollingSpec { windows, lateness_ms }, aggregates: rolling.aggregate.clone() }
    }

    /// The step as it runs.
    ///
    /// # Errors
    /// Which setting cannot be.
    pub fn factory(&self) -> Result<Arc<dyn OperatorFactory>, String> {
        let aggregates = AggregatesFactory::new(&self.aggregates.0, None).map_err(|error| error.to_string())?;
        rolling::rolling(self.spec.clone(), Arc::new(aggregates)).map_err(|error| error.to_string())
    }
}

fn rolling_window(name: &str, rolling: &Rolling) -> RollingWindow {
    let size_ms = ms(spec::parse_duration(name).unwrap_or_default());
    let given = rolling.resolution.iter().find(|(window, _)| window == name);
    let resolution_ms = given.map_or_else(|| default_resolution_ms(size_ms), |(_, resolution)| ms(*resolution));
    RollingWindow { name: name.into(), size_ms, resolution_ms }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
