//! The same functions as the imports, answered by the simulated host of the thread.

use std::cell::RefCell;

use super::Simulated;
use crate::contract::{BytesColumn, MapPage, StateError};
use crate::log::Level;

thread_local! {
    static HOST: RefCell<Simulated> = RefCell::default();
}

/// Exchanges the thread's host.
pub(crate) fn swap(host: &mut Simulated) {
    // It may keep other levels.
    crate::log::forget_levels();
    HOST.with_borrow_mut(|current| std::mem::swap(current, host));
}

pub(crate) fn now_ms() -> i64 {
    HOST.with_borrow(|host| host.now_ms)
}

pub(crate) fn random_u64() -> u64 {
    HOST.with_borrow_mut(Simulated::random_u64)
}

pub(crate) fn log_enabled(level: Level) -> bool {
    HOST.with_borrow(|host| level >= host.log_level)
}

pub(crate) fn log(level: Level, message: &str) {
    HOST.with_borrow_mut(|host| host.lines.push((level, message.to_owned())));
}

pub(crate) fn counter_add(name: &str, delta: u64) {
    HOST.with_borrow_mut(|host| *host.counters.entry(name.to_owned()).or_default() += delta);
}

pub(crate) fn gauge_set(name: &str, value: f64) {
    HOST.with_borrow_mut(|host| host.gauges.insert(name.to_owned(), value));
}

pub(crate) fn histogram_record(name: &str, value: f64) {
    HOST.with_borrow_mut(|host| host.histograms.entry(name.to_owned()).or_default().push(value));
}

pub(crate) fn get_many(state: u32, keys: &BytesColumn) -> Result<BytesColumn, StateError> {
    HOST.with_borrow_mut(|host| host.get_many(state, keys))
}

pub(crate) fn put_many(state: u32, keys: &BytesColumn, values: &BytesColumn) -> Result<(), StateError> {
    HOST.with_borrow_mut(|host| host.put_many(state, keys, values))
}

pub(crate) fn map_get_many(state: u32, keys: &BytesColumn, fields: &BytesColumn) -> Result<BytesColumn, StateError> {
    HOST.with_borrow_mut(|host| host.map_get_many(state, keys, fields))
}

pub(crate) fn map_put_many(
    state: u32,
    keys: &BytesColumn,
    fields: &BytesColumn,
    values: &BytesColumn,
) -> Result<(), StateError> {
    HOST.with_borrow_mut(|host| host.map_put_many(state, keys, fields, values))
}

pub(crate) fn map_scan(
    state: u32,
    key: &[u8],
    start: &[u8],
    end: Option<&[u8]>,
    limit: u32,
) -> Result<MapPage, StateError> {
    HOST.with_borrow_mut(|host| host.map_scan(state, key, start, end, limit))
}

pub(crate) fn map_clear_many(state: u32, keys: &BytesColumn) -> Result<(), StateError> {
    HOST.with_borrow_mut(|host| host.map_clear_many(state, keys))
}

pub(crate) fn list_append_many(state: u32, keys: &BytesColumn, values: &BytesColumn) -> Result<(), StateError> {
    HOST.with_borrow_mut(|host| host.list_append_many(state, keys, values))
}

pub(crate) fn list_read(state: u32, key: &[u8], start: u64, limit: u32) -> Result<BytesColumn, StateError> {
    HOST.with_borrow_mut(|host| host.list_read(state, key, start, limit))
}

pub(crate) fn list_length(state: u32, key: &[u8]) -> Result<u64, StateError> {
    HOST.with_borrow_mut(|host| host.list_length(state, key))
}

pub(crate) fn list_clear_many(state: u32, keys: &BytesColumn) -> Result<(), StateError> {
    HOST.with_borrow_mut(|host| host.list_clear_many(state, keys))
}
