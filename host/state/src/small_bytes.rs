//! Byte strings that live in their owner when they are short.

use std::{borrow::Borrow, cmp::Ordering, ops::Deref};

/// The longest byte string that needs no allocation.
const INLINE_BYTES: usize = 22;

/// An owned byte string of 24 bytes; up to [`INLINE_BYTES`] of content are kept inside it, since most keys
/// and counters are that short and the allocation would be what a state access costs.
#[derive(Clone, Debug)]
pub(crate) enum SmallBytes {
    Inline { len: u8, bytes: [u8; INLINE_BYTES] },
    Heap(Box<[u8]>),
}

impl SmallBytes {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self::concat(&[], bytes)
    }

    /// `prefix` followed by `rest`.
    pub(crate) fn concat(prefix: &[u8], rest: &[u8]) -> Self {
        let len = prefix.len() + rest.len();
        let mut bytes = [0; INLINE_BYTES];
        if let Some(place) = bytes.get_mut(..len)
            && let Some((first, second)) = place.split_at_mut_checked(prefix.len())
        {
            first.copy_from_slice(prefix);
            second.copy_from_slice(rest);
            return Self::Inline { len: len as u8, bytes };
        }
        let mut joined = Vec::with_capacity(len);
        joined.extend_from_slice(prefix);
        joined.extend_from_slice(rest);
        Self::Heap(joined.into_boxed_slice())
    }

    /// Bytes outside of the value itself.
    #[inline]
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Inline { .. } => 0,
            Self::Heap(bytes) => bytes.len() + 16,
        }
    }
}

impl Default for SmallBytes {
    fn default() -> Self {
        Self::Inline { len: 0, bytes: [0; INLINE_BYTES] }
    }
}

impl Deref for SmallBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Inline { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::Heap(bytes) => bytes,
        }
    }
}

impl Borrow<[u8]> for SmallBytes {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl PartialEq for SmallBytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for SmallBytes {}

impl PartialOrd for SmallBytes {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SmallBytes {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_strings_read_the_same() {
        for len in 0..64_usize {
            let bytes: Vec<u8> = (0..len as u8).collect();
            for split in 0..=len {
                let joined = SmallBytes::concat(&bytes[..split], &bytes[split..]);
                assert_eq!(*joined, *bytes);
                assert_eq!(matches!(joined, SmallBytes::Inline { .. }), len <= INLINE_BYTES);
            }
        }
        assert_eq!(size_of::<Option<SmallBytes>>(), 24);
    }
}
