//! A trigger: fires when the sum of a field since it last fired passes a limit, and at the end of the window.

use millstream_guest::prelude::*;
use serde_json::{Map, Value};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The field of the records that is summed up.
    field: String,
    limit: f64,
    /// Results are about what came since the one before.
    #[serde(default)]
    purge: bool,
}

struct Threshold {
    field: String,
    limit: f64,
    fire: Verdict,
}

#[trigger]
impl Trigger for Threshold {
    type Config = Config;
    /// The sum since it last fired.
    type State = f64;

    fn configure(config: Config) -> Result<Self> {
        ensure!(config.limit > 0.0, "`limit` must be positive, and is {}", config.limit);
        let fire = if config.purge { Verdict::FireAndPurge } else { Verdict::Fire };
        Ok(Self { field: config.field, limit: config.limit, fire })
    }

    fn on_element(&mut self, record: Record<'_>, pane: &mut TriggerPane<'_, f64>) -> Result<Verdict> {
        self.ask_at_end(pane);
        let fields: Map<String, Value> = record.json()?;
        let field = fields.get(&self.field).and_then(Value::as_f64);
        pane.state += field.context(format_args!("there is no number `{}`", self.field))?;
        Ok(self.verdict(pane))
    }

    fn on_event_time(&mut self, _: i64, pane: &mut TriggerPane<'_, f64>) -> Result<Verdict> {
        pane.state = 0.0;
        Ok(self.fire)
    }

    fn on_merge(&mut self, from: &[TriggerPane<'_, f64>], into: &mut TriggerPane<'_, f64>) -> Result<Verdict> {
        into.state = from.iter().map(|pane| pane.state).sum();
        self.ask_at_end(into);
        Ok(self.verdict(into))
    }
}

impl Threshold {
    /// Unless that is over, as it is with a late record.
    fn ask_at_end(&self, pane: &mut TriggerPane<'_, f64>) {
        let last_ms = pane.window().last_ms();
        if pane.watermark_ms().is_none_or(|watermark_ms| watermark_ms < last_ms) {
            pane.set_event_time_ms(last_ms);
        }
    }

    fn verdict(&self, pane: &mut TriggerPane<'_, f64>) -> Verdict {
        if pane.state <= self.limit {
            return Verdict::Continue;
        }
        pane.state = 0.0;
        self.fire
    }
}

#[cfg(test)]
mod tests {
    use millstream_guest::testing::{Asked, Input, TriggerHarness};

    use super::*;

    const HOUR: Window = Window::new(0, 3_600_000);

    fn harness(config: &str) -> TriggerHarness<Threshold> {
        TriggerHarness::new(config).unwrap()
    }

    fn amount(key: &str, amount: f64) -> Input {
        Input::bytes(format!(r#"{{"amount":{amount}}}"#)).key(key)
    }

    #[test]
    fn it_fires_when_the_sum_since_the_last_time_passes_the_limit() {
        let mut threshold = harness(r#"{ "field": "amount", "limit": 10 }"#);
        let sent = [6.0, 5.0, 10.0, 0.5].map(|of| (amount("a", of), HOUR));
        let verdicts: Vec<_> = threshold.send_all(sent).unwrap().into_iter().map(Result::unwrap).collect();
        assert_eq!(verdicts, [Verdict::Continue, Verdict::Fire, Verdict::Continue, Verdict::Fire]);
        assert_eq!(threshold.send(amount("b", 6.0), HOUR).unwrap(), Verdict::Continue, "another key");
        assert_eq!((threshold.state("a", HOUR).unwrap(), threshold.state("b", HOUR).unwrap()), (0.0, 6.0));
    }

    #[test]
    fn it_fires_at_the_end_of_the_window_and_not_again_for_a_late_record() {
        let mut threshold = harness(r#"{ "field": "amount", "limit": 10, "purge": true }"#);
        threshold.send(amount("a", 6.0), HOUR).unwrap();
        assert_eq!(threshold.event_time_ms("a", HOUR), Some(3_599_999));
        assert_eq!(threshold.advance_watermark_ms(3_599_998).unwrap(), []);
        let asked = threshold.advance_watermark_ms(3_600_000).unwrap();
        let fired = Asked { key: b"a".into(), window: HOUR, time_ms: 3_599_999, verdict: Verdict::FireAndPurge };
        assert_eq!(asked, [fired]);
        assert_eq!(threshold.state("a", HOUR).unwrap(), 0.0);
        assert_eq!(threshold.send(amount("a", 6.0), HOUR).unwrap(), Verdict::Continue);
        assert_eq!(threshold.event_time_ms("a", HOUR), None);
    }

    #[test]
    fn sums_of_windows_that_become_one_are_added() {
        let mut threshold = harness(r#"{ "field": "amount", "limit": 10 }"#);
        let parts = [Window::new(0, 10), Window::new(8, 20), Window::new(19, 30)];
        for part in parts {
            threshold.send(amount("a", 4.0), part).unwrap();
        }
        assert_eq!(threshold.merge("a", &parts[..2], Window::new(0, 20)).unwrap(), Verdict::Continue);
        let all = Window::new(0, 30);
        assert_eq!(threshold.merge("a", &[Window::new(0, 20), parts[2]], all).unwrap(), Verdict::Fire);
        assert_eq!((threshold.state("a", all).unwrap(), threshold.event_time_ms("a", all)), (0.0, Some(29)));
    }

    #[test]
    fn a_record_without_the_number_fails_and_is_not_summed_up() {
        let mut threshold = harness(r#"{ "field": "amount", "limit": 10 }"#);
        let sent = [amount("a", 6.0), Input::bytes("{}").key("a"), amount("a", 4.0)].map(|record| (record, HOUR));
        let verdicts = threshold.send_all(sent).unwrap();
        assert_eq!(verdicts[1].as_ref().unwrap_err().message(), "there is no number `amount`");
        assert_eq!(threshold.state("a", HOUR).unwrap(), 10.0);
        assert!(TriggerHarness::<Threshold>::new(r#"{ "field": "amount", "limit": 0 }"#).is_err());
    }
}
