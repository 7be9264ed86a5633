//! What panes have: accumulators, or elements.

use std::collections::HashMap;

use millstream_state::TaskState;
use millstream_types::BytesColumn;

use super::{
    States,
    elements::{ElementContents, Then},
    evict::Evictor,
    work::{Fire, Work},
};
use crate::{
    GuestMetric, OperatorError, OutputBatch, ProcessInput, RecordFailure,
    aggregate::{Additions, Aggregation},
    window::{EvictSpec, WindowContents, output::Fired},
};

/// What panes have, and what becomes of it when they fire.
pub(in crate::window) enum Contents {
    /// An accumulator for each piece.
    Accumulators(Box<dyn Aggregation>),
    /// All elements.
    Elements(ElementContents),
}

impl Contents {
    /// An instance for a step.
    pub(in crate::window) fn new(
        step: &str,
        contents: &WindowContents,
        evict: Option<&EvictSpec>,
    ) -> Result<Self, OperatorError> {
        let evictor = evict.map(Evictor::new).transpose().map_err(|error| OperatorError::Setup(error.to_string()))?;
        let then = match contents {
            WindowContents::Aggregated(factory) if evictor.is_none() => {
                return Ok(Self::Accumulators(factory.instantiate(step)?));
            }
            WindowContents::Aggregated(factory) => Then::Aggregate(factory.instantiate(step)?),
            WindowContents::Processed(factory) => Then::Process(factory.instantiate(step)?),
        };
        Ok(Self::Elements(ElementContents { evictor, then }))
    }

    pub(super) fn take_metrics(&mut self) -> Vec<GuestMetric> {
        match self {
            Self::Accumulators(aggregation)
            | Self::Elements(ElementContents { then: Then::Aggregate(aggregation), .. }) => aggregation.take_metrics(),
            Self::Elements(ElementContents { then: Then::Process(function), .. }) => function.take_metrics(),
        }
    }

    pub(super) fn keeps_elements(&self) -> bool {
        matches!(self, Self::Elements(_))
    }

    /// Adds records to pieces. Records that fail: nothing was added.
    pub(super) fn add(
        &mut self,
        states: &States,
        input: &ProcessInput<'_>,
        state: &mut TaskState,
        work: &mut Work<'_>,
        additions: &[(u32, u32)],
    ) -> Result<Vec<RecordFailure>, OperatorError> {
        if additions.is_empty() {
            return Ok(Vec::new());
        }
        match self {
            Self::Accumulators(aggregation) => accumulate(&mut **aggregation, input, work, additions),
            Self::Elements(contents) => contents.add(&states.elements, input, state, work, additions),
        }
    }

    /// The records that come of panes that fire; `clocks`: processing time and watermark.
    pub(super) fn fire(
        &mut self,
        states: &States,
        state: &mut TaskState,
        work: &mut Work<'_>,
        fires: Vec<Fire>,
        clocks: (i64, i64),
    ) -> Result<Option<OutputBatch>, OperatorError> {
        if fires.is_empty() {
            return Ok(None);
        }
        match self {
            Self::Accumulators(aggregation) => tell(&mut **aggregation, work, &fires),
            Self::Elements(contents) => contents.fire(&states.elements, state, work, &fires, clocks),
        }
    }
}

/// Adds records to the accumulators of their pieces.
fn accumulate(
    aggregation: &mut dyn Aggregation,
    input: &ProcessInput<'_>,
    work: &mut Work<'_>,
    additions: &[(u32, u32)],
) -> Result<Vec<RecordFailure>, OperatorError> {
    let mut pieces: Vec<u32> = Vec::new();
    let mut index: Vec<u32> = vec![u32::MAX; work.pieces.len()];
    let (mut rows, mut targets) = (Vec::with_capacity(additions.len()), Vec::with_capacity(additions.len()));
    for &(row, piece) in additions {
        if let Some(target) = index.get_mut(piece as usize) {
            if *target == u32::MAX {
                *target = pieces.len() as u32;
                pieces.push(piece);
            }
            rows.push(row);
            targets.push(*target);
        }
    }
    let before = pieces.iter().map(|&piece| work.pieces.get(piece as usize).and_then(|p| p.accumulator.as_deref()));
    let before: BytesColumn = before.collect();
    let added = aggregation.add(&Additions { batch: input.batch, rows: &rows, targets: &targets }, &before)?;
    if !added.failures.is_empty() {
        return Ok(added.failures);
    }
    check_count(added.accumulators.len(), pieces.len())?;
    for (&piece, accumulator) in pieces.iter().zip(added.accumulators.iter()) {
        if let Some(piece) = work.pieces.get_mut(piece as usize) {
            piece.accumulator = accumulator.map(<[u8]>::to_vec);
        }
    }
    Ok(Vec::new())
}

/// Merges the pieces of what fires, and tells the results.
fn tell(
    aggregation: &mut dyn Aggregation,
    work: &mut Work<'_>,
    fires: &[Fire],
) -> Result<Option<OutputBatch>, OperatorError> {
    let mut accumulators = BytesColumn::new();
    let mut groups = Vec::new();
    for (at, fire) in fires.iter().enumerate() {
        for &piece in &fire.pieces {
            if let Some(accumulator) = work.pieces.get(piece as usize).and_then(|piece| piece.accumulator.as_deref()) {
                accumulators.push(Some(accumulator));
                groups.push(at as u32);
            }
        }
    }
    let merged = match groups.iter().enumerate().all(|(at, &group)| at == group as usize) && groups.len() == fires.len()
    {
        true => accumulators,
        false => aggregation.merge(&accumulators, &groups, fires.len())?,
    };
    check_count(merged.len(), fires.len())?;
    let mut fired = Fired::default();
    let mut found = BytesColumn::with_capacity(merged.len(), merged.data().len());
    for (fire, accumulator) in fires.iter().zip(merged.iter()) {
        if accumulator.is_some() {
            let group = work.panes.get(fire.pane as usize).map_or(0, |pane| pane.group);
            fired.push(fire.source, work.key(group), fire.window, fire.timestamp_ms());
            found.push(accumulator);
        }
    }
    let results = fired.results(aggregation, &found)?;
    if !work.keeps_pieces {
        compact(work, fires, &merged);
    }
    Ok(fired.into_output(results))
}

/// Gives panes the merged accumulator of what fired last instead of the pieces.
fn compact(work: &mut Work<'_>, fires: &[Fire], merged: &BytesColumn) {
    let last: HashMap<u32, usize> = fires.iter().enumerate().map(|(at, fire)| (fire.pane, at)).collect();
    for (pane, at) in last {
        let (Some(live), Some(fire)) = (work.panes.get_mut(pane as usize), fires.get(at)) else { continue };
        if fire.pieces.len() < 2 || !live.pieces.starts_with(&fire.pieces) {
            continue;
        }
        let elements = fire.pieces.iter().filter_map(|&piece| work.pieces.get(piece as usize));
        let elements = elements.map(|piece| piece.elements).sum();
        live.pieces.drain(1..fire.pieces.len());
        if let Some(piece) = live.pieces.first().and_then(|&first| work.pieces.get_mut(first as usize)) {
            piece.elements = elements;
            piece.accumulator = merged.get(at).map(<[u8]>::to_vec);
        }
    }
}

pub(super) fn check_count(found: usize, expected: usize) -> Result<(), OperatorError> {
    match found == expected {
        true => Ok(()),
        false => Err(OperatorError::Malformed(format!("{found} accumulators where {expected} were expected"))),
    }
}
