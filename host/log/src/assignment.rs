//! Sharing partitions out among the sessions of a group.

/// Which of `members` sessions owns each of `partitions` partitions, as Kafka's range assignor does it:
/// contiguous ranges, the first sessions one more where it does not divide. Topics with the same number of
/// partitions are thereby co-partitioned.
pub fn range_assignment(partitions: u32, members: u32) -> impl Iterator<Item = u32> {
    let members = members.max(1);
    let (base, extra) = (partitions / members, partitions % members);
    (0..members).flat_map(move |member| std::iter::repeat_n(member, (base + u32::from(member < extra)) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_contiguous_and_complete() {
        assert_eq!(range_assignment(5, 2).collect::<Vec<_>>(), [0, 0, 0, 1, 1]);
        assert_eq!(range_assignment(1, 3).collect::<Vec<_>>(), [0]);
        assert_eq!(range_assignment(4, 4).collect::<Vec<_>>(), [0, 1, 2, 3]);
    }
}
