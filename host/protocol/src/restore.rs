//! From where a task's state is brought back.

/// Where a restore begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreFrom {
    /// At the position of the store on the local disk.
    Local,
    /// At the snapshot of this index, which takes the place of the local store.
    Snapshot(usize),
    /// With an empty store, at the changelog's beginning.
    Beginning,
}

/// Why a task's state cannot be brought back without losing some of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreError {
    /// The store is ahead of the changelog, which was truncated or made anew.
    StoreAhead {
        /// The position of the store.
        store: i64,
        /// The position after the changelog's last change.
        end: i64,
    },
    /// The changelog begins later than everything that could be begun with.
    ChangelogTrimmed {
        /// The first position that is left of the changelog.
        first: i64,
        /// The newest position to begin with; `None`: there is no store and no snapshot.
        newest: Option<i64>,
    },
}

/// Decides where to begin: `local` is the position of the local store, `snapshots` are those of the
/// snapshots to choose from, in any order; the changelog reaches from `first` to `end`. `compacted` is a
/// changelog that forgets only what a later change replaced, so that its beginning is never missing.
///
/// The newest copy is taken, since it leaves the least to read; the local one where it is as new as
/// `worth` changes less, since it needs no transfer.
///
/// # Errors
/// When every choice would leave out changes.
pub fn restore_plan(
    local: Option<i64>,
    snapshots: &[i64],
    first: i64,
    end: i64,
    compacted: bool,
    worth: i64,
) -> Result<RestoreFrom, RestoreError> {
    if let Some(store) = local
        && store > end
    {
        return Err(RestoreError::StoreAhead { store, end });
    }
    let usable = |position: i64| position <= end && (compacted || position >= first);
    let snapshot = snapshots.iter().enumerate().filter(|(_, at)| usable(**at)).max_by_key(|(_, at)| **at);
    match (local.filter(|position| usable(*position)), snapshot) {
        (Some(local), Some((_, &at))) if at.saturating_sub(local) <= worth => Ok(RestoreFrom::Local),
        (_, Some((index, _))) => Ok(RestoreFrom::Snapshot(index)),
        (Some(_), None) => Ok(RestoreFrom::Local),
        (None, None) if compacted || first == 0 => Ok(RestoreFrom::Beginning),
        (None, None) => {
            let newest = local.into_iter().chain(snapshots.iter().copied()).filter(|at| *at <= end).max();
            Err(RestoreError::ChangelogTrimmed { first, newest })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_copy_is_taken_and_the_local_one_where_it_is_about_as_new() {
        let plan = |local, snapshots: &[i64]| restore_plan(local, snapshots, 0, 1_000, true, 100);
        assert_eq!(plan(Some(900), &[]), Ok(RestoreFrom::Local));
        assert_eq!(plan(Some(900), &[300, 950]), Ok(RestoreFrom::Local));
        assert_eq!(plan(Some(10), &[300, 950, 700]), Ok(RestoreFrom::Snapshot(1)));
        assert_eq!(plan(None, &[300]), Ok(RestoreFrom::Snapshot(0)));
        assert_eq!(plan(None, &[]), Ok(RestoreFrom::Beginning));
        assert_eq!(plan(None, &[1_001]), Ok(RestoreFrom::Beginning), "a snapshot of another changelog");
    }

    #[test]
    fn a_trimmed_changelog_needs_a_copy_that_reaches_it() {
        let plan = |local, snapshots: &[i64]| restore_plan(local, snapshots, 500, 1_000, false, 0);
        assert_eq!(plan(Some(500), &[]), Ok(RestoreFrom::Local));
        assert_eq!(plan(Some(499), &[600]), Ok(RestoreFrom::Snapshot(0)));
        assert_eq!(plan(Some(400), &[499]), Err(RestoreError::ChangelogTrimmed { first: 500, newest: Some(499) }));
        assert_eq!(plan(None, &[]), Err(RestoreError::ChangelogTrimmed { first: 500, newest: None }));
    }

    #[test]
    fn a_store_from_the_future_is_never_used() {
        let ahead = Err(RestoreError::StoreAhead { store: 11, end: 10 });
        assert_eq!(restore_plan(Some(11), &[5], 0, 10, true, 0), ahead);
    }
}
