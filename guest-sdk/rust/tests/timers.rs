//! Timers, through the harness.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use millstream_guest::prelude::*;
use millstream_guest::testing::{Harness, Input};
use millstream_guest::{Guest, Instance, TimeDomain};

#[derive(State)]
struct States {
    count: Value<u64>,
}

/// Tells how many records a key had once none has come for 100 ms of event time, and every 50 ms of processing time.
#[derive(Default)]
struct Quiet;

#[operator]
impl Operator for Quiet {
    type State = States;

    fn process(&mut self, record: Record<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
        ctx.state.count.update(|count| *count += 1)?;
        ctx.set_event_timer("quiet", record.timestamp_ms() + 100)?;
        ctx.set_processing_timer("tick", ctx.now_ms() + 50)?;
        if record.value() == Some(b"stop") {
            ctx.delete_event_timer("quiet")?;
        }
        ensure!(record.value() != Some(b"fail"), "as asked");
        Ok(())
    }

    fn on_timer(&mut self, timer: Timer<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
        ensure!(timer.key() != b"bad", "a bad key");
        let count = ctx.state.count.get()?.copied().unwrap_or_default();
        if timer.domain() == TimeDomain::Processing && count < 3 {
            ctx.state.count.set(count + 1)?;
            ctx.set_processing_timer("tick", timer.time_ms() + 50)?;
        }
        ctx.emit(Output::json(&(timer.name(), count)))
    }
}

fn record(key: &str, value: &str, timestamp_ms: i64) -> Input {
    Input::bytes(value).key(key).timestamp_ms(timestamp_ms)
}

#[test]
fn an_operator_with_on_timer_declares_timers() {
    assert!(Instance::<Quiet>::describe().timers);
}

#[test]
fn timers_fire_in_order_of_time_and_setting_one_again_moves_it() -> Result<()> {
    let mut quiet = Harness::<Quiet>::new("{}")?;
    quiet.send_all([record("a", "", 10), record("b", "", 20), record("a", "", 60)])?;
    assert_eq!(quiet.advance_watermark_ms(119)?.emitted, []);
    let fired = quiet.advance_watermark_ms(160)?.emitted;
    let told: Vec<_> = fired.iter().map(|emitted| (emitted.key_str(), emitted.timestamp_ms, emitted.json())).collect();
    let expected: Vec<(Option<&str>, i64, (String, u64))> =
        vec![(Some("b"), 120, ("quiet".into(), 1)), (Some("a"), 160, ("quiet".into(), 2))];
    assert_eq!(told, expected);
    assert_eq!(quiet.advance_watermark_ms(i64::MAX)?.emitted, [], "once");
    Ok(())
}

#[test]
fn timers_are_deleted_undone_and_set_by_timers() -> Result<()> {
    let mut quiet = Harness::<Quiet>::new("{}")?;
    quiet.set_now_ms(1000);
    quiet.send_all([record("a", "", 10), record("a", "stop", 20)])?;
    assert_eq!(quiet.send(record("c", "fail", 10))?.failed.len(), 1);
    assert_eq!(quiet.advance_watermark_ms(500)?.emitted, [], "one is deleted, one was never set");
    let counts = |emitted: &[millstream_guest::testing::Emitted]| -> Vec<(i64, u64)> {
        emitted.iter().map(|emitted| (emitted.timestamp_ms, emitted.json::<(String, u64)>().1)).collect()
    };
    assert_eq!(counts(&quiet.advance_now_ms(1110)?.emitted), [(1050, 2), (1100, 3)], "the second is set by the first");
    Ok(())
}

#[test]
fn a_timer_that_fails_changes_nothing() -> Result<()> {
    let mut quiet = Harness::<Quiet>::new("{}")?;
    quiet.send_all([record("bad", "", 0), record("good", "", 0)])?;
    let outcome = quiet.advance_watermark_ms(100)?;
    assert_eq!(outcome.failed.len(), 1);
    assert_eq!(outcome.failed[0].reason, "a bad key");
    assert_eq!(outcome.emitted.len(), 1);
    Ok(())
}

#[test]
fn a_record_without_a_key_has_no_timers() -> Result<()> {
    let mut quiet = Harness::<Quiet>::new("{}")?;
    let outcome = quiet.send(Input::bytes("x"))?;
    assert!(outcome.failed[0].reason.contains("no key"), "{:?}", outcome.failed);
    Ok(())
}
