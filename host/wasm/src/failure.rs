//! From how a call ended to whose fault it was.

use std::time::Duration;

use millstream_operator::OperatorError;
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::{
    Limits,
    guest::{Ended, GuestData},
    guest_log::cut,
};

/// How wasmtime says that a call carried more bytes than it may. It has no type for that; a test keeps watch.
const FUEL_EXHAUSTED: &str = "fuel allocated for hostcalls has been exhausted";

/// A trap's text is kept in statuses and dead letters; beyond this nobody reads on.
const TEXT_BYTES: usize = 8 << 10;

/// The error of a call that ended with `error`. `deadline` is what the call was given.
pub(crate) fn of_call(
    error: &wasmtime::Error,
    data: &mut GuestData,
    limits: &Limits,
    deadline: Duration,
) -> OperatorError {
    let denied = data.limiter.take_denied();
    match data.ended.take() {
        Some(Ended::State(error)) => return OperatorError::State(error),
        Some(Ended::Limit(limit)) => return OperatorError::LimitExceeded(limit),
        None => {}
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => {
            let limit_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
            return OperatorError::DeadlineExceeded { limit_ms };
        }
        Some(Trap::StackOverflow) => return OperatorError::LimitExceeded("its stack".into()),
        _ => {}
    }
    if let Some(denied) = denied {
        return OperatorError::LimitExceeded(denied);
    }
    if error.chain().any(|cause| cause.to_string().contains(FUEL_EXHAUSTED)) {
        return OperatorError::LimitExceeded(format!("{} output bytes a batch", limits.output_bytes));
    }
    OperatorError::Trapped(text(error, &data.log.stderr_tail()))
}

/// What the guest printed last, what trapped, and where.
fn text(error: &wasmtime::Error, printed: &str) -> String {
    let cause = match error.downcast_ref::<I32Exit>() {
        Some(I32Exit(code)) => format!("it exited with code {code}"),
        None => error.root_cause().to_string(),
    };
    let mut text = String::new();
    if !printed.is_empty() {
        text.push_str(printed);
        text.push('\n');
    }
    text.push_str(&cause);
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        text.push('\n');
        text.push_str(backtrace.to_string().trim_end());
    }
    cut(&text, TEXT_BYTES).to_owned()
}
