//! Event time in a plan.

use crate::{
    plan::{InputKind, Stage, WatermarkStrategy, Watermarks},
    spec::WatermarkSpec,
};

use super::Planner;

impl Planner<'_> {
    /// Gives every stage behind a shuffle something to keep in mind what the tasks before it said of event time: they
    /// say it once.
    pub(super) fn keep_watermarks(&self, stages: &mut [Stage]) {
        for stage in stages {
            if stage.inputs.iter().any(|input| matches!(input.kind, InputKind::Repartition { .. })) {
                stage.changelog.get_or_insert_with(|| self.topic(&stage.name, "changelog").into());
            }
        }
    }
}

/// How the watermarks of a source are made that says this of them.
pub(super) fn watermarks(spec: Option<&WatermarkSpec>) -> Watermarks {
    let WatermarkSpec { out_of_order, generator, config, idle, align, future } = spec.cloned().unwrap_or_default();
    let strategy = match generator {
        Some(operator) => {
            WatermarkStrategy::Generator { operator, config: config.map_or_else(|| "{}".into(), |it| it.to_string()) }
        }
        None => WatermarkStrategy::OutOfOrder(out_of_order.unwrap_or_default()),
    };
    Watermarks { strategy, idle: idle.timeout(), align, future }
}
