//! Validity bitmaps in Arrow's bit order: least significant bit first.

/// A growable bitmap; bit `i` says whether value `i` is present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bitmap {
    bytes: Vec<u8>,
    len: usize,
}

impl Bitmap {
    /// A bitmap of `len` set bits.
    pub fn all_set(len: usize) -> Self {
        let mut bytes = vec![0xff; len.div_ceil(8)];
        if let (Some(last), tail @ 1..) = (bytes.last_mut(), len % 8) {
            *last = (1 << tail) - 1;
        }
        Self { bytes, len }
    }

    /// Reads `len` bits from `bytes`; `None` where `bytes` holds fewer.
    pub fn from_bytes(mut bytes: Vec<u8>, len: usize) -> Option<Self> {
        let needed = len.div_ceil(8);
        if bytes.len() < needed {
            return None;
        }
        bytes.truncate(needed);
        if let (Some(last), tail @ 1..) = (bytes.last_mut(), len % 8) {
            *last &= (1 << tail) - 1;
        }
        Some(Self { bytes, len })
    }

    /// The number of bits.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bit `index`; false beyond the end.
    #[inline]
    pub fn get(&self, index: usize) -> bool {
        index < self.len && self.bytes.get(index / 8).is_some_and(|byte| byte & (1 << (index % 8)) != 0)
    }

    /// Appends a bit.
    #[inline]
    pub fn push(&mut self, set: bool) {
        if self.len.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if set && let Some(last) = self.bytes.last_mut() {
            *last |= 1 << (self.len % 8);
        }
        self.len += 1;
    }

    /// The number of bits that are not set.
    pub fn count_unset(&self) -> usize {
        self.len - self.bytes.iter().map(|byte| byte.count_ones() as usize).sum::<usize>()
    }

    /// The bits as bytes; the unused bits of the last byte are 0.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Drops every bit from `len` on.
    pub fn truncate(&mut self, len: usize) {
        if len < self.len {
            self.len = len;
            self.bytes.truncate(len.div_ceil(8));
            if let (Some(last), tail @ 1..) = (self.bytes.last_mut(), len % 8) {
                *last &= (1 << tail) - 1;
            }
        }
    }
}
