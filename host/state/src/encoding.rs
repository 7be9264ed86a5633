//! The persisted encoding of keys and values, in stores and in changelogs.
//!
//! Keys, ordered byte by byte (`u32` and `u64` big-endian):
//!
//! | entry | key |
//! |---|---|
//! | value state | `state id u32`, key |
//! | map field | `state id u32`, `key length u32`, key, field |
//! | list, its extent | `state id u32`, `key length u32`, key |
//! | list element | `state id u32`, `key length u32`, key, `index u64` |
//! | the runtime's own | `0 u32`, name |
//! | catalog | `0xffffffff u32`, `state id u32` (`0`: the format of everything) |
//!
//! Values (little-endian): where the state has a time to live, 8 bytes of expiry (milliseconds since
//! 1970) come first; then the bytes as the operator gave them. A list's extent is `head u64`, `tail u64`
//! and, with a time to live, `expiry of the head i64`: its elements are those with `head <= index < tail`.
//! A catalog entry is written with the first write of a state and makes a store describe itself:
//! [`FORMAT`], kind (`0` value, `1` map, `2` list), `1` with a time to live or `0` without. That of state 0 is
//! in a task's first delta and holds [`FORMAT`], which stands for everything after it, and the 16 bytes of the
//! changelog's [`ChangelogId`], which tells it from one that takes its place later. Earlier versions left them out.
//!
//! A version that encodes anything else than this page says raises [`FORMAT`], and writes the entry of state 0
//! before the first entry of the new kind; a version that does not know a format refuses to restore from there on.
//!
//! Every key has at least four bytes, so that a store may use shorter keys for itself.

use crate::{StateError, StateHandle, StateId, StateKind};

/// Reserved for the catalog.
pub const CATALOG: StateId = StateId(u32::MAX);

/// Bytes of a state id in front of every key.
pub const ID_BYTES: usize = 4;

/// Bytes of the expiry in front of the values of a state with a time to live.
pub const EXPIRY_BYTES: usize = 8;

/// The version of this encoding.
pub const FORMAT: u8 = 1;

/// Above every encoded key: where a scan of everything ends.
pub const END: [u8; 3 * ID_BYTES] = [u8::MAX; 3 * ID_BYTES];

/// The state id and the rest of an encoded key.
pub fn split_key(encoded: &[u8]) -> Option<(StateId, &[u8])> {
    let (id, rest) = encoded.split_first_chunk::<ID_BYTES>()?;
    Some((StateId(u32::from_be_bytes(*id)), rest))
}

/// When a stored value of a state with a time to live is over; `None`: it is too short to say so, and damaged.
pub fn expiry_ms(stored: &[u8]) -> Option<i64> {
    stored.first_chunk::<EXPIRY_BYTES>().map(|expiry| i64::from_le_bytes(*expiry))
}

/// Whether a stored value of a state with a time to live is over at `now_ms`. A damaged one is not, so that it is
/// found and not swept away.
pub fn is_expired(stored: &[u8], now_ms: i64) -> bool {
    expiry_ms(stored).is_some_and(|expiry_ms| expiry_ms <= now_ms)
}

/// Names a changelog for all of its life. One that is made anew, under the same name, has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangelogId(pub [u8; 16]);

/// The key of the entry that says how everything is encoded, and of which changelog it is.
pub fn format_key() -> [u8; 2 * ID_BYTES] {
    let ([a, b, c, d], [e, f, g, h]) = (CATALOG.0.to_be_bytes(), StateId::RUNTIME.0.to_be_bytes());
    [a, b, c, d, e, f, g, h]
}

/// The value of that entry: everything is encoded as this version says.
pub fn format_value(id: Option<ChangelogId>) -> Vec<u8> {
    [&[FORMAT][..], id.as_ref().map_or(&[], |id| &id.0)].concat()
}

/// The changelog that the value of that entry names; `None` where an earlier version wrote it.
pub fn changelog_id(format_value: &[u8]) -> Option<ChangelogId> {
    format_value.get(1..)?.first_chunk().copied().map(ChangelogId)
}

/// The encoded key of one of the runtime's own entries.
pub fn runtime_key(name: &[u8]) -> Vec<u8> {
    [&StateId::RUNTIME.0.to_be_bytes()[..], name].concat()
}

/// The key that an entry of a state belongs to; `entry` is without the state id. `None`: it is damaged.
pub fn key_of(kind: StateKind, entry: &[u8]) -> Option<&[u8]> {
    if kind == StateKind::Value {
        return Some(entry);
    }
    let (length, rest) = entry.split_first_chunk()?;
    rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// Checks what an entry of a store or a changelog says about its format; most say nothing.
///
/// # Errors
/// [`StateError::Incompatible`] for a format that this version does not know, [`StateError::Corrupt`] for
/// an entry of the catalog that is damaged.
pub fn check_format(key: &[u8], stored: &[u8]) -> Result<(), StateError> {
    match split_key(key) {
        Some((CATALOG, key)) => CatalogEntry::read(key, stored).map(drop),
        _ => Ok(()),
    }
}

/// What a store knows of a state's encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogEntry {
    /// The kind of the state.
    pub kind: StateKind,
    /// Whether its values begin with an expiry.
    pub expires: bool,
}

impl CatalogEntry {
    /// What the handle says.
    pub fn of(state: &StateHandle) -> Self {
        Self { kind: state.kind, expires: state.ttl.is_some() }
    }

    /// The entry as it is stored.
    pub fn encode(self) -> [u8; 3] {
        let kind = match self.kind {
            StateKind::Value => 0,
            StateKind::Map => 1,
            StateKind::List => 2,
        };
        [FORMAT, kind, u8::from(self.expires)]
    }

    /// Reads a stored entry.
    ///
    /// # Errors
    /// [`StateError::Incompatible`] when it is of another format, [`StateError::Corrupt`] when it is damaged.
    pub fn decode(stored: &[u8]) -> Result<Self, StateError> {
        let damaged = || StateError::Corrupt(format!("catalog entry {stored:?}"));
        let rest = after_format(stored)?;
        let [kind, expires] = *rest else { return Err(damaged()) };
        let kind = match kind {
            0 => StateKind::Value,
            1 => StateKind::Map,
            2 => StateKind::List,
            _ => return Err(damaged()),
        };
        match expires {
            0 | 1 => Ok(Self { kind, expires: expires == 1 }),
            _ => Err(damaged()),
        }
    }

    /// Reads an entry at `key`, which is without [`CATALOG`]; `None`: it is the one for everything, and of a known format.
    pub(crate) fn read(key: &[u8], stored: &[u8]) -> Result<Option<(StateId, Self)>, StateError> {
        match split_key(key) {
            Some((StateId::RUNTIME, [])) => after_format(stored).map(|_| None),
            Some((id, [])) => Self::decode(stored).map(|entry| Some((id, entry))),
            _ => Err(StateError::Corrupt(format!("catalog key {key:?}"))),
        }
    }
}

/// What follows the format at the beginning of a catalog entry.
fn after_format(stored: &[u8]) -> Result<&[u8], StateError> {
    match stored.split_first() {
        Some((&FORMAT, rest)) => Ok(rest),
        Some((format, _)) => Err(StateError::Incompatible(format!(
            "it is written in format {format}, and this version of Millstream reads format {FORMAT}; run the version \
             that wrote it, or a later one"
        ))),
        None => Err(StateError::Corrupt("an empty catalog entry".into())),
    }
}

/// The key that a list's entry belongs to, without the state id, and whether it is the list's extent or an element.
pub(crate) fn list_key(entry: &[u8]) -> Option<(&[u8], bool)> {
    let (length, rest) = entry.split_first_chunk()?;
    let (key, index) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    match index.len() {
        0 => Some((key, true)),
        8 => Some((key, false)),
        _ => None,
    }
}

/// An entry's key, built in place without its state id.
pub(crate) struct KeyBuffer(Vec<u8>);

impl KeyBuffer {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// `key length`, key: the prefix of all map fields of `key`, and the extent of its list.
    pub(crate) fn prefix(&mut self, key: &[u8]) -> &[u8] {
        self.0.clear();
        // Columns and guests' memories are smaller than 4 GiB.
        self.0.extend_from_slice(&(key.len() as u32).to_be_bytes());
        self.0.extend_from_slice(key);
        &self.0
    }

    pub(crate) fn field(&mut self, key: &[u8], field: &[u8]) -> &[u8] {
        self.prefix(key);
        self.0.extend_from_slice(field);
        &self.0
    }

    pub(crate) fn element(&mut self, key: &[u8], index: u64) -> &[u8] {
        self.prefix(key);
        self.0.extend_from_slice(&index.to_be_bytes());
        &self.0
    }
}

/// The least byte string above all that begin with `prefix`; `None` where there is none.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

/// Which elements a list has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListExtent {
    /// The first index that may be there.
    pub(crate) head: u64,
    /// The index after the last element.
    pub(crate) tail: u64,
    /// When the element at `head` expires; `i64::MAX` without a time to live.
    pub(crate) head_expiry_ms: i64,
}

impl ListExtent {
    /// The payload; the second part counts with a time to live only.
    pub(crate) fn encode(self, expires: bool) -> Vec<u8> {
        let mut payload = Vec::with_capacity(24);
        payload.extend_from_slice(&self.head.to_le_bytes());
        payload.extend_from_slice(&self.tail.to_le_bytes());
        if expires {
            payload.extend_from_slice(&self.head_expiry_ms.to_le_bytes());
        }
        payload
    }

    pub(crate) fn decode(payload: &[u8], expires: bool) -> Result<Self, StateError> {
        let damaged = || StateError::Corrupt(format!("list extent {payload:?}"));
        let (head, rest) = payload.split_first_chunk().ok_or_else(damaged)?;
        let (tail, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        let head_expiry_ms = match (expires, rest.first_chunk(), rest.len()) {
            (false, None, 0) => i64::MAX,
            (true, Some(expiry), 8) => i64::from_le_bytes(*expiry),
            _ => return Err(damaged()),
        };
        Ok(Self { head: u64::from_le_bytes(*head), tail: u64::from_le_bytes(*tail), head_expiry_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_these_bytes() {
        let mut buffer = KeyBuffer::new();
        assert_eq!(buffer.prefix(b"ab"), b"\x00\x00\x00\x02ab");
        assert_eq!(buffer.field(b"ab", b"f"), b"\x00\x00\x00\x02abf");
        assert_eq!(buffer.element(b"ab", 258), b"\x00\x00\x00\x02ab\x00\x00\x00\x00\x00\x00\x01\x02");
        assert_eq!(split_key(b"\x01\x02\x03\x04k"), Some((StateId(0x0102_0304), &b"k"[..])));
        assert_eq!(split_key(b"\x01\x02\x03"), None);
    }

    #[test]
    fn values_are_these_bytes() {
        let extent = ListExtent { head: 1, tail: 2, head_expiry_ms: i64::MAX };
        assert_eq!(extent.encode(false), b"\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0");
        assert_eq!(ListExtent::decode(&extent.encode(false), false).ok(), Some(extent));
        let extent = ListExtent { head_expiry_ms: 3, ..extent };
        assert_eq!(extent.encode(true), b"\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0");
        assert_eq!(ListExtent::decode(&extent.encode(true), true).ok(), Some(extent));
        assert!(ListExtent::decode(&extent.encode(true), false).is_err());
        assert!(ListExtent::decode(b"short", true).is_err());
        assert!(is_expired(b"\x05\0\0\0\0\0\0\0v", 5));
        assert!(!is_expired(b"\x06\0\0\0\0\0\0\0", 5));
        assert!(!is_expired(b"\x05\0\0", 5));
    }

    #[test]
    fn catalog_entries_are_these_bytes() {
        for (kind, expires, bytes) in [
            (StateKind::Value, false, [1, 0, 0]),
            (StateKind::Map, true, [1, 1, 1]),
            (StateKind::List, false, [1, 2, 0]),
        ] {
            let entry = CatalogEntry { kind, expires };
            assert_eq!(entry.encode(), bytes);
            assert_eq!(CatalogEntry::decode(&bytes).ok(), Some(entry));
        }
        for damaged in [&[][..], &[1], &[1, 3, 0], &[1, 0, 2], &[1, 0, 0, 0]] {
            assert!(matches!(CatalogEntry::decode(damaged), Err(StateError::Corrupt(_))), "{damaged:?}");
        }
    }

    #[test]
    fn another_format_is_told_from_damage() {
        let of_all = b"\xff\xff\xff\xff\0\0\0\0";
        let of_one = b"\xff\xff\xff\xff\0\0\0\x07";
        check_format(of_all, &[FORMAT]).expect("this format");
        check_format(of_all, &[FORMAT, 9]).expect("this format, with more");
        check_format(of_one, &[FORMAT, 0, 0]).expect("this format");
        check_format(b"\0\0\0\x07k", b"").expect("it says nothing");
        for (key, stored) in [(of_all, &[2][..]), (of_one, &[2, 0, 0]), (of_one, &[7])] {
            let refused = check_format(key, stored).expect_err("another format").to_string();
            assert!(refused.starts_with("incompatible state format: it is written in format"), "{refused}");
        }
        for (key, stored) in [(&of_all[..], &[][..]), (of_one, &[1, 0]), (b"\xff\xff\xff\xff\0", &[1])] {
            assert!(matches!(check_format(key, stored), Err(StateError::Corrupt(_))), "{stored:?}");
        }
    }

    #[test]
    fn an_entry_says_which_key_it_belongs_to() {
        let mut buffer = KeyBuffer::new();
        assert_eq!(key_of(StateKind::Value, b"ab"), Some(&b"ab"[..]));
        assert_eq!(key_of(StateKind::Map, buffer.field(b"ab", b"field")), Some(&b"ab"[..]));
        assert_eq!(key_of(StateKind::List, buffer.element(b"ab", 7)), Some(&b"ab"[..]));
        for damaged in [&b"\0\0"[..], b"\0\0\0\x09ab"] {
            assert_eq!(key_of(StateKind::Map, damaged), None);
        }
    }

    #[test]
    fn the_format_names_the_changelog() {
        let id = ChangelogId(*b"0123456789abcdef");
        assert_eq!(format_key(), *b"\xff\xff\xff\xff\0\0\0\0");
        assert_eq!(format_value(Some(id)), b"\x010123456789abcdef");
        assert_eq!(format_value(None), [1]);
        check_format(&format_key(), &format_value(Some(id))).expect("this format");
        assert_eq!(changelog_id(&format_value(Some(id))), Some(id));
        assert_eq!((changelog_id(&format_value(None)), changelog_id(b"")), (None, None));
    }

    #[test]
    fn entries_of_a_list_say_which_they_are() {
        let mut buffer = KeyBuffer::new();
        assert_eq!(list_key(buffer.prefix(b"ab")), Some((&b"ab"[..], true)));
        assert_eq!(list_key(buffer.element(b"ab", 7)), Some((&b"ab"[..], false)));
        for damaged in [&b"\0\0"[..], b"\0\0\0\x09ab", b"\0\0\0\x01ab"] {
            assert_eq!(list_key(damaged), None);
        }
    }

    #[test]
    fn a_prefix_ends_before_its_successor() {
        assert_eq!(after_prefix(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(after_prefix(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(after_prefix(b"\xff"), None);
        assert_eq!(after_prefix(b""), None);
    }
}
