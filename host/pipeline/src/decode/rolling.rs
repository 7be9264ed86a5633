//! Rolling features.

use std::time::Duration;

use millstream_operator::rolling::RollingError;

use crate::{
    document::Kind,
    plan::RollingStep,
    spec::{Rolling, parse_duration},
};

use super::{Decoder, Field, window::MAX};

impl Decoder {
    pub(super) fn rolling(&mut self, field: &Field<'_>) -> Option<Rolling> {
        let what = "a map such as { windows: [5m, 1h], aggregate: { spend: sum(/amount) } }";
        let mut members = self.members(field, what, false)?;
        let windows = self.require(&mut members, "windows").map(|field| self.rolling_windows(&field));
        let windows = windows.unwrap_or_default();
        let resolution = self.take(&mut members, "resolution").map(|field| self.resolution(&field, &windows));
        let lateness =
            self.take(&mut members, "lateness").and_then(|field| self.duration_within(&field, Duration::ZERO, MAX));
        let aggregate = self.require(&mut members, "aggregate").and_then(|field| self.aggregates(&field, None));
        self.finish(members);
        let rolling = Rolling {
            windows,
            resolution: resolution.unwrap_or_default(),
            lateness,
            aggregate: aggregate.unwrap_or_default(),
        };
        self.check_slices(field, &rolling);
        Some(rolling)
    }

    fn rolling_windows(&mut self, field: &Field<'_>) -> Vec<String> {
        let items = self.items(field, "a list of durations such as [5m, 1h, 7d]");
        if matches!(&field.node.kind, Kind::List(_)) && items.is_empty() {
            self.error_at(field, "needs at least one window, such as [5m]");
        }
        let mut windows: Vec<String> = Vec::with_capacity(items.len());
        for item in items {
            let (Some(size), Kind::Scalar { text, .. }) = (self.length(&item), &item.node.kind) else { continue };
            if let Some(same) = windows.iter().find(|window| parse_duration(window) == Some(size)) {
                self.error_at(&item, format!("is the same window as `{same}`"));
                continue;
            }
            windows.push(text.clone());
        }
        windows
    }

    /// Whether the windows can be cut into slices as they are to be.
    fn check_slices(&mut self, field: &Field<'_>, rolling: &Rolling) {
        // Without windows that has been said.
        let Err(error) = RollingStep::new(rolling).spec.validate() else { return };
        let (RollingError::Uneven { window, .. } | RollingError::TooManySlices { window, .. }) = &error else { return };
        let resolution = format!("{}.resolution.{window}", field.path);
        let path = if self.positions.contains(&resolution) { resolution } else { format!("{}.windows", field.path) };
        self.error(self.positions.of(&path), &path, error.to_string());
    }

    fn resolution(&mut self, field: &Field<'_>, windows: &[String]) -> Vec<(String, Duration)> {
        let mut resolutions = Vec::new();
        for (name, field) in self.named(field, "a map from windows to durations, for instance { 5m: 5s }") {
            if !windows.iter().any(|window| window == name) {
                let known: Vec<&str> = windows.iter().map(String::as_str).collect();
                let message = format!("there is no window `{name}`; there are {}", super::list(&known));
                self.error(self.positions.of(&field.path), &field.path, message);
            }
            resolutions.extend(self.length(&field).map(|resolution| (name.to_owned(), resolution)));
        }
        resolutions
    }
}
