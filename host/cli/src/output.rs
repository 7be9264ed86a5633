//! What goes to standard output: tables for people, JSON for scripts.

use std::io::{self, IsTerminal, Write};

use anyhow::Result;
use serde::Serialize;
use tracing_subscriber::EnvFilter;

/// Sends the log to standard error.
pub(crate) fn init_logging(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|error| {
        eprintln!("warning: the log filter `{filter}` is ignored: {error}");
        EnvFilter::new("warn")
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}

/// Writes one JSON document and a line feed.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, value).map_err(io::Error::from)?;
    out.write_all(b"\n")?;
    Ok(())
}

/// Writes a line. Unlike `println!` it does not panic when nobody reads it.
pub(crate) fn line(text: impl std::fmt::Display) -> Result<()> {
    writeln!(io::stdout(), "{text}")?;
    Ok(())
}

/// Rows in aligned columns.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(header: &[&str]) -> Self {
        Self { rows: vec![header.iter().map(|title| title.to_uppercase()).collect()] }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether it has no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() <= 1
    }

    pub(crate) fn print(&self) -> Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut text = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                text.push_str(&format!("{cell:<width$}  "));
            }
            line(text.trim_end())?;
        }
        Ok(())
    }
}

/// A moment for people: `2026-01-31T12:00:00Z`.
pub(crate) fn moment(ms: i64) -> String {
    jiff::Timestamp::from_second(ms.div_euclid(1000)).map_or_else(|_| ms.to_string(), |moment| moment.to_string())
}

/// A size for people.
pub(crate) fn bytes(size: u64) -> String {
    let mut size = size as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if size < 1024.0 {
            return if unit == "B" { format!("{size} B") } else { format!("{size:.1} {unit}") };
        }
        size /= 1024.0;
    }
    format!("{size:.1} TiB")
}

/// A count for people: `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count for people in few letters: `1.2 M`.
fn short_count(number: u64) -> String {
    let mut scaled = number as f64;
    for unit in ["", " k", " M", " G"] {
        // What would be rounded up to four digits has the next unit.
        if scaled < 999.95 || unit == " G" {
            return if unit.is_empty() { number.to_string() } else { format!("{scaled:.1}{unit}") };
        }
        scaled /= 1000.0;
    }
    number.to_string()
}

/// How far a restore is, from positions of a changelog: `restoring 43 % (1.2 M of 2.8 M changes)`.
pub(crate) fn restoring(from: i64, position: i64, end: i64) -> String {
    let count = |to: i64| u64::try_from(to.saturating_sub(from)).unwrap_or(0);
    let (all, passed) = (count(end), count(position.min(end)));
    let percent = passed.saturating_mul(100).checked_div(all).unwrap_or(100);
    format!("restoring {percent} % ({} of {} changes)", short_count(passed), short_count(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(count(7), "7");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(moment(1_764_000_000_123), "2025-11-24T16:00:00Z");
        assert_eq!(bytes(12), "12 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(short_count(999), "999");
        assert_eq!(short_count(2_800_000), "2.8 M");
        assert_eq!(short_count(999_970), "1.0 M");
        assert_eq!(short_count(7_000_000_000_000), "7000.0 G");
    }

    #[test]
    fn restores_are_told_in_percent() {
        assert_eq!(restoring(100, 1_200_100, 2_800_100), "restoring 42 % (1.2 M of 2.8 M changes)");
        assert_eq!(restoring(0, 12, 10), "restoring 100 % (10 of 10 changes)");
        assert_eq!(restoring(5, 5, 5), "restoring 100 % (0 of 0 changes)");
    }
}
