//! The operators that the test cases use.

use std::time::Duration;

use millstream_operator::OperatorDescription;
use millstream_pipeline::OperatorCatalog;
use millstream_state::{StateDeclaration, StateKind};
use millstream_types::OperatorRef;

/// Operators with outputs and states of every kind.
pub struct Operators;

impl Operators {
    fn all() -> Vec<(&'static str, OperatorDescription)> {
        let state = |name: &str, kind, ttl, prefetch| StateDeclaration {
            name: name.into(),
            kind,
            schema_version: 1,
            ttl,
            prefetch,
        };
        let operator = |outputs: &[&str], states| OperatorDescription {
            outputs: outputs.iter().map(|&output| output.to_owned()).collect(),
            states,
            ..Default::default()
        };
        let week = Some(Duration::from_secs(7 * 24 * 3600));
        vec![
            ("parse-payment@1.0.0", operator(&["main", "late"], Vec::new())),
            (
                "velocity@1.0.0",
                operator(
                    &["main"],
                    vec![
                        state("spend", StateKind::Value, week, true),
                        state("devices", StateKind::Map, None, false),
                        state("recent", StateKind::List, None, false),
                    ],
                ),
            ),
            ("score@2.0.0", operator(&[], Vec::new())),
            ("score@2.1.0", operator(&[], Vec::new())),
            // Makes watermarks.
            ("marks@1.0.0", OperatorDescription::default()),
            // Parts of window steps.
            ("spans@1.0.0", OperatorDescription::default()),
            ("whenever@1.0.0", OperatorDescription::default()),
            ("median@1.0.0", OperatorDescription::default()),
            ("report@1.0.0", OperatorDescription::default()),
            // Both names have the same hash in a step `c`.
            (
                "clash@1.0.0",
                operator(
                    &["main"],
                    vec![
                        state("s189db", StateKind::Value, None, false),
                        state("s57828", StateKind::Value, None, false),
                    ],
                ),
            ),
        ]
    }
}

impl OperatorCatalog for Operators {
    fn describe(&self, operator: &OperatorRef) -> Option<OperatorDescription> {
        Self::all().into_iter().find(|(name, _)| *name == operator.to_string()).map(|(_, description)| description)
    }

    fn operators(&self) -> Vec<OperatorRef> {
        Self::all().iter().map(|(name, _)| name.parse().expect("a reference")).collect()
    }
}
