//! Event time in words.

use crate::{
    plan::{WatermarkStrategy, Watermarks},
    spec::format_duration,
};

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
    lines
}
