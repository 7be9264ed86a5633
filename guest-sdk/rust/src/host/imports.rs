//! The imports of the component.

pub(crate) use crate::bindings::millstream::operator::clock::{now_ms, random_u64};
pub(crate) use crate::bindings::millstream::operator::log::{enabled as log_enabled, write as log};
pub(crate) use crate::bindings::millstream::operator::metrics::{counter_add, gauge_set, histogram_record};
pub(crate) use crate::bindings::millstream::operator::state::{
    get_many, list_append_many, list_clear_many, list_length, list_read, map_clear_many, map_get_many, map_put_many,
    map_scan, put_many,
};
