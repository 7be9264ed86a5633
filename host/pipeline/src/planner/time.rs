//! Event time in a plan.

use crate::{
    plan::{WatermarkStrategy, Watermarks},
    spec::WatermarkSpec,
};

/// How the watermarks of a source are made that says this of them.
pub(super) fn watermarks(spec: Option<&WatermarkSpec>) -> Watermarks {
    let WatermarkSpec { out_of_order, generator, config, idle, align } = spec.cloned().unwrap_or_default();
    let strategy = match generator {
        Some(operator) => {
            WatermarkStrategy::Generator { operator, config: config.map_or_else(|| "{}".into(), |it| it.to_string()) }
        }
        None => WatermarkStrategy::OutOfOrder(out_of_order.unwrap_or_default()),
    };
    Watermarks { strategy, idle: idle.timeout(), align }
}
