//! Which hosts keep a standby of a task, and with what a standby begins.

use crate::{RestoreError, RestoreFrom, restore_plan};

/// Whether `host` is one of the `replicas` hosts that follow `task`. Every host that knows of the same `hosts` and of
/// the same `owner` comes to the same answer, and a host that comes or goes changes few answers: hosts are ranked for
/// each task by a hash of both (rendezvous hashing, Thaler and Ravishankar 1998). The owner never follows its own
/// task, and while a task has none all hosts are ranked.
pub fn follows<'a>(
    host: &str,
    task: &str,
    owner: Option<&str>,
    hosts: impl IntoIterator<Item = &'a str>,
    replicas: usize,
) -> bool {
    if owner == Some(host) {
        return false;
    }
    let own = (rank(host, task), host);
    let before = hosts.into_iter().filter(|other| Some(*other) != owner && *other != host);
    before.filter(|other| (rank(other, task), *other) > own).count() < replicas
}

/// 64-bit FNV-1a over both with a byte between that no UTF-8 text has, then mixed, since the last bytes of short names
/// hardly reach the upper bits.
fn rank(host: &str, task: &str) -> u64 {
    let bytes = host.bytes().chain([0xff]).chain(task.bytes());
    let mut hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    // The finalizer of SplitMix64.
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// With what a standby begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandbyFrom {
    /// With the local store, at its position; without one at the changelog's beginning.
    Local,
    /// With the snapshot of this index in the place of the local store.
    Snapshot(usize),
    /// With an empty store in the place of the local one, which is of another changelog.
    Empty,
    /// Not now.
    Wait(RestoreError),
}

/// As [`restore_plan`], for a host that only follows. Two things differ. The changelog's beginning must be the
/// beginning of everything: a standby that began later would lack what was before and not know it. And a local store
/// that is of `another` changelog, which somebody has begun anew, is dropped, as a person told the owner to do with its
/// own; one that is ahead of the same changelog is not, since the open transaction of a zombie may hide its end.
pub fn standby_plan(
    local: Option<i64>,
    another: bool,
    snapshots: &[i64],
    first: i64,
    end: i64,
    worth: i64,
) -> StandbyFrom {
    let usable = local.filter(|_| !another);
    match restore_plan(usable, snapshots, first, end, false, worth) {
        Ok(RestoreFrom::Snapshot(index)) => StandbyFrom::Snapshot(index),
        Ok(RestoreFrom::Local | RestoreFrom::Beginning) if another => StandbyFrom::Empty,
        Ok(RestoreFrom::Local | RestoreFrom::Beginning) => StandbyFrom::Local,
        Err(error) => StandbyFrom::Wait(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTS: [&str; 5] = ["a", "b", "c", "d", "e"];

    fn followers<'h>(task: &str, owner: Option<&str>, hosts: &[&'h str], replicas: usize) -> Vec<&'h str> {
        hosts.iter().copied().filter(|host| follows(host, task, owner, hosts.iter().copied(), replicas)).collect()
    }

    #[test]
    fn as_many_hosts_follow_as_are_wanted_and_the_owner_is_none_of_them() {
        for partition in 0..200 {
            let task = format!("count/{partition}");
            for replicas in 0..7 {
                let followers = followers(&task, Some("c"), &HOSTS, replicas);
                assert_eq!(followers.len(), replicas.min(4), "{task}");
                assert!(!followers.contains(&"c"));
            }
            assert_eq!(followers(&task, None, &HOSTS, 2).len(), 2);
        }
    }

    #[test]
    fn a_host_that_does_not_know_of_itself_counts_all_the_same() {
        assert!(follows("z", "count/0", Some("a"), ["a"], 1));
    }

    #[test]
    fn work_is_spread_and_hosts_that_stay_keep_what_they_follow() {
        let tasks: Vec<String> = (0..500).map(|partition| format!("count/{partition}")).collect();
        for host in &HOSTS[1..] {
            let share = tasks.iter().filter(|task| followers(task, Some("a"), &HOSTS, 1) == [*host]).count();
            assert!((80..=170).contains(&share), "{host} follows {share} of 500");
        }
        let without = ["a", "b", "c", "e"];
        for task in &tasks {
            let (before, after) = (followers(task, Some("a"), &HOSTS, 1), followers(task, Some("a"), &without, 1));
            assert!(before == ["d"] || before == after, "{task}: {before:?}, then {after:?}");
        }
    }

    #[test]
    fn a_standby_never_begins_in_the_middle() {
        let plan =
            |local, another, snapshots: &[i64], first| standby_plan(local, another, snapshots, first, 1_000, 100);
        assert_eq!(plan(Some(500), false, &[], 0), StandbyFrom::Local);
        assert_eq!(plan(None, false, &[], 0), StandbyFrom::Local);
        assert_eq!(plan(Some(500), false, &[700], 600), StandbyFrom::Snapshot(0));
        let trimmed = |newest| StandbyFrom::Wait(RestoreError::ChangelogTrimmed { first: 600, newest });
        assert_eq!(plan(Some(500), false, &[], 600), trimmed(Some(500)));
        assert_eq!(plan(None, false, &[], 600), trimmed(None));
    }

    #[test]
    fn only_what_is_of_another_changelog_is_dropped() {
        let plan = |local, another, end| standby_plan(Some(local), another, &[], 0, end, 100);
        assert_eq!(plan(10, true, 20), StandbyFrom::Empty);
        assert_eq!(plan(30, true, 20), StandbyFrom::Empty);
        assert_eq!(plan(30, false, 20), StandbyFrom::Wait(RestoreError::StoreAhead { store: 30, end: 20 }));
        assert_eq!(standby_plan(Some(30), true, &[15], 0, 20, 4), StandbyFrom::Snapshot(0));
    }
}
