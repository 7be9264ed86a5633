//! Days, weeks and months of a place, numbered.

use jiff::{
    Timestamp, ToSpan,
    civil::Date,
    tz::{TimeZone, TimeZoneDatabase},
};

use super::{CalendarUnit, Window, WindowError};

/// The days, weeks or months of a time zone. The zones' rules are those that Millstream was built with, so that all
/// hosts agree.
#[derive(Clone, Debug)]
pub(super) struct Calendar {
    unit: CalendarUnit,
    zone: TimeZone,
    /// The window found last, since most records are in that of the one before.
    last: Option<(i64, Window)>,
}

impl Calendar {
    pub(super) fn new(unit: CalendarUnit, time_zone: &str) -> Result<Self, WindowError> {
        let zone = TimeZoneDatabase::bundled().get(time_zone).map_err(|_| WindowError::TimeZone(time_zone.into()))?;
        Ok(Self { unit, zone, last: None })
    }

    /// The number of the window that `timestamp_ms` is in, counted from that of 1970-01-01; `None`: it is outside of the
    /// years -9999 to 9999, which calendars have.
    pub(super) fn index_of(&mut self, timestamp_ms: i64) -> Option<(i64, Window)> {
        if let Some((_, window)) = self.last
            && window.start_ms <= timestamp_ms
            && timestamp_ms < window.end_ms
        {
            return self.last;
        }
        let date = Timestamp::from_millisecond(timestamp_ms).ok()?.to_zoned(self.zone.clone()).date();
        let mut index = self.number_of(date);
        let mut window = self.window(index)?;
        // Where clocks go back over midnight, the date says one day and the moment is in the next.
        while timestamp_ms >= window.end_ms {
            index += 1;
            window = self.window(index)?;
        }
        while timestamp_ms < window.start_ms {
            index -= 1;
            window = self.window(index)?;
        }
        self.last = Some((index, window));
        self.last
    }

    /// Window `index`. It is empty where a place skipped a day.
    pub(super) fn window(&self, index: i64) -> Option<Window> {
        Some(Window { start_ms: self.start_ms(index)?, end_ms: self.start_ms(index.checked_add(1)?)? })
    }

    fn number_of(&self, date: Date) -> i64 {
        let day = i64::from((date - EPOCH).get_days());
        match self.unit {
            CalendarUnit::Day => day,
            CalendarUnit::Week => (day + EPOCH_SINCE_MONDAY).div_euclid(7),
            CalendarUnit::Month => i64::from(date.year() - EPOCH.year()) * 12 + i64::from(date.month()) - 1,
        }
    }

    /// The first moment of window `index`: midnight, or where clocks skip it the first moment after it.
    fn start_ms(&self, index: i64) -> Option<i64> {
        let date = match self.unit {
            CalendarUnit::Day => EPOCH.checked_add(span_of_days(index)?).ok()?,
            CalendarUnit::Week => {
                EPOCH.checked_add(span_of_days(index.checked_mul(7)?.checked_sub(EPOCH_SINCE_MONDAY)?)?).ok()?
            }
            CalendarUnit::Month => {
                let year = i64::from(EPOCH.year()).checked_add(index.div_euclid(12))?;
                Date::new(i16::try_from(year).ok()?, index.rem_euclid(12) as i8 + 1, 1).ok()?
            }
        };
        Some(date.at(0, 0, 0, 0).to_zoned(self.zone.clone()).ok()?.timestamp().as_millisecond())
    }
}

const EPOCH: Date = Date::constant(1970, 1, 1);

/// It was a Thursday.
const EPOCH_SINCE_MONDAY: i64 = 3;

/// A span of days, where it is not too long for a calendar.
fn span_of_days(days: i64) -> Option<jiff::Span> {
    let days = i32::try_from(days).ok().filter(|days| days.unsigned_abs() < 8_000_000)?;
    Some(days.days())
}
