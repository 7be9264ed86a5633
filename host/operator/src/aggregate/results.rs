//! Results as JSON.

use super::Panes;

/// Begins the object of pane `at` with its key and its window; returns whether there was nothing to write but the
/// brace.
pub(super) fn write_pane(key_field: Option<&[u8]>, panes: &Panes<'_>, at: usize, out: &mut Vec<u8>) -> bool {
    out.push(b'{');
    let mut is_empty = true;
    let mut next = |out: &mut Vec<u8>, name: &[u8]| {
        if !std::mem::take(&mut is_empty) {
            out.push(b',');
        }
        out.extend_from_slice(name);
    };
    if let Some(name) = key_field {
        next(out, name);
        let key = panes.keys.get(at).unwrap_or_default();
        // A key that is no text was not taken from JSON; what is text in it is told.
        put_text(out, &String::from_utf8_lossy(key));
    }
    let start = panes.starts.get(at).filter(|start| **start != i64::MIN);
    let end = panes.ends.get(at).filter(|end| **end != i64::MAX);
    for (name, time_ms) in [(&b"\"window_start\":"[..], start), (b"\"window_end\":", end)] {
        if let Some(time_ms) = time_ms {
            next(out, name);
            drop(std::io::Write::write_fmt(out, format_args!("{time_ms}")));
        }
    }
    is_empty
}

/// Appends a string as JSON.
fn put_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    put_escaped(out, text);
    out.push(b'"');
}

/// Appends what a string is between its quotes.
pub(super) fn put_escaped(out: &mut Vec<u8>, text: &str) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        return out.extend_from_slice(text.as_bytes());
    }
    let start = out.len();
    // Writing to memory cannot fail.
    drop(serde_json::to_writer(&mut *out, text));
    out.pop();
    out.remove(start);
}
