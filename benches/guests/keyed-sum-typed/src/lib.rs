//! The sum by user over typed fields, record by record.

use millstream_guest::prelude::*;

#[derive(Fields)]
struct Payment<'a> {
    user: &'a str,
    amount: f64,
}

#[derive(Fields)]
struct Total<'a> {
    user: &'a str,
    sum: f64,
}

#[derive(State)]
struct Sums {
    sum: Value<f64>,
}

#[derive(Default)]
struct KeyedSum;

#[operator(reads = Payment<'_>, writes = Total<'_>)]
impl Operator for KeyedSum {
    type State = Sums;

    fn process(&mut self, _: Record<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
        let Payment { user, amount } = ctx.fields()?;
        let sum = ctx.state.sum.get()?.copied().unwrap_or_default() + amount;
        ctx.state.sum.set(sum)?;
        ctx.emit(Output::fields(&Total { user, sum }))
    }
}
