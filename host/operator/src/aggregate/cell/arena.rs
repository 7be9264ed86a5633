//! Texts of one accumulator in one piece of memory.

/// The most bytes of text that one cell holds.
pub(super) const MAX_BYTES: usize = 1 << 20;

/// Where a text is in an [`Arena`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    length: u32,
}

/// Texts one after another. Those that are no longer wanted stay until it is cleared.
#[derive(Debug, Default)]
pub(super) struct Arena {
    bytes: Vec<u8>,
    wanted_bytes: usize,
}

impl Arena {
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.wanted_bytes = 0;
    }

    pub fn push(&mut self, text: &[u8]) -> Span {
        let span = Span { start: self.bytes.len() as u32, length: text.len() as u32 };
        self.bytes.extend_from_slice(text);
        self.wanted_bytes += text.len();
        span
    }

    /// Says that a text is no longer wanted.
    pub fn forget(&mut self, span: Span) {
        self.wanted_bytes = self.wanted_bytes.saturating_sub(span.length as usize);
    }

    #[inline]
    pub fn get(&self, span: Span) -> &[u8] {
        self.bytes.get(span.start as usize..).and_then(|rest| rest.get(..span.length as usize)).unwrap_or_default()
    }

    /// Whether `more` bytes of text may be added.
    pub fn has_room_for(&self, more: usize) -> bool {
        self.wanted_bytes.saturating_add(more) <= MAX_BYTES
    }
}
