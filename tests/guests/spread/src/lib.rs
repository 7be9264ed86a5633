//! An aggregator: how far apart the smallest and the largest number of a field are, and how many there were.

use millstream_guest::prelude::*;
use serde_json::{Map, Value};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The field of the records that has the number.
    field: String,
}

/// What is kept of the numbers so far; without any there are no extremes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Numbers {
    count: u64,
    extremes: Option<(f64, f64)>,
}

#[derive(Serialize)]
struct Told<'a> {
    key: &'a str,
    window_start: i64,
    window_end: i64,
    count: u64,
    spread: Option<f64>,
}

struct Spread {
    field: String,
}

#[aggregator(
    version = 2,
    schema = r#"{"type":"object","properties":{"field":{"type":"string"}},"required":["field"]}"#
)]
impl Aggregator for Spread {
    type Config = Config;
    type Accumulator = Numbers;

    fn configure(config: Config) -> Result<Self> {
        ensure!(!config.field.is_empty(), "`field` must name a field");
        Ok(Self { field: config.field })
    }

    fn add(&mut self, numbers: &mut Numbers, record: Record<'_>) -> Result<()> {
        // First of all, so that undoing it is tested.
        numbers.count += 1;
        let fields: Map<String, Value> = record.json()?;
        let field = fields.get(&self.field).context(format_args!("there is no field `{}`", self.field))?;
        let number = field.as_f64().context(format_args!("`{}` is {field}, and no number", self.field))?;
        numbers.include(number, number);
        Ok(())
    }

    fn merge(&mut self, into: &mut Numbers, other: Numbers) -> Result<()> {
        into.count += other.count;
        if let Some((smallest, largest)) = other.extremes {
            into.include(smallest, largest);
        }
        Ok(())
    }

    fn result(&mut self, numbers: &Numbers, pane: &Pane<'_>) -> Result<impl NewValue> {
        millstream_guest::window::count("spreads", 1);
        Ok(Json(Told {
            key: pane.key_str()?,
            window_start: pane.window().start_ms,
            window_end: pane.window().end_ms,
            count: numbers.count,
            spread: numbers.extremes.map(|(smallest, largest)| largest - smallest),
        }))
    }
}

impl Numbers {
    fn include(&mut self, smallest: f64, largest: f64) {
        let (least, most) = self.extremes.unwrap_or((smallest, largest));
        self.extremes = Some((least.min(smallest), most.max(largest)));
    }
}

#[cfg(test)]
mod tests {
    use millstream_guest::testing::{AggregatorHarness, Input};

    use super::*;

    fn harness() -> AggregatorHarness<Spread> {
        AggregatorHarness::new(r#"{ "field": "amount" }"#).unwrap()
    }

    fn record(key: &str, value: &str) -> Input {
        Input::bytes(value).key(key)
    }

    #[test]
    fn the_spread_is_that_of_all_that_was_added_and_merged() {
        let mut spread = harness();
        spread.add(["5", "2.5", "4"].map(|amount| record("a", &format!(r#"{{"amount":{amount}}}"#)))).unwrap();
        spread.add([record("b", r#"{"amount":-1}"#)]).unwrap();
        spread.merge("a", &["b", "nothing"]).unwrap();
        let told = spread.result("a", Window::new(0, 60_000)).unwrap();
        assert_eq!(told.text(), Some(r#"{"key":"a","window_start":0,"window_end":60000,"count":4,"spread":6.0}"#));
        assert_eq!(told.timestamp_ms, 59_999);
    }

    #[test]
    fn a_record_without_the_number_fails_and_counts_nowhere() {
        let mut spread = harness();
        let values = [r#"{"amount":1}"#, "{}", r#"{"amount":"2"}"#, "no", r#"{"amount":3}"#];
        let failed = spread.add_each(values.map(|value| (&["a", "b"][..], Input::bytes(value)))).unwrap();
        let reasons: Vec<_> = failed.iter().map(|failed| (failed.record, failed.reason.as_str())).collect();
        assert_eq!(reasons[0], (1, "there is no field `amount`"));
        assert_eq!(reasons[1], (2, "`amount` is \"2\", and no number"));
        assert_eq!((reasons.len(), reasons[2].0), (3, 3));
        for key in ["a", "b"] {
            assert_eq!(spread.accumulator(key).unwrap(), Numbers { count: 2, extremes: Some((1.0, 3.0)) });
        }
    }

    #[test]
    fn records_are_not_taken_out_and_a_field_must_be_named() {
        assert!(harness().retract([record("a", r#"{"amount":1}"#)]).is_err());
        assert!(AggregatorHarness::<Spread>::new(r#"{ "field": "" }"#).is_err());
        assert!(AggregatorHarness::<Spread>::new("{}").is_err());
    }
}
