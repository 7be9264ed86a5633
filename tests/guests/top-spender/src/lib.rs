//! A window function: the records with the largest amounts of a window, as they came.

use millstream_guest::prelude::*;
use serde_json::{Map, Value};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The field of the records that has the amount.
    field: String,
    /// How many are emitted at most, when all have been seen.
    top: usize,
    /// Records with this amount or more are emitted whenever they are seen, and are none of the top ones.
    #[serde(default)]
    always: Option<f64>,
}

struct TopSpender {
    field: String,
    top: usize,
    always: f64,
}

/// The largest so far: amounts, which do not increase, and values.
type Largest = Vec<(f64, Vec<u8>)>;

#[window_function]
impl WindowFunction for TopSpender {
    type Config = Config;
    type Gathered = Largest;

    fn configure(config: Config) -> Result<Self> {
        ensure!(config.top > 0, "`top` must be at least 1");
        Ok(Self { field: config.field, top: config.top, always: config.always.unwrap_or(f64::INFINITY) })
    }

    fn element(&mut self, largest: &mut Largest, record: Record<'_>, pane: &mut FiredPane) -> Result<()> {
        let fields: Map<String, Value> = record.json()?;
        let amount = fields.get(&self.field).and_then(Value::as_f64);
        let amount = amount.context(format_args!("there is no number `{}`", self.field))?;
        if amount >= self.always {
            return pane.emit(Bytes(record.bytes()?));
        }
        // Behind equal ones, which came before.
        let place = largest.partition_point(|(larger, _)| *larger >= amount);
        if place < self.top {
            largest.truncate(self.top - 1);
            largest.insert(place, (amount, record.bytes()?.to_vec()));
        }
        Ok(())
    }

    fn end(&mut self, largest: Largest, pane: &mut FiredPane) -> Result<()> {
        log::debug!("{} of {} records of {} are its largest", largest.len(), pane.elements(), pane.key_str()?);
        largest.into_iter().try_for_each(|(_, value)| pane.emit(Bytes(value)))
    }
}

#[cfg(test)]
mod tests {
    use millstream_guest::testing::{Input, WindowFunctionHarness};

    use super::*;

    fn told(config: &str, amounts: &[f64]) -> Vec<String> {
        let mut top = WindowFunctionHarness::<TopSpender>::new(config).unwrap();
        let records = amounts.iter().enumerate().map(|(at, of)| Input::bytes(format!(r#"{{"of":{of},"at":{at}}}"#)));
        let emitted = top.fire("ada", Window::new(0, 1000), records).unwrap();
        assert!(top.log()[0].1.ends_with(" records of ada are its largest"));
        assert!(emitted.iter().all(|told| told.key_str() == Some("ada") && told.timestamp_ms == 999));
        emitted.iter().map(|told| told.text().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_largest_come_out_in_order_and_of_equal_ones_the_first() {
        let config = r#"{ "field": "of", "top": 3 }"#;
        let expected = [r#"{"of":9,"at":4}"#, r#"{"of":7,"at":1}"#, r#"{"of":7,"at":2}"#];
        assert_eq!(told(config, &[3.0, 7.0, 7.0, 7.0, 9.0]), expected);
        assert_eq!(told(config, &[3.0]), [r#"{"of":3,"at":0}"#]);
        assert_eq!(told(config, &[]), [""; 0]);
    }

    #[test]
    fn what_is_always_told_comes_first() {
        let config = r#"{ "field": "of", "top": 1, "always": 8 }"#;
        let expected = [r#"{"of":8,"at":1}"#, r#"{"of":9,"at":3}"#, r#"{"of":2,"at":2}"#];
        assert_eq!(told(config, &[1.0, 8.0, 2.0, 9.0]), expected);
    }

    #[test]
    fn a_record_without_the_number_fails_the_window() {
        let mut top = WindowFunctionHarness::<TopSpender>::new(r#"{ "field": "of", "top": 1 }"#).unwrap();
        let failed = top.fire("ada", Window::GLOBAL, [Input::bytes("{}")]).unwrap_err();
        assert_eq!(failed.message(), "there is no number `of`");
        let told = top.fire("ada", Window::GLOBAL, [Input::bytes(r#"{"of":1}"#)]).unwrap();
        assert_eq!(told.len(), 1, "nothing is left of the pane before");
    }
}
