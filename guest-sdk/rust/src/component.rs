//! What all components have in common: the one instance that answers the calls of the host.

use std::any::Any;
use std::cell::RefCell;
use std::marker::PhantomData;

use crate::contract::{self, BatchInput, BatchOutput, Description, FiredTimers};
use crate::{Guest, Result, log};

thread_local! {
    static INSTANCE: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

/// Answers `configure`: what is configured answers the calls to come.
pub(crate) fn install<I: 'static>(configured: Result<I, String>) -> Result<(), String> {
    INSTANCE.set(Some(Box::new(configured?)));
    Ok(())
}

/// Answers any other call.
pub(crate) fn call<I: 'static, R, E: ToString>(call: impl FnOnce(&mut I) -> Result<R, E>) -> Result<R, String> {
    log::forget_levels();
    INSTANCE.with_borrow_mut(|instance| match instance.as_mut().and_then(|instance| instance.downcast_mut()) {
        Some(instance) => call(instance).map_err(|error| error.to_string()),
        None => Err("`configure` has not been called".into()),
    })
}

/// An operator as a component exports it, run by an [`Instance`](crate::Instance) or a
/// [`BatchInstance`](crate::BatchInstance).
#[derive(Debug)]
pub struct OperatorComponent<I>(PhantomData<I>);

impl<I: Guest + 'static> contract::Guest for OperatorComponent<I> {
    fn describe() -> Description {
        I::describe()
    }

    fn configure(config: String) -> Result<(), String> {
        install(I::configure(&config))
    }

    fn process(input: BatchInput) -> Result<BatchOutput, String> {
        call(|instance: &mut I| instance.process(input))
    }

    fn on_timer(timers: FiredTimers) -> Result<BatchOutput, String> {
        call(|instance: &mut I| instance.on_timer(timers))
    }
}
