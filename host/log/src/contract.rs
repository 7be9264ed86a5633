//! The tests that every [`Log`](crate::Log) must pass, in the feature `contract`.
//!
//! ```ignore
//! struct Directory(tempfile::TempDir);
//!
//! impl LogUnderTest for Directory {
//!     fn open(&self) -> Arc<dyn Log> { /* opens the log that is in the directory */ }
//! }
//!
//! millstream_log::contract_tests!(|| Box::new(Directory(tempfile::tempdir().unwrap())));
//! // or, for a log that needs something to run:
//! millstream_log::contract_tests!(#[ignore = "needs a broker"] || Box::new(Broker::from_environment()));
//! ```
//!
//! Topics, groups and keys carry random names, so that a log may be used by many tests at once and again.
//! Nothing here sleeps; whatever takes time on some log is polled for, at most for [`PATIENCE`].

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // These are tests.

pub mod changelogs;
mod driver;
pub mod groups;
pub mod positions;
pub mod records;
pub mod topics;
pub mod transactions;

use std::{sync::Arc, time::Duration};

pub use driver::{Seen, Worker, create, expect_kind, produce, read_exactly, record, spec, unique, until};

use crate::Log;

/// How long anything is waited for. Far above what it takes, so that only what never comes fails a test.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// How long each of these polls waits.
pub const POLL: Duration = Duration::from_millis(500);

/// How long a poll waits that is to bring nothing.
pub const QUIET: Duration = Duration::from_millis(250);

/// Storage that a log can be opened on, again and again.
pub trait LogUnderTest {
    /// Opens the log. Whatever was opened before on this storage has been dropped by then, sessions
    /// included, without having been closed: the process has crashed.
    fn open(&self) -> Arc<dyn Log>;

    /// Whether records keep times of 1970 and before; Kafka has none.
    fn keeps_early_timestamps(&self) -> bool {
        true
    }
}

/// Makes fresh storage for a test.
pub type Factory<'a> = &'a dyn Fn() -> Box<dyn LogUnderTest>;

/// Expands to one `#[test]` for each test of the contract. The argument is an expression of type
/// `Fn() -> Box<dyn LogUnderTest>`; attributes before it go to every test.
#[macro_export]
macro_rules! contract_tests {
    // For a harness of its own: `callback!` gets every test as `module::name`.
    (for_each $callback:ident) => {
        $crate::contract_tests!(@list [$callback])
    };
    ($(#[$attribute:meta])* $factory:expr) => {
        $crate::contract_tests! { @list [@expand [$(#[$attribute])*] $factory] }
    };
    (@list $then:tt) => {
        $crate::contract_tests! { @then $then
            topics::a_created_topic_is_described,
            topics::creating_again_is_harmless_but_other_partitions_are_refused,
            topics::impossible_topics_are_refused,
            topics::a_deleted_topic_is_gone_and_may_come_back_empty,
            topics::a_missing_topic_is_the_users_error,
            records::records_keep_every_part,
            records::times_of_1970_and_before_are_kept,
            records::large_values_pass,
            records::a_partition_keeps_its_order,
            records::keys_go_where_kafkas_client_sends_them,
            records::records_without_a_key_are_spread,
            records::a_partition_that_is_not_there_is_the_users_error,
            records::a_reader_may_begin_before_the_end,
            records::a_reader_may_begin_at_the_end,
            records::a_reader_may_begin_at_positions,
            transactions::a_commit_makes_everything_visible,
            transactions::what_is_not_committed_is_invisible,
            transactions::an_aborted_transaction_leaves_nothing_and_the_session_goes_on,
            transactions::a_crash_keeps_what_was_committed_and_nothing_else,
            transactions::an_empty_commit_is_fine,
            transactions::at_least_once_outputs_leave_at_once,
            transactions::batches_keep_within_their_limits,
            positions::positions_are_kept_by_group,
            positions::a_session_begins_where_it_is_told,
            positions::a_position_outside_of_the_topic_is_the_users_error,
            positions::reading_goes_on_after_the_committed_position,
            positions::lag_falls_while_reading,
            positions::partitions_may_be_held_back,
            positions::a_deleted_group_has_no_positions,
            changelogs::a_restore_brings_every_change_in_order,
            changelogs::a_restore_may_begin_in_the_middle,
            changelogs::the_last_write_of_a_key_counts,
            changelogs::a_restore_ends_where_the_changelog_ended_when_it_began,
            changelogs::an_empty_changelog_restores_nothing,
            changelogs::deltas_that_are_not_committed_are_not_restored,
            changelogs::deltas_survive_a_crash,
            changelogs::a_trimmed_changelog_restores_from_there,
            groups::a_session_alone_gets_everything,
            groups::topics_of_one_size_are_co_partitioned,
            groups::partitions_move_without_loss_or_repetition,
            groups::a_session_of_the_same_name_fences_the_old_one,
            groups::a_closed_session_leaves_its_partitions_to_the_others,
            groups::groups_do_not_disturb_each_other,
            groups::what_comes_back_is_not_held_back,
        }
    };
    (@then [@expand $attributes:tt $factory:expr] $($module:ident :: $test:ident),* $(,)?) => {
        $($crate::contract_tests!(@one $attributes $factory; $module :: $test);)*
    };
    (@then [$callback:ident] $($module:ident :: $test:ident),* $(,)?) => {
        $callback! { $($module :: $test),* }
    };
    (@one [$(#[$attribute:meta])*] $factory:expr; $module:ident :: $test:ident) => {
        #[test]
        $(#[$attribute])*
        fn $test() {
            $crate::contract::$module::$test(&$factory);
        }
    };
}
