//! The conformance operator `typed`, by single records; what it does is said in `tests/conformance/README.md`.

use millstream_guest::prelude::*;

/// What is read of a record.
#[derive(Fields)]
struct Payment<'a> {
    user: &'a str,
    amount: f64,
    n: Option<i64>,
    flag: Option<bool>,
    extra: Option<RawJson<'a>>,
}

/// What is written.
#[derive(Fields)]
struct Scored<'a> {
    user: &'a str,
    total: f64,
    #[field(path = "/next/n")]
    next_n: Option<i64>,
    #[field(path = "/next/flag")]
    next_flag: Option<bool>,
    label: Option<String>,
    extra: Option<RawJson<'a>>,
}

#[derive(State)]
struct Totals {
    total: Value<f64>,
}

#[derive(Default)]
struct Typed;

#[operator(reads = Payment<'_>, writes = Scored<'_>)]
impl Operator for Typed {
    type State = Totals;

    fn process(&mut self, _: Record<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
        let Payment { user, amount, n, flag, extra } = ctx.fields()?;
        let total = ctx.state.total.get()?.copied().unwrap_or(0.0) + amount;
        ctx.state.total.set(total)?;
        let next_n = n.map(|n| n.checked_add(1).context("/n is too large")).transpose()?;
        let (next_flag, label) = (flag.map(|flag| !flag), n.map(|n| format!("n={n}")));
        ctx.emit(Output::fields(&Scored { user, total, next_n, next_flag, label, extra }))
    }
}
