//! Records that failed.

use crate::RecordFailure;

/// Takes `more` up into `failures`; both ascend, and the outcome does.
pub(super) fn merge_failures(failures: &mut Vec<RecordFailure>, more: Vec<RecordFailure>) {
    if more.is_empty() {
        return;
    }
    failures.extend(more);
    failures.sort_by_key(|failure| failure.record);
    failures.dedup_by_key(|failure| failure.record);
}
