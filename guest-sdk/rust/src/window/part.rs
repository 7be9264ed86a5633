//! What the components of all parts have in common: the one instance that answers the calls of the host.

use std::any::Any;
use std::cell::RefCell;

use crate::{Result, log};

thread_local! {
    static INSTANCE: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

/// Answers `configure`: what is configured answers the calls to come.
pub(super) fn install<P: 'static>(configured: Result<P, String>) -> Result<(), String> {
    INSTANCE.set(Some(Box::new(configured?)));
    Ok(())
}

/// Answers any other call.
pub(super) fn call<P: 'static, R>(call: impl FnOnce(&mut P) -> Result<R>) -> Result<R, String> {
    log::forget_levels();
    INSTANCE.with_borrow_mut(|instance| match instance.as_mut().and_then(|instance| instance.downcast_mut()) {
        Some(part) => call(part).map_err(|error| error.to_string()),
        None => Err("`configure` has not been called".into()),
    })
}
