//! What a row of a grouped read and write costs: `cargo test --release -p millstream-state --test timing
//! -- --ignored --nocapture`.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use millstream_state::{CacheBudget, KeyGroups, MemoryBackend, StateHandle, StateId, StateKind, TaskState};
use millstream_types::BytesColumn;

// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KEYS: u64 = 20_000;
const ROWS: usize = 1_000;
const BATCHES: usize = 20_000;
const BATCHES_A_COMMIT: usize = 100;

fn measure(name: &str, value_bytes: usize, ttl: Option<Duration>) {
    let budget = Arc::new(CacheBudget::new(256 << 20));
    let mut task = TaskState::new(Box::new(MemoryBackend::new()), budget);
    let state = StateHandle { id: StateId(7), kind: StateKind::Value, ttl };
    let mut random = 88172645463325252_u64;
    let batches: Vec<BytesColumn> = (0..64)
        .map(|_| {
            let keys = (0..ROWS).map(|_| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                Some(format!("user-{:08}", random % KEYS))
            });
            keys.collect()
        })
        .collect();
    let mut group = Duration::ZERO;
    let mut access = Duration::ZERO;
    let mut commit = Duration::ZERO;
    let mut write_back = Duration::ZERO;
    let (mut groups_seen, mut deltas) = (0, 0);
    for batch in 0..BATCHES {
        let start = Instant::now();
        let groups = KeyGroups::of(&batches[batch % batches.len()]);
        group += start.elapsed();
        groups_seen += groups.len();
        let indices: Vec<u32> = (0..groups.len() as u32).collect();
        let new: BytesColumn = (0..groups.len()).map(|n| Some(vec![(n + batch) as u8; value_bytes])).collect();

        let start = Instant::now();
        task.begin_call(batch as i64);
        black_box(task.get_groups(&state, &groups).expect("a read"));
        task.put_groups(&state, &groups, &indices, &new).expect("a put");
        task.keep_call();
        access += start.elapsed();

        if batch % BATCHES_A_COMMIT == BATCHES_A_COMMIT - 1 {
            let start = Instant::now();
            deltas += black_box(task.take_delta()).0.len();
            task.committed(batch as i64);
            commit += start.elapsed();
        }
        if batch % (20 * BATCHES_A_COMMIT) == 0 {
            let start = Instant::now();
            task.write_back().expect("a write-back");
            write_back += start.elapsed();
        }
    }
    let rows = (BATCHES * ROWS) as f64;
    let ns = |time: Duration, of: f64| time.as_nanos() as f64 / of;
    println!(
        "{name}: group {:.0} ns a record; get_groups + put_groups {:.0} ns a distinct key ({:.0} ns a record); \
         commit {:.0} ns a changed key ({:.1} ns a record); write back {:.1} ns a record",
        ns(group, rows),
        ns(access, groups_seen as f64),
        ns(access, rows),
        ns(commit, deltas as f64),
        ns(commit, rows),
        ns(write_back, rows),
    );
}

#[test]
#[ignore = "prints timings"]
fn grouped_reads_and_writes() {
    measure("16-byte values", 16, None);
    measure("16-byte values, time to live", 16, Some(Duration::from_secs(60)));
    measure("100-byte values", 100, None);
}
