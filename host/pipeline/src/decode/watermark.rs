//! Watermarks of sources.

use std::time::Duration;

use crate::{
    document::Kind,
    spec::{Idle, WatermarkSpec},
};

use super::{Decoder, Field};

/// The longest time that settings of watermarks take; beyond it something else was meant.
const MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);
/// The shortest where none at all makes no sense.
const MIN: Duration = Duration::from_millis(1);

impl Decoder {
    pub(super) fn watermark(&mut self, field: &Field<'_>) -> Option<WatermarkSpec> {
        let mut members = self.members(field, "a map such as { out-of-order: 2s, idle: 30s }", false)?;
        let out_of_order = self.take(&mut members, "out-of-order");
        let generator = self.take(&mut members, "generator");
        if let (Some(_), Some(generator)) = (&out_of_order, &generator) {
            self.error_at(generator, "stands beside `out-of-order`; it makes the watermarks alone");
        }
        let config = self.take(&mut members, "config");
        self.only_with(&config, "config", "generator", generator.is_some());
        let watermark = WatermarkSpec {
            out_of_order: out_of_order.and_then(|field| self.duration_within(&field, Duration::ZERO, MAX)),
            generator: generator.and_then(|field| self.operator(&field)),
            config: config.map(|field| field.node.to_json()),
            idle: self.take(&mut members, "idle").and_then(|field| self.idle(&field)).unwrap_or_default(),
            align: self.take(&mut members, "align").and_then(|field| self.duration_within(&field, MIN, MAX)),
            future: self
                .take(&mut members, "future")
                .and_then(|field| self.duration_within(&field, Duration::ZERO, MAX)),
        };
        self.finish(members);
        Some(watermark)
    }

    fn idle(&mut self, field: &Field<'_>) -> Option<Idle> {
        match &field.node.kind {
            Kind::Scalar { text, .. } if text == "never" => Some(Idle::Never),
            Kind::Scalar { text, .. } if text.starts_with(|c: char| c.is_ascii_digit()) => {
                self.duration_within(field, MIN, MAX).map(Idle::After)
            }
            _ => {
                self.expected(field, "a duration such as 30s, or never");
                None
            }
        }
    }
}
