//! Keys of the database: one letter for the kind, then big-endian numbers, so that they sort.
//!
//! | kind | key | value |
//! |---|---|---|
//! | `v` | | the format's version |
//! | `n` | | the last topic id given |
//! | `t` | name | the topic |
//! | `m` | topic id, partition | the partition's bounds and size |
//! | `b` | topic id, partition, base offset | a batch |
//! | `i` | topic id, partition, base offset | the batch's span, size and time |
//! | `p` | group, 0, topic id, partition | a position |

pub(crate) const VERSION: &[u8] = b"v";
pub(crate) const LAST_TOPIC_ID: &[u8] = b"n";

/// Topic id and partition.
pub(crate) type PartitionId = (u32, u32);

pub(crate) fn topic(name: &str) -> Vec<u8> {
    [b"t", name.as_bytes()].concat()
}

pub(crate) fn meta(id: PartitionId) -> Vec<u8> {
    in_partition(b'm', id)
}

pub(crate) fn batch(id: PartitionId, base: i64) -> Vec<u8> {
    at_offset(b'b', id, base)
}

pub(crate) fn index(id: PartitionId, base: i64) -> Vec<u8> {
    at_offset(b'i', id, base)
}

pub(crate) fn position(group: &str, id: PartitionId) -> Vec<u8> {
    let mut key = positions_of(group);
    push_partition(&mut key, id);
    key
}

/// The beginning of all position keys of a group.
pub(crate) fn positions_of(group: &str) -> Vec<u8> {
    [b"p", group.as_bytes(), &[0]].concat()
}

/// The base offset at the end of a batch or index key.
pub(crate) fn base_offset(key: &[u8]) -> Option<i64> {
    key.last_chunk::<8>().map(|bytes| i64::from_be_bytes(*bytes))
}

/// Group and partition of a position key.
pub(crate) fn parse_position(key: &[u8]) -> Option<(&str, PartitionId)> {
    let (rest, partition) = key.split_last_chunk::<4>()?;
    let (rest, topic) = rest.split_last_chunk::<4>()?;
    let group = rest.strip_prefix(b"p")?.strip_suffix(&[0])?;
    Some((std::str::from_utf8(group).ok()?, (u32::from_be_bytes(*topic), u32::from_be_bytes(*partition))))
}

/// The first key after all keys that begin with `prefix`, which is not all 0xff.
pub(crate) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.last_mut() {
        if *last < u8::MAX {
            *last += 1;
            break;
        }
        end.pop();
    }
    end
}

fn in_partition(kind: u8, id: PartitionId) -> Vec<u8> {
    let mut key = Vec::with_capacity(17);
    key.push(kind);
    push_partition(&mut key, id);
    key
}

fn at_offset(kind: u8, id: PartitionId, base: i64) -> Vec<u8> {
    let mut key = in_partition(kind, id);
    // Offsets are never negative, so their bytes sort as they do.
    key.extend_from_slice(&base.to_be_bytes());
    key
}

fn push_partition(key: &mut Vec<u8>, (topic, partition): PartitionId) {
    key.extend_from_slice(&topic.to_be_bytes());
    key.extend_from_slice(&partition.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_they_always_were() {
        assert_eq!(topic("orders"), b"torders");
        assert_eq!(meta((1, 2)), [b'm', 0, 0, 0, 1, 0, 0, 0, 2]);
        assert_eq!(batch((1, 2), 0x0304), [b'b', 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 3, 4]);
        assert_eq!(index((1, 2), 5), [b'i', 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 5]);
        assert_eq!(position("g", (1, 2)), [b'p', b'g', 0, 0, 0, 0, 1, 0, 0, 0, 2]);
        assert_eq!(parse_position(&position("group", (7, 8))), Some(("group", (7, 8))));
        assert_eq!(base_offset(&batch((1, 2), 77)), Some(77));
        assert_eq!(after_prefix(b"pg\0"), b"pg\x01");
        assert_eq!(after_prefix(&[b'a', 0xff]), b"b");
    }
}
