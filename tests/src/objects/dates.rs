//! Moments as S3 writes them.

use std::time::{SystemTime, UNIX_EPOCH};

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A moment in its parts, in UTC.
struct Parts {
    year: u64,
    /// From 1.
    month: usize,
    day: u64,
    /// Since 1970-01-01, a Thursday.
    days: u64,
    hours: u64,
    minutes: u64,
    seconds: u64,
    milliseconds: u32,
}

fn parts(at: SystemTime) -> Parts {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, rest) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (mut year, mut left) = (1970, days);
    while left >= year_days(year) {
        left -= year_days(year);
        year += 1;
    }
    let february = year_days(year) - 337;
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    Parts {
        year,
        month,
        day: left + 1,
        days,
        hours: rest / 3600,
        minutes: rest / 60 % 60,
        seconds: rest % 60,
        milliseconds: since.subsec_millis(),
    }
}

fn year_days(year: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    if is_leap { 366 } else { 365 }
}

/// Such as `2026-11-21T15:47:12.031Z`, as listings have it.
pub(super) fn iso(at: SystemTime) -> String {
    let Parts { year, month, day, hours, minutes, seconds, milliseconds, .. } = parts(at);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}Z")
}

/// Such as `Sat, 21 Nov 2026 15:47:12 GMT`, as headers have it.
pub(super) fn http(at: SystemTime) -> String {
    let Parts { year, month, day, days, hours, minutes, seconds, .. } = parts(at);
    let weekday = usize::try_from(days % 7).ok().and_then(|day| DAYS.get(day)).copied().unwrap_or_default();
    let month = MONTHS.get(month - 1).copied().unwrap_or_default();
    format!("{weekday}, {day:02} {month} {year} {hours:02}:{minutes:02}:{seconds:02} GMT")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments_are_written_as_clients_read_them() {
        let at = |seconds, milliseconds: u32| UNIX_EPOCH + Duration::new(seconds, milliseconds * 1_000_000);
        assert_eq!(iso(at(0, 0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(at(951_782_399, 999)), "2000-02-28T23:59:59.999Z");
        assert_eq!(http(at(951_782_400, 0)), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(http(at(4_107_542_400, 0)), "Mon, 01 Mar 2100 00:00:00 GMT");
        assert_eq!(http(at(1_795_276_032, 0)), "Sat, 21 Nov 2026 15:47:12 GMT");
    }
}
