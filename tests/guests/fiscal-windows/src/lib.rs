//! A window assigner: periods, quarters and years of 4-4-5 calendars, which begin on another day in each region.
//!
//! A fiscal year has 52 weeks, a quarter 13 of them, in periods of four, four and five.

use std::borrow::Cow;
use std::collections::BTreeMap;

use millstream_guest::prelude::*;

const WEEK_MS: i64 = 7 * 24 * 3600 * 1000;
const QUARTER_WEEKS: i64 = 13;
const YEAR_WEEKS: i64 = 52;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// For each region the first millisecond of one of its years.
    regions: BTreeMap<String, i64>,
    /// What to make windows of.
    spans: Vec<Span>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Span {
    Period,
    Quarter,
    Year,
}

#[derive(Deserialize)]
struct Sale<'a> {
    #[serde(borrow)]
    region: Cow<'a, str>,
}

struct FiscalWindows {
    regions: BTreeMap<String, i64>,
    spans: Vec<Span>,
}

#[window_assigner]
impl WindowAssigner for FiscalWindows {
    type Config = Config;

    fn configure(config: Config) -> Result<Self> {
        ensure!(!config.spans.is_empty(), "`spans` must have `period`, `quarter` or `year`");
        Ok(Self { regions: config.regions, spans: config.spans })
    }

    fn assign(&mut self, record: Record<'_>, windows: &mut Windows) -> Result<()> {
        let sale: Sale<'_> = record.json()?;
        if sale.region.is_empty() {
            // Not sold yet: in no window.
            return Ok(());
        }
        let region = self.regions.get(sale.region.as_ref());
        let begin_ms = *region.context(format_args!("there is no calendar for region `{}`", sale.region))?;
        let week = record.timestamp_ms().saturating_sub(begin_ms).div_euclid(WEEK_MS);
        let year = week - week.rem_euclid(YEAR_WEEKS);
        let quarter = week - week.rem_euclid(QUARTER_WEEKS);
        for span in &self.spans {
            let (first, weeks) = match span {
                Span::Period => match week - quarter {
                    0..4 => (quarter, 4),
                    4..8 => (quarter + 4, 4),
                    _ => (quarter + 8, 5),
                },
                Span::Quarter => (quarter, QUARTER_WEEKS),
                Span::Year => (year, YEAR_WEEKS),
            };
            let start_ms = begin_ms + first * WEEK_MS;
            windows.push(Window::new(start_ms, start_ms + weeks * WEEK_MS))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use millstream_guest::testing::{AssignerHarness, Input};

    use super::*;

    fn harness(spans: &str) -> AssignerHarness<FiscalWindows> {
        let config = format!(r#"{{ "regions": {{ "eu": 0, "us": {WEEK_MS} }}, "spans": {spans} }}"#);
        AssignerHarness::new(&config).unwrap()
    }

    fn sale(region: &str, week: i64) -> Input {
        Input::bytes(format!(r#"{{"region":"{region}"}}"#)).timestamp_ms(week * WEEK_MS + 1)
    }

    fn weeks(start: i64, end: i64) -> Window {
        Window::new(start * WEEK_MS, end * WEEK_MS)
    }

    #[test]
    fn periods_have_four_four_and_five_weeks() {
        let mut assigner = harness(r#"["period"]"#);
        let expected = |week| match week % 13 {
            0..4 => weeks(week / 13 * 13, week / 13 * 13 + 4),
            4..8 => weeks(week / 13 * 13 + 4, week / 13 * 13 + 8),
            _ => weeks(week / 13 * 13 + 8, week / 13 * 13 + 13),
        };
        for week in 0..104 {
            assert_eq!(assigner.assign(sale("eu", week)).unwrap(), [expected(week)]);
        }
        assert_eq!(assigner.assign(sale("eu", -1)).unwrap(), [weeks(-5, 0)], "before the day that is given");
    }

    #[test]
    fn a_record_is_in_a_window_of_each_span_by_the_calendar_of_its_region() {
        let mut assigner = harness(r#"["period", "quarter", "year"]"#);
        assert_eq!(assigner.assign(sale("eu", 13)).unwrap(), [weeks(13, 17), weeks(13, 26), weeks(0, 52)]);
        assert_eq!(assigner.assign(sale("us", 13)).unwrap(), [weeks(9, 14), weeks(1, 14), weeks(1, 53)]);
    }

    #[test]
    fn a_region_without_a_calendar_fails_and_one_without_a_name_is_dropped() {
        let mut assigner = harness(r#"["year"]"#);
        let assigned = assigner.assign_all([sale("", 0), sale("mars", 0), sale("eu", 0)]).unwrap();
        assert_eq!(assigned[0].as_deref().unwrap(), []);
        assert_eq!(assigned[1].as_ref().unwrap_err().message(), "there is no calendar for region `mars`");
        assert_eq!(assigned[2].as_deref().unwrap(), [weeks(0, 52)]);
        assert!(AssignerHarness::<FiscalWindows>::new(r#"{ "regions": {}, "spans": [] }"#).is_err());
    }
}
