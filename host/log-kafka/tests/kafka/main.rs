//! The log against a real broker. `MILLSTREAM_KAFKA` says where it is; without it every test is skipped.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod contract;
mod faults;
mod harness;
mod placement;
mod rebalance;
mod records;
mod restore;
mod topics;
mod transactions;
mod worker;

use harness::{Case, case};

fn main() {
    if let Ok(spec) = std::env::var(faults::OWNER) {
        faults::leave_a_transaction_open(&spec).unwrap();
    }
    let mut cases: Vec<Case> = vec![
        case!(topics::are_created_once_and_checked),
        case!(topics::that_are_missing_are_the_callers_fault),
        case!(topics::of_a_group_tell_its_positions),
        case!(topics::of_shuffles_forget_what_was_committed),
        case!(records::of_every_shape_come_back_as_they_were),
        case!(records::that_cannot_be_stored_are_refused_with_the_reason),
        case!(records::are_never_cut_by_the_limits_of_a_batch),
        case!(placement::is_that_of_the_java_client),
        case!(transactions::show_everything_or_nothing),
        case!(transactions::carry_the_positions),
        case!(transactions::of_a_zombie_are_fenced),
        case!(transactions::may_be_aborted_and_read_again),
        case!(transactions::are_not_needed_at_least_once),
        case!(restore::gives_the_state_from_any_position),
        case!(restore::refuses_positions_that_are_gone),
        case!(rebalance::in_the_middle_of_a_transfer_loses_and_doubles_nothing),
        case!(rebalance::works_with_the_classic_protocol),
        case!(rebalance::works_with_cooperative_members),
        case!(rebalance::leaves_partitions_that_stay_alone),
        case!(rebalance::lets_members_commit_that_keep_their_partitions),
        case!(rebalance::lets_go_of_what_was_held_back),
        case!(rebalance::waits_for_the_release_of_every_partition),
        case!(faults::a_broker_that_is_not_there_is_named),
        case!(faults::a_refused_property_is_named),
        case!(faults::an_open_transaction_of_a_killed_owner_is_waited_out),
        case!(faults::a_broker_that_goes_away_and_comes_back_loses_nothing),
    ];
    cases.extend(contract::cases());
    harness::run(cases);
}
