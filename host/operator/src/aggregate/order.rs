//! Rows by what they go into.

/// Which rows go into which of some targets: a counting sort, whose memory is kept.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Where the rows of each target end, in `rows`.
    ends: Vec<u32>,
    rows: Vec<u32>,
}

impl Order {
    /// Sorts rows `0..targets.len()` into `count` targets. Rows of one target stay in order.
    ///
    /// # Errors
    /// Says which row has a target that there is not.
    pub fn sort(&mut self, targets: &[u32], count: usize) -> Result<(), String> {
        self.ends.clear();
        self.ends.resize(count, 0);
        for (row, target) in targets.iter().enumerate() {
            match self.ends.get_mut(*target as usize) {
                Some(size) => *size += 1,
                None => return Err(format!("row {row} for accumulator {target} of {count}")),
            }
        }
        let mut start = 0;
        for end in &mut self.ends {
            (start, *end) = (start + *end, start);
        }
        self.rows.clear();
        self.rows.resize(targets.len(), 0);
        // Here `ends` has the beginnings, and each moves to its end as rows are put down.
        for (row, target) in targets.iter().enumerate() {
            if let Some(next) = self.ends.get_mut(*target as usize) {
                if let Some(place) = self.rows.get_mut(*next as usize) {
                    *place = row as u32;
                }
                *next += 1;
            }
        }
        Ok(())
    }

    /// The rows of one target.
    #[inline]
    pub fn members(&self, target: usize) -> &[u32] {
        let start = match target.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or_default(),
            None => 0,
        };
        let end = self.ends.get(target).copied().unwrap_or_default();
        self.rows.get(start as usize..end as usize).unwrap_or_default()
    }
}
