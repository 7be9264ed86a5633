//! Windows, and panes: a window of a key.

use crate::column::{Column, le_i64};
use crate::contract::BytesColumn;
use crate::contract::window::WindowColumn;
use crate::{Result, ResultExt};

/// A window in event time, from its start to its end, the end not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    /// Its first millisecond; `i64::MIN`: it has always been there.
    pub start_ms: i64,
    /// The millisecond after its last one; `i64::MAX`: it has no end.
    pub end_ms: i64,
}

impl Window {
    /// The window of everything.
    pub const GLOBAL: Self = Self { start_ms: i64::MIN, end_ms: i64::MAX };

    /// A window.
    pub const fn new(start_ms: i64, end_ms: i64) -> Self {
        Self { start_ms, end_ms }
    }

    /// Its last millisecond: the watermark that it is complete with. `i64::MAX` where it has no end.
    pub fn last_ms(self) -> i64 {
        if self.end_ms == i64::MAX { i64::MAX } else { self.end_ms.saturating_sub(1) }
    }

    pub(crate) fn read(column: &WindowColumn, index: usize) -> Self {
        let at = |bytes: &[u8], none| le_i64(bytes, index).unwrap_or(none);
        Self { start_ms: at(&column.starts, i64::MIN), end_ms: at(&column.ends, i64::MAX) }
    }
}

impl WindowColumn {
    pub(crate) fn of(windows: &[Window]) -> Self {
        let column = |of: fn(&Window) -> i64| windows.iter().flat_map(|window| of(window).to_le_bytes()).collect();
        Self { starts: column(|window| window.start_ms), ends: column(|window| window.end_ms) }
    }
}

/// A window of a key.
#[derive(Clone, Copy, Debug)]
pub struct Pane<'a> {
    key: &'a [u8],
    window: Window,
}

impl<'a> Pane<'a> {
    pub(crate) fn new(key: &'a [u8], window: Window) -> Self {
        Self { key, window }
    }

    pub(crate) fn read(keys: &'a BytesColumn, windows: &WindowColumn, index: usize) -> Self {
        Self::new(Column::new(keys).get(index).unwrap_or_default(), Window::read(windows, index))
    }

    /// The key.
    pub fn key(&self) -> &'a [u8] {
        self.key
    }

    /// The key as text.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn key_str(&self) -> Result<&'a str> {
        std::str::from_utf8(self.key).context("the key is not UTF-8")
    }

    /// The window.
    pub fn window(&self) -> Window {
        self.window
    }
}
