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
    declaration::Declaration,
    function::Function,
};

/// Values that are kept where a declaration has no limit.
const DEFAULT_LIMIT: u32 = 10_000;

/// What of a record goes into cells.
#[derive(Debug)]
pub(super) struct Source {
    pub argument: Argument,
    /// Index into [`Layout::conditions`].
    pub condition: Option<usize>,
    pub form: Form,
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
        let (kind, view) = match declaration.function {
            Function::Count => (CellKind::Count, View::Plain),
            Function::Sum => (CellKind::Sum, View::Plain),
            Function::Avg => (CellKind::Sum, View::Mean),
            Function::Min => (CellKind::Min, View::Plain),
            Function::Max => (CellKind::Max, View::Plain),
            _ => {
                let message = format!("{:?} with limit {} is still to come", declaration.function, limit());
                return Err(ExpressionError { text: declaration.call.clone(), column: 1, message });
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
        let argument = match &declaration.argument {
            None => Argument::Record,
            Some(text) => {
                let expression = Expression::parse(text, &mut self.fields)?;
                expression.as_field().map_or(Argument::Computed(expression), Argument::Field)
            }
        };
        self.source_keys.push(key);
        self.sources.push(Source { argument, condition, form, call: declaration.call.clone() });
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
