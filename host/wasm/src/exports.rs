//! What components export, looked up in an instance.

use std::time::Duration;

use millstream_operator::OperatorDescription;
use wasmtime::{Store, component::Instance};

use crate::{
    Refusal, description,
    generated::exports::millstream::{
        operator::processor,
        window::{aggregation, assignment, firing, watermarks, window_function},
    },
    guest::GuestData,
};

/// What a component says of itself, whatever its world is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Described {
    /// Of a world that is no operator nothing but the schema of its configuration.
    pub(crate) operator: OperatorDescription,
    /// The version of accumulators, or of what a trigger remembers.
    pub(crate) schema_version: u32,
    /// An aggregator takes records out again.
    pub(crate) retracts: bool,
    /// Windows of an assigner that overlap become one.
    pub(crate) merges: bool,
    /// How often a watermark generator is told the time.
    pub(crate) every: Option<Duration>,
}

impl Described {
    fn part(config_schema: Option<String>) -> Result<Self, Vec<Refusal>> {
        let refusals: Vec<Refusal> = description::schema_refusal(config_schema.as_deref()).into_iter().collect();
        let operator = OperatorDescription { config_schema, ..Default::default() };
        if refusals.is_empty() { Ok(Self { operator, ..Self::default() }) } else { Err(refusals) }
    }
}

/// A description, or everything that is wrong with it.
pub(crate) type Checked = Result<Described, Vec<Refusal>>;

/// The interface that components of a world export.
pub(crate) trait Exports: Sized + Send {
    /// Looks it up, and checks its types.
    fn load(store: &mut Store<GuestData>, instance: &Instance) -> wasmtime::Result<Self>;

    /// Asks what the component is.
    fn describe(&self, store: &mut Store<GuestData>) -> wasmtime::Result<Checked>;

    /// Hands over a configuration.
    fn configure(&self, store: &mut Store<GuestData>, config: &str) -> wasmtime::Result<Result<(), String>>;
}

macro_rules! exports {
    ($($interface:ident: |$described:ident| $check:expr;)*) => {$(
        impl Exports for $interface::Guest {
            fn load(store: &mut Store<GuestData>, instance: &Instance) -> wasmtime::Result<Self> {
                let program = instance.instance_pre(&*store);
                $interface::GuestIndices::new(&program)?.load(store, instance)
            }

            fn describe(&self, store: &mut Store<GuestData>) -> wasmtime::Result<Checked> {
                let $described = self.call_describe(store)?;
                Ok($check)
            }

            fn configure(&self, store: &mut Store<GuestData>, config: &str) -> wasmtime::Result<Result<(), String>> {
                self.call_configure(store, config)
            }
        }
    )*};
}

exports! {
    processor: |described| {
        description::check(described).map(|operator| Described { operator, ..Described::default() })
    };
    aggregation: |described| Described::part(described.config_schema).map(|part| Described {
        schema_version: described.schema_version,
        retracts: described.retracts,
        ..part
    });
    assignment: |described| {
        Described::part(described.config_schema).map(|part| Described { merges: described.merges, ..part })
    };
    firing: |described| Described::part(described.config_schema).map(|part| Described {
        schema_version: described.schema_version,
        ..part
    });
    window_function: |described| Described::part(described.config_schema);
    watermarks: |described| {
        let part = Described::part(described.config_schema);
        match described.every_ms {
            Some(0) => Err(vec![Refusal::Contradiction("it wants to be told the time every 0 ms".into())]),
            every_ms => part.map(|part| Described { every: every_ms.map(Duration::from_millis), ..part }),
        }
    };
}
