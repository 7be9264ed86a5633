//! Writing times.

use millstream_pipeline::spec::TimeUnit;

use crate::json::{push_decimal, push_integer, push_padded};

const DAY_MS: i64 = 86_400_000;

/// Appends a time in milliseconds since 1970 as a JSON value.
pub(crate) fn push_time(out: &mut Vec<u8>, time_ms: i64, unit: TimeUnit) {
    match unit {
        TimeUnit::S => push_decimal(out, time_ms, 3),
        TimeUnit::Ms => push_integer(out, time_ms),
        TimeUnit::Us => push_integer(out, i128::from(time_ms) * 1000),
        TimeUnit::Ns => push_integer(out, i128::from(time_ms) * 1_000_000),
        TimeUnit::Rfc3339 => push_rfc3339(out, time_ms),
    }
}

fn push_rfc3339(out: &mut Vec<u8>, time_ms: i64) {
    let (year, month, day) = civil_date(time_ms.div_euclid(DAY_MS));
    let ms = time_ms.rem_euclid(DAY_MS);
    out.push(b'"');
    if year < 0 {
        out.push(b'-');
    }
    for (value, width, after) in [
        (year.unsigned_abs(), 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        ((ms / 3_600_000) as u64, 2, b':'),
        ((ms / 60_000 % 60) as u64, 2, b':'),
        ((ms / 1000 % 60) as u64, 2, b'.'),
        ((ms % 1000) as u64, 3, b'Z'),
    ] {
        push_padded(out, value, width);
        out.push(after);
    }
    out.push(b'"');
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar. Years begin with March
/// within the calculation, so that leap days come last (Hinnant, "chrono-compatible low-level date algorithms").
fn civil_date(day: i64) -> (i64, u64, u64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month as u64, day as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_back_as_they_were() {
        for time_ms in [0, -1, 1, 951_782_400_000, 1_700_000_000_123, 4_107_542_399_999, -62_135_596_800_000] {
            let mut out = Vec::new();
            push_time(&mut out, time_ms, TimeUnit::Rfc3339);
            let text: String = serde_json::from_slice(&out).expect("a string");
            let read: jiff::Timestamp = text.parse().expect("a time");
            assert_eq!(read.as_millisecond(), time_ms, "{text}");
            assert_eq!(text.len(), 24);
        }
    }

    #[test]
    fn units_scale() {
        for (unit, expected) in [
            (TimeUnit::S, "1700000000.123"),
            (TimeUnit::Ms, "1700000000123"),
            (TimeUnit::Us, "1700000000123000"),
            (TimeUnit::Ns, "1700000000123000000"),
            (TimeUnit::Rfc3339, "\"2023-11-14T22:13:20.123Z\""),
        ] {
            let mut out = Vec::new();
            push_time(&mut out, 1_700_000_000_123, unit);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}
