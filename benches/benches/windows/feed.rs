//! The records: an hour that fills windows, then what is measured.

use millstream_benches::{payments, payments_by};
use millstream_types::RecordBatch;

use crate::Args;

/// Records of one batch.
const BATCH: u64 = 1_000;
/// Records a second of event time.
pub const RATE: u64 = 50_000;
/// Batches of one turn: 4 s of event time.
const TURN: u64 = 200;
/// When the measured records begin: where windows of 1h/5m fire, and those of 1h do not.
const START_MS: i64 = 1_700_003_100_000;
const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;
/// Records of the hour before where keys are few: then it takes no longer than what is measured.
const HISTORY: u64 = 1_200_000;
/// A prime number, by which the hour before goes through the keys.
const STRIDE: u64 = 7_919;

/// Records that share a time evenly.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    start_ms: i64,
    length_ms: i64,
    batches: u64,
    /// Its records go through the keys, again and again; otherwise they are of random keys.
    in_turn: bool,
}

impl Stretch {
    fn history(args: &Args, keys: u64, rounds: u64) -> Option<Self> {
        let rounds = (HISTORY / keys.max(1)).clamp(rounds, rounds.max(60));
        let batches = (rounds * keys).div_ceil(BATCH);
        let start_ms = START_MS - HOUR_MS;
        (!args.no_history).then_some(Self { start_ms, length_ms: HOUR_MS, batches, in_turn: true })
    }

    fn measured(args: &Args) -> Self {
        let length_ms = args.minutes as i64 * MINUTE_MS;
        Self { start_ms: START_MS, length_ms, batches: args.minutes * 60 * RATE / BATCH, in_turn: false }
    }

    fn turns(self) -> u64 {
        self.batches.div_ceil(TURN)
    }
}

/// One turn of a case.
#[derive(Debug)]
pub struct Turn {
    /// The batches, in order.
    pub batches: Vec<RecordBatch>,
    /// The minute that it belongs to, from 0 on; `None`: it is not measured.
    pub minute: Option<u64>,
}

/// How many turns a case takes that needs so many rounds through the keys before.
pub fn turns(args: &Args, keys: u64, rounds: u64) -> u64 {
    Stretch::history(args, keys, rounds).map_or(0, Stretch::turns) + Stretch::measured(args).turns()
}

/// Turn number `turn`; those that are measured are the same for all cases.
pub fn turn(args: &Args, keys: u64, rounds: u64, turn: u64) -> Turn {
    let history = Stretch::history(args, keys, rounds);
    let before = history.map_or(0, Stretch::turns);
    let (stretch, at) = match history {
        Some(history) if turn < before => (history, turn),
        _ => (Stretch::measured(args), turn - before),
    };
    let batches = at * TURN..((at + 1) * TURN).min(stretch.batches);
    let minute = (turn >= before).then_some(at * TURN * BATCH / (RATE * 60));
    Turn { batches: batches.map(|number| batch(args, stretch, keys, number)).collect(), minute }
}

fn batch(args: &Args, stretch: Stretch, keys: u64, number: u64) -> RecordBatch {
    let seed = number.wrapping_add(stretch.start_ms.cast_unsigned().wrapping_mul(31));
    let mut batch = match stretch.in_turn {
        true => payments_by(seed, BATCH as usize, |record, _| (number * BATCH + record as u64) * STRIDE % keys),
        false => payments(seed, BATCH as usize, keys),
    };
    let mut noise = seed | 1;
    for (record, time_ms) in batch.timestamps.iter_mut().enumerate() {
        let at = i128::from(number * BATCH + record as u64);
        let total = i128::from(stretch.batches * BATCH);
        *time_ms = stretch.start_ms + (i128::from(stretch.length_ms) * at / total) as i64;
        // The last one is in time, so that the watermark goes on as it would.
        if args.disorder > 0 && record as u64 + 1 < BATCH {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *time_ms -= ((noise >> 33) % args.disorder) as i64;
        }
    }
    batch
}
