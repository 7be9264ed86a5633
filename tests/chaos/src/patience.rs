//! Waiting that ends when nothing moves any more, and when somebody interrupts the run.

use std::{
    fmt::Debug,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use signal_hook::consts::{SIGINT, SIGTERM};

/// How long nothing may move. Far above every time-out of the system under test, on a busy machine as well.
pub const STILL: Duration = Duration::from_secs(90);

/// Between two looks.
const TICK: Duration = Duration::from_millis(20);

/// What a look shows.
pub enum Seen<T, P> {
    /// What was waited for.
    There(T),
    /// Not yet; how far it has come.
    NotYet(P),
}

/// Looks until what is waited for is there.
///
/// # Errors
/// When what `look` returns has not changed for [`STILL`], when it fails, and when the run is interrupted.
pub fn wait<T, P: PartialEq + Debug>(what: &str, mut look: impl FnMut() -> Result<Seen<T, P>>) -> Result<T> {
    let mut last = None;
    let mut since = Instant::now();
    loop {
        match look()? {
            Seen::There(value) => return Ok(value),
            Seen::NotYet(progress) => {
                let progress = Some(progress);
                if progress != last {
                    (last, since) = (progress, Instant::now());
                }
            }
        }
        if since.elapsed() > STILL {
            bail!("waited in vain until {what}: nothing has moved for {} s; last seen: {last:?}", STILL.as_secs());
        }
        rest(TICK)?;
    }
}

/// Sleeps a moment.
///
/// # Errors
/// When the run is interrupted.
pub fn rest(moment: Duration) -> Result<()> {
    thread::sleep(moment);
    ensure!(!is_interrupted(), "interrupted");
    Ok(())
}

/// Whether somebody has interrupted the run.
pub fn is_interrupted() -> bool {
    interrupted().load(Ordering::Relaxed)
}

fn interrupted() -> &'static Arc<AtomicBool> {
    static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    INTERRUPTED.get_or_init(Arc::default)
}

/// Makes SIGINT and SIGTERM end the run in order, so that nothing that it started is left behind.
///
/// # Errors
/// When the handlers cannot be set.
pub fn heed_signals() -> Result<()> {
    for signal in [SIGINT, SIGTERM] {
        // The second one ends the process at once.
        signal_hook::flag::register_conditional_shutdown(signal, 130, interrupted().clone())
            .and_then(|_| signal_hook::flag::register(signal, interrupted().clone()))
            .context("cannot listen to signals")?;
    }
    Ok(())
}
