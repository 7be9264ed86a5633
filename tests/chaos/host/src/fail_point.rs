//! Fail points: what happens at which point, and the how-manieth time.

use std::{
    env,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use millstream_protocol::{Point, Probe, Step};
use rustix::process::{Signal, getpid, kill_process};

/// `POINT:COUNT`, such as `before-commit-log:3`: the process kills itself when its workers come there for the third time.
const KILL_AT: &str = "MILLSTREAM_CHAOS_KILL_AT";
/// The same with a stop, as SIGSTOP does it: whoever wants it to go on sends SIGCONT.
const STOP_AT: &str = "MILLSTREAM_CHAOS_STOP_AT";

/// A fail point.
pub struct FailPoint {
    signal: Signal,
    point: Point,
    /// How often it must still be reached.
    left: AtomicU64,
}

impl FailPoint {
    /// What the environment says; `None`: nothing.
    pub fn from_environment() -> Result<Option<Self>> {
        for (variable, signal) in [(KILL_AT, Signal::KILL), (STOP_AT, Signal::STOP)] {
            if let Ok(text) = env::var(variable) {
                return Self::parse(&text, signal).with_context(|| format!("{variable}={text}")).map(Some);
            }
        }
        Ok(None)
    }

    fn parse(text: &str, signal: Signal) -> Result<Self> {
        let (point, count) = text.split_once(':').context("expected POINT:COUNT, such as before-commit-log:3")?;
        let left: u64 = count.parse().with_context(|| format!("`{count}` is not a count"))?;
        let named = |name: &str| {
            let known = || Step::ALL.map(Step::name).join(", ");
            Step::named(name).with_context(|| format!("there is no step `{name}`; there are: {}", known()))
        };
        let point = match point.split_once('-') {
            Some(("before", step)) => Point::Before(named(step)?),
            Some(("after", step)) => Point::After(named(step)?),
            _ => bail!("`{point}` does not begin with `before-` or `after-`"),
        };
        Ok(Self { signal, point, left: AtomicU64::new(left) })
    }

    /// Whether this is the time.
    fn is_hit(&self, point: Point) -> bool {
        point == self.point
            && self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) == Ok(1)
    }
}

impl Probe for FailPoint {
    fn reached(&self, _worker: &str, point: Point) {
        if !self.is_hit(point) {
            return;
        }
        if let Err(error) = kill_process(getpid(), self.signal) {
            eprintln!("error: the fail point cannot send its signal: {error}");
        }
        // The signal may reach another thread first; this one must not go a step further before the end.
        if self.signal == Signal::KILL {
            loop {
                thread::sleep(Duration::from_secs(1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_hit_at_its_count_and_only_then() {
        let point = FailPoint::parse("after-append-deltas:2", Signal::STOP).expect("a point");
        let (there, elsewhere) = (Point::After(Step::AppendDeltas), Point::Before(Step::AppendDeltas));
        let hits: Vec<bool> = [elsewhere, there, elsewhere, there, there].map(|at| point.is_hit(at)).into();
        assert_eq!(hits, [false, false, false, true, false]);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, named) in [
            ("before-commit-log", "POINT:COUNT"),
            ("before-commit-log:x", "`x`"),
            ("before-comit:1", "commit-log"),
            ("commit-log:1", "before-"),
        ] {
            let error = format!("{:#}", FailPoint::parse(text, Signal::KILL).err().expect(text));
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
