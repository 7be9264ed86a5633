//! The distinct keys of a batch.

use hashbrown::HashTable;
use millstream_types::BytesColumn;

use crate::hash_key;

/// A record without a key.
pub const NO_GROUP: u32 = u32::MAX;

/// The distinct keys of a batch and which record has which, so that state is read and written once a key.
#[derive(Clone, Debug, Default)]
pub struct KeyGroups {
    /// For each record the index of its key in [`Self::keys`]; [`NO_GROUP`] without a key.
    pub group_of: Vec<u32>,
    /// The distinct keys in order of first appearance.
    pub keys: BytesColumn,
    /// The hash of each distinct key.
    pub hashes: Vec<u64>,
}

impl KeyGroups {
    /// Groups a key column.
    pub fn of(keys: &BytesColumn) -> Self {
        let mut groups = Self {
            group_of: Vec::with_capacity(keys.len()),
            keys: BytesColumn::with_capacity(keys.len().min(1024), 0),
            hashes: Vec::new(),
        };
        let mut table: HashTable<u32> = HashTable::with_capacity(keys.len().min(1024));
        for key in keys.iter() {
            let Some(key) = key else {
                groups.group_of.push(NO_GROUP);
                continue;
            };
            let hash = hash_key(key);
            let hashes = &mut groups.hashes;
            let distinct = &mut groups.keys;
            let group = *table
                .entry(
                    hash,
                    |&group| distinct.get(group as usize) == Some(key),
                    |&group| hashes.get(group as usize).copied().unwrap_or_default(),
                )
                .or_insert_with(|| hashes.len() as u32)
                .get();
            if group as usize == hashes.len() {
                hashes.push(hash);
                distinct.push(Some(key));
            }
            groups.group_of.push(group);
        }
        groups
    }

    /// The number of distinct keys.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether no record has a key.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_the_distinct_keys_in_order_of_appearance() {
        let keys: BytesColumn = [Some("b"), None, Some("a"), Some("b"), Some("")].into_iter().collect();
        let groups = KeyGroups::of(&keys);
        assert_eq!(groups.group_of, [0, NO_GROUP, 1, 0, 2]);
        assert_eq!(groups.keys.iter().collect::<Vec<_>>(), [Some(&b"b"[..]), Some(b"a"), Some(b"")]);
    }
}
