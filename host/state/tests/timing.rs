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

/// Map state as windows use it: each batch reads and writes a field for each of its keys, in maps that follow each other.
fn measure_map(name: &str, keys: u64, batches_a_map: usize, batches_a_scan: usize) {
    let budget = Arc::new(CacheBudget::new(4 << 30));
    let mut task = TaskState::new(Box::new(MemoryBackend::new()), budget);
    let state = StateHandle { id: StateId(7), kind: StateKind::Map, ttl: None };
    let mut random = 88172645463325252_u64;
    let mut fields = || -> BytesColumn {
        let fields = (0..ROWS).map(|_| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            Some(format!("user-{:08}", random % keys))
        });
        fields.collect()
    };
    let (mut access, mut scan, mut commit, mut write_back) = Default::default();
    let add = |total: &mut Duration, start: Instant| *total += start.elapsed();
    for batch in 0..BATCHES / 4 {
        let map = (batch / batches_a_map) as u64;
        let fields = fields();
        let maps: BytesColumn = (0..ROWS).map(|_| Some(map.to_be_bytes())).collect();
        let values: BytesColumn = (0..ROWS).map(|row| Some([(row + batch) as u8; 16])).collect();
        let start = Instant::now();
        task.begin_call(batch as i64);
        black_box(task.map_get_many(&state, &maps, &fields).expect("a read"));
        task.map_put_many(&state, &maps, &fields, &values).expect("a put");
        task.keep_call();
        add(&mut access, start);
        if batch % batches_a_scan == batches_a_scan - 1 {
            let start = Instant::now();
            black_box(task.map_scan(&state, &map.to_be_bytes(), b"", None, 4096).expect("a scan"));
            add(&mut scan, start);
        }
        if batch % BATCHES_A_COMMIT == BATCHES_A_COMMIT - 1 {
            let start = Instant::now();
            black_box(task.take_delta());
            task.committed(batch as i64);
            add(&mut commit, start);
            if task.write_back_due() {
                let start = Instant::now();
                task.write_back().expect("a write-back");
                add(&mut write_back, start);
            }
        }
    }
    let rows = (BATCHES / 4 * ROWS) as f64;
    let ns = |time: Duration| time.as_nanos() as f64 / rows;
    println!(
        "{name}: get and put {:.0} ns a record, scans {:.0} ns, commit {:.0} ns, write back {:.0} ns",
        ns(access),
        ns(scan),
        ns(commit),
        ns(write_back),
    );
}

#[test]
#[ignore = "prints timings"]
fn maps() {
    measure_map("map, 20,000 keys", 20_000, 1000, 1000);
    measure_map("map, 1,000,000 keys", 1_000_000, 1000, 1000);
    measure_map("map, 1,000,000 keys, a scan every 10 batches", 1_000_000, 1000, 10);
}

#[test]
#[ignore = "prints timings"]
fn grouped_reads_and_writes() {
    measure("16-byte values", 16, None);
    measure("16-byte values, time to live", 16, Some(Duration::from_secs(60)));
    measure("100-byte values", 100, None);
}
