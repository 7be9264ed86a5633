//! `log`: lines of a guest.

use crate::{
    generated::millstream::operator::log::{Host, Level},
    guest::GuestData,
    guest_log::{self, GuestLog},
};

fn level(level: Level) -> guest_log::Level {
    match level {
        Level::Trace => guest_log::Level::TRACE,
        Level::Debug => guest_log::Level::DEBUG,
        Level::Info => guest_log::Level::INFO,
        Level::Warn => guest_log::Level::WARN,
        Level::Error => guest_log::Level::ERROR,
    }
}

impl Host for GuestData {
    fn write(&mut self, of: Level, message: String) -> wasmtime::Result<()> {
        self.log.line(level(of), &message);
        Ok(())
    }

    fn enabled(&mut self, of: Level) -> wasmtime::Result<bool> {
        Ok(GuestLog::enabled(level(of)))
    }
}
