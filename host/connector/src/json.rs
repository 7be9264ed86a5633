//! Writing JSON text by hand, where records are made by the million.

/// Appends a JSON string with its quotes.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        if let Some((&byte, after)) = special.split_first() {
            push_escape(out, byte);
            rest = after;
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

#[cold]
fn push_escape(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        _ => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
    }
}

/// Appends an integer.
pub(crate) fn push_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends an integer with at least `width` digits.
pub(crate) fn push_padded(out: &mut Vec<u8>, value: u64, width: usize) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value).as_bytes();
    out.resize(out.len() + width.saturating_sub(digits.len()), b'0');
    out.extend_from_slice(digits);
}

/// Appends `value / 10^decimals` with exactly that many decimals.
pub(crate) fn push_decimal(out: &mut Vec<u8>, value: i64, decimals: usize) {
    if decimals == 0 {
        return push_integer(out, value);
    }
    if value < 0 {
        out.push(b'-');
    }
    let start = out.len();
    push_padded(out, value.unsigned_abs(), decimals + 1);
    let point = out.len().saturating_sub(decimals).max(start);
    out.insert(point, b'.');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn strings_are_read_back_as_they_were() {
        for text in ["", "plain", "q\"b\\s/", "\n\r\t\u{1}\u{1f}", "é😀\u{7f}"] {
            let json = written(|out| push_string(out, text));
            assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), text);
        }
    }

    #[test]
    fn decimals_keep_their_places() {
        for (value, decimals, expected) in
            [(0, 0, "0"), (0, 2, "0.00"), (5, 2, "0.05"), (-5, 2, "-0.05"), (12345, 2, "123.45"), (-7, 0, "-7")]
        {
            assert_eq!(written(|out| push_decimal(out, value, decimals)), expected);
        }
        assert_eq!(written(|out| push_decimal(out, i64::MIN, 3)), "-9223372036854775.808");
        assert_eq!(written(|out| push_padded(out, 42, 5)), "00042");
        assert_eq!(written(|out| push_padded(out, 42, 1)), "42");
    }
}
