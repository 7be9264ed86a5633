//! The conformance aggregator `sums`; what it does is said in `tests/conformance/README.md`.

use millstream_guest::prelude::*;

#[derive(Default)]
struct Sums;

fn integer(record: &Record<'_>) -> Result<i64> {
    let text = record.text()?;
    text.parse().map_err(|_| Error::new(format!("not an integer: `{text}`")))
}

#[aggregator]
impl Aggregator for Sums {
    type Accumulator = i64;

    fn add(&mut self, sum: &mut i64, record: Record<'_>) -> Result<()> {
        *sum = sum.checked_add(integer(&record)?).context("the sum is too large")?;
        Ok(())
    }

    fn retract(&mut self, sum: &mut i64, record: Record<'_>) -> Result<()> {
        *sum = sum.checked_sub(integer(&record)?).context("the sum is too large")?;
        Ok(())
    }

    fn merge(&mut self, into: &mut i64, other: i64) -> Result<()> {
        *into = into.checked_add(other).context("the sum is too large")?;
        Ok(())
    }

    fn result(&mut self, sum: &i64, _: &Pane<'_>) -> Result<impl NewValue> {
        Ok(Bytes(sum.to_string()))
    }
}
