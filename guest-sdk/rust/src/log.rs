//! The operator's log.
//!
//! Lines go to the host, which limits their rate and says how many it dropped: `log::info!("{user} is new")`.
//! A line of a level that is not kept is not even formatted.

use std::cell::Cell;
use std::fmt::Arguments;

pub use crate::bindings::millstream::operator::log::Level;
use crate::host;

thread_local! {
    /// Which levels the host keeps, asked for once a batch: bit `level` says so once bit `level + 8` is set.
    static KEPT: Cell<u16> = const { Cell::new(0) };
}

/// Asks the host again which levels it keeps.
pub(crate) fn forget_levels() {
    KEPT.set(0);
}

/// Whether lines of this level are kept.
pub fn enabled(level: Level) -> bool {
    let bit = 1 << level as u16;
    let mut kept = KEPT.get();
    if kept & (bit << 8) == 0 {
        kept |= bit << 8 | if host::log_enabled(level) { bit } else { 0 };
        KEPT.set(kept);
    }
    kept & bit != 0
}

/// Writes a line; the macros of this module call it.
#[doc(hidden)]
pub fn write(level: Level, message: Arguments<'_>) {
    if enabled(level) {
        host::log(level, &message.to_string());
    }
}

macro_rules! level_macros {
    ($dollar:tt; $($(#[$doc:meta])* $name:ident $exported:ident $level:ident;)*) => { $(
        $(#[$doc])*
        #[doc(hidden)]
        #[macro_export]
        macro_rules! $exported {
            ($dollar($dollar message:tt)+) => {
                $crate::log::write($crate::log::Level::$level, ::core::format_args!($dollar($dollar message)+))
            };
        }
        pub use $exported as $name;
    )* };
}

level_macros! { $;
    /// Logs detail for one record.
    trace __log_trace Trace;
    /// Logs detail for whoever debugs the operator.
    debug __log_debug Debug;
    /// Logs what whoever runs the pipeline may want to know.
    info __log_info Info;
    /// Logs that something is off and was handled.
    warn __log_warn Warn;
    /// Logs that something failed.
    error __log_error Error;
}
