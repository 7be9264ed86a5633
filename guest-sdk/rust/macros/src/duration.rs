//! Durations as attributes give them.

use syn::{Error, LitStr, Result};

/// Reads `500ms`, `30s`, `5m`, `1h` or `7d`, as milliseconds.
pub(crate) fn milliseconds(text: &LitStr) -> Result<u64> {
    let value = text.value();
    let digits = value.chars().take_while(char::is_ascii_digit).count();
    let (number, unit) = value.split_at(digits);
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => 0,
    };
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)) {
        Some(milliseconds @ 1..) => Ok(milliseconds),
        _ => Err(Error::new(text.span(), "expected a duration such as `500ms`, `30s`, `5m`, `1h` or `7d`")),
    }
}
