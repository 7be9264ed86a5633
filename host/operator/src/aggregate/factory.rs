//! From declarations to aggregates.

use crate::OperatorError;

use super::{
    Aggregation, AggregationFactory,
    builtin::Aggregates,
    declaration::{AggregateError, Declaration},
    layout::Layout,
};

/// Makes [`Aggregates`]. Shared by all workers.
#[derive(Debug)]
pub struct AggregatesFactory {
    declarations: Vec<Declaration>,
    key_field: Option<String>,
    definition: String,
}

impl AggregatesFactory {
    /// A factory of aggregates by name and text, such as `("spend", "sum(/amount) where /currency == 'EUR'")`.
    /// Results have them in this order, after the key as `key_field`, where that is given.
    ///
    /// # Errors
    /// Says which aggregate is wrong, and where in its text.
    pub fn new(aggregates: &[(String, String)], key_field: Option<String>) -> Result<Self, AggregateError> {
        let parse = |(name, text): &(String, String)| Declaration::parse(name, text);
        let declarations = aggregates.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        check_names(&declarations, key_field.as_deref())?;
        let layout = Layout::new(&declarations).map_err(|error| AggregateError {
            name: declarations.first().map_or_else(String::new, |declaration| declaration.name.clone()),
            text: error.text,
            column: error.column,
            message: error.message,
        })?;
        Ok(Self { definition: layout.definition(), declarations, key_field })
    }

    /// Names of the aggregates, in the order of results.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.declarations.iter().map(|declaration| declaration.name.as_str())
    }

    /// An instance.
    ///
    /// # Errors
    /// [`OperatorError::Setup`] with the reason.
    pub fn make(&self) -> Result<Aggregates, OperatorError> {
        let layout = Layout::new(&self.declarations).map_err(|error| OperatorError::Setup(error.to_string()))?;
        Ok(Aggregates::new(layout, self.key_field.as_deref()))
    }
}

/// Refuses names that a result would have twice.
fn check_names(declarations: &[Declaration], key_field: Option<&str>) -> Result<(), AggregateError> {
    let mut taken: Vec<(&str, &str)> = vec![("window_start", "the window"), ("window_end", "the window")];
    taken.extend(key_field.map(|name| (name, "the key")));
    for Declaration { name, .. } in declarations {
        let error = |message: String| AggregateError { name: name.clone(), text: String::new(), column: 0, message };
        if name.is_empty() {
            return Err(error("its name is empty".into()));
        }
        if let Some((_, owner)) = taken.iter().find(|(taken, _)| taken == name) {
            return Err(error(format!("results have `{name}` from {owner} already; choose another name")));
        }
        taken.push((name, "another aggregate"));
    }
    Ok(())
}

impl AggregationFactory for AggregatesFactory {
    fn definition(&self) -> &str {
        &self.definition
    }

    fn instantiate(&self, _step: &str) -> Result<Box<dyn Aggregation>, OperatorError> {
        Ok(Box::new(self.make()?))
    }
}
