//! A watermark generator: markers among the records say how far event time has come, or the largest timestamp does.

use millstream_guest::prelude::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// How far the watermark is behind the largest timestamp; left out: only markers say something.
    #[serde(default)]
    behind_ms: Option<i64>,
    /// After how long without a record a partition is idle.
    idle_ms: i64,
}

/// A record that says that everything up to a time has come.
#[derive(Deserialize)]
struct Marker {
    #[serde(default)]
    watermark_ms: Option<i64>,
}

#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
struct Seen {
    largest_ms: Option<i64>,
    /// By the host's clock.
    last_ms: i64,
}

struct MarkerWatermarks {
    behind_ms: Option<i64>,
    idle_ms: i64,
}

#[watermark_generator(every = "1s")]
impl WatermarkGenerator for MarkerWatermarks {
    type Config = Config;
    type State = Seen;

    fn configure(config: Config) -> Result<Self> {
        ensure!(config.idle_ms > 0, "`idle_ms` must be positive, and is {}", config.idle_ms);
        ensure!(config.behind_ms.is_none_or(|behind_ms| behind_ms >= 0), "`behind_ms` must not be negative");
        Ok(Self { behind_ms: config.behind_ms, idle_ms: config.idle_ms })
    }

    fn on_record(&mut self, record: Record<'_>, partition: &mut Partition<Seen>) -> Result<()> {
        partition.state.last_ms = partition.now_ms();
        // What is no JSON is no marker either.
        if let Ok(Marker { watermark_ms: Some(watermark_ms) }) = record.json() {
            partition.advance_ms(watermark_ms);
            return Ok(());
        }
        let largest_ms = partition.state.largest_ms.max(Some(record.timestamp_ms()));
        partition.state.largest_ms = largest_ms;
        if let Some((largest_ms, behind_ms)) = largest_ms.zip(self.behind_ms) {
            partition.advance_ms(largest_ms.saturating_sub(behind_ms).saturating_sub(1));
        }
        Ok(())
    }

    fn on_time(&mut self, partition: &mut Partition<Seen>) -> Result<()> {
        if partition.now_ms() - partition.state.last_ms >= self.idle_ms {
            partition.set_idle();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use millstream_guest::testing::{Input, WatermarkHarness};

    use super::*;

    fn harness(config: &str) -> WatermarkHarness<MarkerWatermarks> {
        WatermarkHarness::new(config).unwrap()
    }

    fn at(timestamp_ms: i64) -> Input {
        Input::bytes("a record").timestamp_ms(timestamp_ms)
    }

    #[test]
    fn markers_say_how_far_event_time_has_come() {
        let mut markers = harness(r#"{ "idle_ms": 5000 }"#);
        markers.read(0, [at(10_000), at(20_000)]).unwrap();
        assert_eq!(markers.watermark_ms(0), None);
        markers.read(0, [Input::bytes(r#"{"watermark_ms":12000}"#), Input::bytes(r#"{"watermark_ms":9000}"#)]).unwrap();
        assert_eq!(markers.watermark_ms(0), Some(12_000));
        assert_eq!(markers.watermark_ms(1), None, "each partition for itself");
    }

    #[test]
    fn the_watermark_follows_the_largest_timestamp() {
        let mut markers = harness(r#"{ "behind_ms": 100, "idle_ms": 5000 }"#);
        markers.read(0, [at(1000), at(3000), at(2000)]).unwrap();
        assert_eq!(markers.watermark_ms(0), Some(2899));
        markers.read(0, [at(2500)]).unwrap();
        assert_eq!(markers.watermark_ms(0), Some(2899), "the largest is remembered");
        markers.restart();
        markers.read(0, [at(2500)]).unwrap();
        assert_eq!(markers.watermark_ms(0), Some(2899), "and forgotten by a restart, but not the watermark");
    }

    #[test]
    fn a_partition_is_idle_until_records_come_again() {
        let mut markers = harness(r#"{ "idle_ms": 5000 }"#);
        markers.advance_now_ms(10_000).unwrap();
        markers.read(0, [at(0)]).unwrap();
        markers.advance_now_ms(14_000).unwrap();
        assert!(!markers.is_idle(0));
        markers.advance_now_ms(15_000).unwrap();
        assert!(markers.is_idle(0));
        markers.advance_now_ms(16_000).unwrap();
        assert!(markers.is_idle(0), "for as long as none come");
        markers.read(0, [at(0)]).unwrap();
        assert!(!markers.is_idle(0));
        assert!(WatermarkHarness::<MarkerWatermarks>::new(r#"{ "idle_ms": 0 }"#).is_err());
    }
}
