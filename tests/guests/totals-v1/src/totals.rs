//! Counts and sums by key. Each output tells the state as it is after its record, so that whoever reads the outputs
//! sees all of the state's history.

use std::borrow::Cow;

use millstream_guest::prelude::*;

/// Fields of the map state.
const SLOTS: u64 = 8;

/// A record as it comes in: an input, or what another step of this operator emitted.
#[derive(Deserialize)]
struct Entry<'a> {
    id: u64,
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow)]
    group: Cow<'a, str>,
    amount: i64,
}

#[derive(Serialize)]
struct Total<'a> {
    id: u64,
    key: &'a str,
    group: &'a str,
    amount: i64,
    /// Records of the record's key so far, this one included.
    count: u64,
    /// Their amounts.
    sum: i64,
    /// Those of them whose ids leave the same remainder.
    slot: u64,
    version: u32,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Running {
    count: u64,
    sum: i64,
}

#[derive(State)]
struct Keys {
    running: Value<Running>,
    slots: Map<u64, u64>,
}

#[derive(Default)]
struct Totals;

#[operator]
impl Operator for Totals {
    type State = Keys;

    fn process(&mut self, record: Record<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
        let entry: Entry<'_> = record.json()?;
        let running = ctx.state.running.update(|running| {
            running.count += 1;
            running.sum += entry.amount;
            running.clone()
        })?;
        let slot = entry.id % SLOTS;
        let in_slot = ctx.state.slots.get(slot)?.unwrap_or(0) + 1;
        ctx.state.slots.set(slot, &in_slot)?;
        ctx.emit(Output::json(&Total {
            id: entry.id,
            key: &entry.key,
            group: &entry.group,
            amount: entry.amount,
            count: running.count,
            sum: running.sum,
            slot: in_slot,
            version: crate::VERSION,
        }))
    }
}
