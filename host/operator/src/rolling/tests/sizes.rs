//! What rolling features take: rows, and bytes of deltas.

use super::harness::{spec, step, task, tell};

/// The windows of the fraud example.
fn usual() -> crate::rolling::RollingSpec {
    let hour = 3_600_000;
    spec(&[("5m", 300_000, 5_000), ("1h", hour, 60_000), ("7d", 7 * 24 * hour, 2 * hour)], 300_000)
}

/// Runs one key with an event each `every_ms`, a commit after each; bytes of deltas an event once windows are full, and
/// the most rows.
fn run(every_ms: i64, events: i64) -> (f64, usize) {
    let mut task = task(step(usual()));
    let (mut bytes, mut rows) = (0, 0);
    for event in 0..events {
        let time_ms = 1_700_000_000_000 + event * every_ms;
        tell(&mut task, &[("u012345", time_ms, 1999 + event % 7)]);
        task.advance(time_ms - 2_000);
        let delta = task.commit(event % 64 == 0);
        if event >= events / 2 {
            bytes += delta;
        }
        if event % (events / 7) == 0 {
            rows = rows.max(task.stored_entries());
        }
    }
    (bytes as f64 / (events - events / 2) as f64, rows)
}

#[test]
fn deltas_are_small_however_often_events_come() {
    for (every_ms, limit) in [(40, 120.0), (400, 130.0), (20_000, 300.0), (3_600_000, 300.0)] {
        let (bytes, _) = run(every_ms, 4_000);
        assert!(bytes < limit, "{bytes} bytes an event each {every_ms} ms");
    }
}

#[test]
fn rows_are_bounded_however_long_it_runs() {
    // 120 slices of 5 s, 65 of 1 min and 85 of 2 h, eight a row and one row for eight of these.
    for (every_ms, events) in [(4_000, 2_000), (4_000, 12_000), (90_000, 20_000)] {
        let (_, rows) = run(every_ms, events);
        assert!(rows < 50, "{rows} rows after {events} events, one each {every_ms} ms");
    }
}

#[test]
fn gaps_leave_nothing_behind() {
    // Without a watermark nothing but the next event can delete what the windows have left.
    let mut task = task(step(usual()));
    let mut time_ms = 0;
    for round in 0..40 {
        for _ in 0..300 {
            time_ms += 1_900;
            tell(&mut task, &[("k", time_ms, 1)]);
        }
        time_ms += 86_400_000 * [1, 8, 30, 400][round % 4];
    }
    tell(&mut task, &[("k", time_ms, 1)]);
    let rows = task.stored_entries();
    assert!(rows < 40, "{rows} rows");
}
