//! Aggregators.

use millstream_operator::{
    GuestMetric, OperatorError,
    aggregate::{Added, Additions, Aggregation, AggregationFactory, Panes},
};
use millstream_types::{BytesColumn, Digest, OperatorRef};

use super::{Part, lift_failures, lower_windows};
use crate::{
    columns::{lift, lower, lower_batch},
    generated::{
        exports::millstream::window::aggregation::{
            Added as GuestAdded, Additions as GuestAdditions, Guest, Panes as GuestPanes,
        },
        millstream::operator::types::BytesColumnResult,
    },
    instance::Moment,
    output::malformed,
    resident::Resident,
};

struct WasmAggregation {
    guest: Resident<Guest>,
    can_retract: bool,
}

impl AggregationFactory for Part {
    fn operator(&self) -> Option<&OperatorRef> {
        Some(&self.configured.operator)
    }

    fn digest(&self) -> Option<Digest> {
        Some(self.configured.plugin.digest())
    }

    fn definition(&self) -> &str {
        &self.definition
    }

    fn instantiate(&self, step: &str) -> Result<Box<dyn Aggregation>, OperatorError> {
        let can_retract = self.configured.plugin.described().retracts;
        Ok(Box::new(WasmAggregation { guest: self.configured.start(step)?, can_retract }))
    }
}

impl Aggregation for WasmAggregation {
    fn add(&mut self, additions: &Additions<'_>, accumulators: &BytesColumn) -> Result<Added, OperatorError> {
        self.guest.call(true, |instance| {
            let (records, column) = (lower_additions(additions), lower(accumulators));
            let added = instance.call(Moment::default(), |guest, store| guest.call_add(store, records, column))?;
            lift_added(added, additions, accumulators.len())
        })
    }

    fn merge(
        &mut self,
        accumulators: &BytesColumn,
        groups: &[u32],
        count: usize,
    ) -> Result<BytesColumn, OperatorError> {
        let result_rows = u32::try_from(count).unwrap_or(u32::MAX);
        self.guest.call(true, |instance| {
            let merged = instance.call(Moment::default(), |guest, store| {
                guest.call_merge(store, lower(accumulators), bytemuck::cast_slice(groups), result_rows)
            })?;
            lift_column("accumulators", merged, count)
        })
    }

    fn retract(&mut self, additions: &Additions<'_>, accumulators: &BytesColumn) -> Result<Added, OperatorError> {
        if !self.can_retract {
            return malformed("no way to take records out of an accumulator");
        }
        self.guest.call(true, |instance| {
            let (records, column) = (lower_additions(additions), lower(accumulators));
            let added = instance.call(Moment::default(), |guest, store| guest.call_retract(store, records, column))?;
            lift_added(added, additions, accumulators.len())
        })
    }

    fn can_retract(&self) -> bool {
        self.can_retract
    }

    fn results(&mut self, accumulators: &BytesColumn, panes: &Panes<'_>) -> Result<BytesColumn, OperatorError> {
        self.guest.call(true, |instance| {
            let panes = GuestPanes { keys: lower(panes.keys), windows: lower_windows(panes.starts, panes.ends) };
            let results = instance
                .call(Moment::default(), |guest, store| guest.call_results(store, lower(accumulators), panes))?;
            lift_column("results", results, accumulators.len())
        })
    }

    fn take_metrics(&mut self) -> Vec<GuestMetric> {
        self.guest.take_metrics()
    }
}

fn lower_additions<'a>(additions: &Additions<'a>) -> GuestAdditions<'a> {
    GuestAdditions {
        batch: lower_batch(additions.batch),
        rows: bytemuck::cast_slice(additions.rows),
        targets: bytemuck::cast_slice(additions.targets),
    }
}

fn lift_column(name: &str, column: BytesColumnResult, expected: usize) -> Result<BytesColumn, OperatorError> {
    lift(column, expected).or_else(|error| malformed(format_args!("broken {name}: {error}")))
}

pub(super) fn lift_added(
    added: GuestAdded,
    additions: &Additions<'_>,
    expected: usize,
) -> Result<Added, OperatorError> {
    let accumulators = lift_column("accumulators", added.accumulators, expected)?;
    let failures = lift_failures(added.failures, additions.batch.len())?;
    // A failed record counts nowhere, so an accumulator that was begun by nothing else stays null.
    let failed = |row: &u32| failures.binary_search_by_key(row, |failure| failure.record).is_ok();
    for (row, &target) in additions.rows.iter().zip(additions.targets) {
        if accumulators.get(target as usize).is_none() && !failed(row) {
            return malformed(format_args!("no accumulator for record {row}, which did not fail"));
        }
    }
    Ok(Added { accumulators, failures })
}
