//! JSON in, the sum by key in prefetched state, JSON out.

use millstream_guest::prelude::*;

#[derive(Deserialize)]
struct Payment<'a> {
    user: &'a str,
    amount: f64,
}

#[derive(Serialize)]
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

#[operator]
impl Operator for KeyedSum {
    type State = Sums;

    fn process(&mut self, record: Record<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
        let payment: Payment<'_> = record.json()?;
        let sum = ctx.state.sum.get()?.copied().unwrap_or_default() + payment.amount;
        ctx.state.sum.set(sum)?;
        ctx.emit(Output::json(&Total { user: payment.user, sum }))
    }
}
