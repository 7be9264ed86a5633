//! Durations and byte sizes as text.

use std::time::Duration;

const DURATION_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

const BYTE_UNITS: [(&str, u64); 8] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TiB", 1 << 40),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("B", 1),
];

/// Reads `100ms`, `2s`, `5m`, `1h`, `7d` or several together such as `1h30m`; `None` where it is none.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total_ms = 0_u64;
    while !rest.is_empty() {
        let (number, after) = leading_number(rest)?;
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit_end)?;
        let (_, factor) = DURATION_UNITS.iter().find(|(name, _)| *name == unit)?;
        total_ms = total_ms.checked_add(number.checked_mul(*factor)?)?;
        rest = after;
    }
    // Sums of milliseconds and instants must stay within an i64.
    (!text.is_empty() && total_ms <= i64::MAX as u64 / 4).then(|| Duration::from_millis(total_ms))
}

/// Writes a duration in the largest unit that loses nothing.
pub fn format_duration(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let unit = DURATION_UNITS.iter().find(|(_, factor)| ms != 0 && ms.is_multiple_of(*factor));
    let (name, factor) = unit.copied().unwrap_or(("s", 1000));
    format!("{}{name}", ms / factor)
}

/// Reads `512`, `64KiB`, `32MiB`, `1GiB`, also `kB`, `MB`, `GB`; `None` where it is none.
pub fn parse_byte_size(text: &str) -> Option<usize> {
    let (number, unit) = leading_number(text)?;
    let unit = unit.trim_start();
    let factor = match unit {
        "" => 1,
        unit => BYTE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1,
    };
    usize::try_from(number.checked_mul(factor)?).ok()
}

/// Writes a byte size in the largest binary unit that loses nothing.
pub fn format_byte_size(bytes: usize) -> String {
    let bytes = bytes as u64;
    let unit = BYTE_UNITS.iter().filter(|(name, _)| name.ends_with("iB"));
    match unit.copied().find(|(_, factor)| bytes != 0 && bytes.is_multiple_of(*factor)) {
        Some((name, factor)) => format!("{}{name}", bytes / factor),
        None => format!("{bytes}B"),
    }
}

fn leading_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, ms) in [("100ms", 100), ("2s", 2000), ("5m", 300_000), ("1h", 3_600_000), ("7d", 604_800_000)] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(parse_duration("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(format_duration(Duration::from_secs(5400)), "90m");
        assert_eq!(format_duration(Duration::ZERO), "0s");
        for text in ["", "12", "ms", "5 m", "5M", "-1s", "1.5s", "2w", "99999999999999999d", "1sm"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn byte_sizes_are_read_and_written() {
        for (text, bytes) in [("512", 512), ("64KiB", 65_536), ("32 MiB", 32 << 20), ("1gb", 1_000_000_000)] {
            assert_eq!(parse_byte_size(text), Some(bytes), "{text}");
        }
        assert_eq!(format_byte_size(32 << 20), "32MiB");
        assert_eq!(format_byte_size(1000), "1000B");
        for text in ["", "MiB", "1.5MiB", "-1", "12 parsecs", "99999999999TiB"] {
            assert_eq!(parse_byte_size(text), None, "{text}");
        }
    }
}
