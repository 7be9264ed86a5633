//! The watermark generators of a pipeline's sources.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use millstream_operator::{
    OperatorError,
    watermark::{Progress, WatermarkGenerator, WatermarkGeneratorFactory},
};
use millstream_pipeline::plan::{InputKind, Plan, WatermarkStrategy};
use millstream_types::RecordBatch;

use crate::{Failure, OperatorResolver, StartError};

/// Generators with their configurations, by source. Shared by all workers.
pub(crate) type GeneratorFactories = BTreeMap<String, Arc<dyn WatermarkGeneratorFactory>>;

/// The generators that the sources of a plan ask for.
///
/// # Errors
/// The source and why there is none for it.
pub(crate) fn generators_of(plan: &Plan, resolver: &dyn OperatorResolver) -> Result<GeneratorFactories, StartError> {
    let mut factories = GeneratorFactories::new();
    for input in plan.stages.iter().flat_map(|stage| &stage.inputs) {
        let (InputKind::Topic { watermarks, .. } | InputKind::Connector { watermarks, .. }) = &input.kind else {
            continue;
        };
        if let WatermarkStrategy::Generator { operator, config } = &watermarks.strategy {
            let found = resolver.parts(operator);
            let factory = found.and_then(|parts| parts.watermark_generator(operator.clone(), config.clone()));
            let refused = |reason| StartError::Source { source_name: input.name.clone(), reason };
            factories.insert(input.name.clone(), factory.map_err(refused)?);
        }
    }
    Ok(factories)
}

/// One worker's instances, by source.
#[derive(Default)]
pub(crate) struct Generators(BTreeMap<String, Generator>);

struct Generator {
    every: Option<Duration>,
    instance: Box<dyn WatermarkGenerator>,
}

impl Generators {
    /// Makes an instance of each.
    ///
    /// # Errors
    /// When one cannot be made.
    pub(crate) fn open(factories: &GeneratorFactories) -> Result<Self, Failure> {
        let open = |(source, factory): (&String, &Arc<dyn WatermarkGeneratorFactory>)| {
            let instance = factory.instantiate(source);
            let instance = instance.map_err(|error| Failure::from(error).context(format_args!("source {source}")))?;
            Ok((source.clone(), Generator { every: factory.every(), instance }))
        };
        factories.iter().map(open).collect::<Result<_, _>>().map(Self)
    }

    /// How often the generator of a source is told the time; `None`: never.
    pub(super) fn every(&self, source: &str) -> Option<Duration> {
        self.0.get(source)?.every
    }

    /// Shows records of a partition to the generator of its source.
    ///
    /// # Errors
    /// When the generator failed.
    pub(super) fn on_records(
        &mut self,
        source: &str,
        state: &[u8],
        records: &RecordBatch,
        now_ms: i64,
    ) -> Result<Progress, OperatorError> {
        self.of(source)?.on_records(state, records, now_ms)
    }

    /// Tells the generator of a source the time for one of its partitions.
    ///
    /// # Errors
    /// When the generator failed.
    pub(super) fn on_time(&mut self, source: &str, state: &[u8], now_ms: i64) -> Result<Progress, OperatorError> {
        self.of(source)?.on_time(state, now_ms)
    }

    fn of(&mut self, source: &str) -> Result<&mut Box<dyn WatermarkGenerator>, OperatorError> {
        let missing = || OperatorError::Setup(format!("there is no watermark generator for source {source}"));
        self.0.get_mut(source).map(|generator| &mut generator.instance).ok_or_else(missing)
    }
}
