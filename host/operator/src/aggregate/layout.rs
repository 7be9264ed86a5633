//! What an accumulator consists of, and what is told of it.
//!
//! Aggregates that need the same of the records share it: `sum(/a)`, `avg(/a)` and `count(/a)` make two cells,
//! every `quantile(/a, ...)` one.

use serde_json::json;

use crate::{
    expression::{Expression, ExpressionError},
    json_fields::FieldSet,
};

use super::{
    cell::{CellKind, View},
    declaration::{Declaration, argument_of_decimal},
    function::Function,
};

/// Values that are kept where a declaration has no limit.
const DEFAULT_LIMIT: u32 = 10_000;
/// Counters for each of the most frequent values, and at least.
const COUNTERS_EACH: usize = 16;
const MIN_COUNTERS: usize = 256;

/// What of a record goes into cells.
#[derive(Debug)]
pub(super) struct Source {
    pub argument: Argument,
    /// Index into [`Layout::conditions`].
    pub condition: Option<usize>,
    pub form: Form,
    /// A field's strings are read as the numbers that they are: it was written `decimal(/field)`.
    pub reads_text: bool,
    /// The call that it is the argument of, for messages.
    pub call: String,
}

/// Where a source's value comes from.
#[derive(Debug)]
pub(super) enum Argument {
    /// From the record itself, whatever it is.
    Record,
    /// From a field as it stands in the record, by its slot.
    Field(usize),
    /// From an expression.
    Computed(Expression),
}

/// As what a value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Whether it is there.
    Presence,
    /// A number: an exact one, where it is a field or whole.
    Number,
    /// A number, as floating point.
    Float,
    /// JSON as it stands.
    Json,
    /// JSON in which equal numbers and equal strings are equal texts.
    Canonical,
}

/// A part of an accumulator.
#[derive(Debug)]
pub(super) struct CellSpec {
    pub kind: CellKind,
    /// Index into [`Layout::sources`].
    pub source: usize,
}

/// A member of the result.
#[derive(Debug)]
pub(super) struct Output {
    /// Its name as JSON, with the opening quote and without the closing one.
    pub name: Vec<u8>,
    /// Index of its cell.
    pub cell: usize,
    /// Index of the cell that counts, where it takes two.
    pub counts: usize,
    pub view: View,
}

/// Everything that declarations say, ready to be carried out.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub fields: FieldSet,
    pub conditions: Vec<Expression>,
    pub sources: Vec<Source>,
    pub cells: Vec<CellSpec>,
    pub outputs: Vec<Output>,
    condition_texts: Vec<String>,
    /// Argument, condition and form of each source.
    source_keys: Vec<(Option<String>, Option<usize>, Form)>,
}

impl Layout {
    pub fn new(declarations: &[Declaration]) -> Result<Self, ExpressionError> {
        let mut layout = Self::default();
        for declaration in declarations {
            layout.add(declaration)?;
        }
        Ok(layout)
    }

    fn add(&mut self, declaration: &Declaration) -> Result<(), ExpressionError> {
        let limit = || declaration.parameter.map_or(DEFAULT_LIMIT, |limit| limit as u32);
        let variance = |of_sample, root| (CellKind::Moments, View::Variance { of_sample, root });
        let (kind, view) = match declaration.function {
            Function::Count => (CellKind::Count, View::Plain),
            Function::Sum => (CellKind::Sum, View::Plain),
            Function::Avg => (CellKind::Sum, View::Mean),
            Function::Min => (CellKind::Min, View::Plain),
            Function::Max => (CellKind::Max, View::Plain),
            Function::Var => variance(false, false),
            Function::VarSample => variance(true, false),
            Function::Stddev => variance(false, true),
            Function::StddevSample => variance(true, true),
            Function::First => (CellKind::First, View::Plain),
            Function::Last => (CellKind::Last, View::Plain),
            Function::Collect => (CellKind::List(limit()), View::Plain),
            Function::CollectDistinct => (CellKind::Values(limit()), View::Plain),
            Function::Distinct => (CellKind::Values(limit()), View::Size),
            Function::ApproxDistinct => (CellKind::HyperLogLog, View::Plain),
            Function::Quantile => (CellKind::Sketch, View::Quantile(declaration.parameter.unwrap_or_default())),
            Function::Top => {
                let most = declaration.parameter.unwrap_or_default() as usize;
                (CellKind::Frequent((most * COUNTERS_EACH).max(MIN_COUNTERS) as u32), View::Most(most))
            }
        };
        let cell = self.cell(kind, declaration)?;
        let counts = if view == View::Mean { self.cell(CellKind::Count, declaration)? } else { cell };
        let mut name = serde_json::Value::from(declaration.name.as_str()).to_string().into_bytes();
        name.pop();
        self.outputs.push(Output { name, cell, counts, view });
        Ok(())
    }

    /// The index of a cell of this kind over what the declaration says.
    fn cell(&mut self, kind: CellKind, declaration: &Declaration) -> Result<usize, ExpressionError> {
        let source = self.source(kind.form(), declaration)?;
        if let Some(at) = self.cells.iter().position(|cell| cell.kind == kind && cell.source == source) {
            return Ok(at);
        }
        self.cells.push(CellSpec { kind, source });
        Ok(self.cells.len() - 1)
    }

    fn source(&mut self, form: Form, declaration: &Declaration) -> Result<usize, ExpressionError> {
        let condition = match &declaration.condition {
            None => None,
            Some(text) => Some(self.condition(text)?),
        };
        let key = (declaration.argument.clone(), condition, form);
        if let Some(at) = self.source_keys.iter().position(|known| *known == key) {
            return Ok(at);
        }
        let text = declaration.argument.as_deref();
        let of_text = text.and_then(argument_of_decimal);
        let argument = match of_text.or(text) {
            None => Argument::Record,
            Some(text) => {
                let expression = Expression::parse(text, &mut self.fields)?;
                expression.as_field().map_or(Argument::Computed(expression), Argument::Field)
            }
        };
        self.source_keys.push(key);
        let (reads_text, call) = (of_text.is_some(), declaration.call.clone());
        self.sources.push(Source { argument, condition, form, reads_text, call });
        Ok(self.sources.len() - 1)
    }

    fn condition(&mut self, text: &str) -> Result<usize, ExpressionError> {
        if let Some(at) = self.condition_texts.iter().position(|known| known == text) {
            return Ok(at);
        }
        self.conditions.push(Expression::parse(text, &mut self.fields)?);
        self.condition_texts.push(text.to_owned());
        Ok(self.conditions.len() - 1)
    }

    /// The cells as JSON. Equal text: the same accumulators.
    pub fn definition(&self) -> String {
        let cell = |cell: &CellSpec| {
            let (argument, condition, _) = self.source_keys.get(cell.source)?;
            let mut text = format!("{}({})", cell.kind.name(), argument.as_deref().unwrap_or_default());
            if let Some(condition) = condition.and_then(|at| self.condition_texts.get(at)) {
                text = format!("{text} where {condition}");
            }
            Some(text)
        };
        json!({ "format": super::builtin::FORMAT, "cells": self.cells.iter().filter_map(cell).collect::<Vec<_>>() })
            .to_string()
    }
}
