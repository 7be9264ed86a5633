//! Keeps 100 bytes for each key: how many records it had, and the end of the last one. Emits the count.

use millstream_guest::prelude::*;

const VALUE_BYTES: usize = 100;
const COUNT_BYTES: usize = 8;

#[derive(State)]
struct Kept {
    last: Value<Vec<u8>>,
}

#[derive(Default)]
struct Keep;

#[operator]
impl Operator for Keep {
    type State = Kept;

    fn process(&mut self, record: Record<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
        let before = ctx.state.last.get()?.and_then(|kept| kept.first_chunk::<COUNT_BYTES>());
        let count = before.map_or(0, |count| u64::from_le_bytes(*count)) + 1;
        let bytes = record.bytes()?;
        let end = bytes.get(bytes.len().saturating_sub(VALUE_BYTES - COUNT_BYTES)..).unwrap_or_default();
        let mut kept = Vec::with_capacity(VALUE_BYTES);
        kept.extend_from_slice(&count.to_le_bytes());
        kept.extend_from_slice(end);
        kept.resize(VALUE_BYTES, 0);
        ctx.state.last.set(kept)?;
        ctx.emit(Output::bytes(count.to_string().as_str()))
    }
}
