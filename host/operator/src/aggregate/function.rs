//! The functions that there are.

/// An aggregate function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    ApproxDistinct,
    Avg,
    Collect,
    CollectDistinct,
    Count,
    Distinct,
    First,
    Last,
    Max,
    Min,
    Quantile,
    Stddev,
    StddevSample,
    Sum,
    Top,
    Var,
    VarSample,
}

/// What may follow the argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameter {
    None,
    /// A number from 0 to 1.
    Rank,
    /// A whole number from 1 to this.
    Count(u64),
    /// The same, or nothing.
    Limit(u64),
}

/// A function's name and what it takes.
#[derive(Debug)]
pub(super) struct Signature {
    pub name: &'static str,
    pub function: Function,
    pub parameter: Parameter,
    /// One call, for messages.
    pub example: &'static str,
}

/// The largest number that [`Function::Top`] takes.
pub(super) const MAX_TOP: u64 = 256;
/// The largest limit of values that are kept.
pub(super) const MAX_LIMIT: u64 = 1_000_000;

const SIGNATURES: [Signature; 17] = {
    use Function as F;
    use Parameter as P;
    const fn signature(name: &'static str, function: F, parameter: P, example: &'static str) -> Signature {
        Signature { name, function, parameter, example }
    }
    [
        signature("approx_distinct", F::ApproxDistinct, P::None, "approx_distinct(/merchant)"),
        signature("avg", F::Avg, P::None, "avg(/amount)"),
        signature("collect", F::Collect, P::Limit(MAX_LIMIT), "collect(/item) or collect(/item, 500)"),
        signature("collect_distinct", F::CollectDistinct, P::Limit(MAX_LIMIT), "collect_distinct(/item)"),
        signature("count", F::Count, P::None, "count() or count(/amount)"),
        signature("distinct", F::Distinct, P::Limit(MAX_LIMIT), "distinct(/merchant)"),
        signature("first", F::First, P::None, "first(/city)"),
        signature("last", F::Last, P::None, "last(/city)"),
        signature("max", F::Max, P::None, "max(/amount)"),
        signature("min", F::Min, P::None, "min(/amount)"),
        signature("quantile", F::Quantile, P::Rank, "quantile(/latency, 0.99)"),
        signature("stddev", F::Stddev, P::None, "stddev(/amount)"),
        signature("stddev_sample", F::StddevSample, P::None, "stddev_sample(/amount)"),
        signature("sum", F::Sum, P::None, "sum(/amount)"),
        signature("top", F::Top, P::Count(MAX_TOP), "top(/merchant, 10)"),
        signature("var", F::Var, P::None, "var(/amount)"),
        signature("var_sample", F::VarSample, P::None, "var_sample(/amount)"),
    ]
};

pub(super) fn find(name: &str) -> Option<&'static Signature> {
    SIGNATURES.iter().find(|signature| signature.name == name)
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SIGNATURES.iter().map(|signature| signature.name)
}

/// The function that is most likely meant, where one is near.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    // Names that others have for the same.
    let foreign = match name.to_lowercase().as_str() {
        "mean" | "average" => Some("avg"),
        "variance" | "var_pop" => Some("var"),
        "var_samp" => Some("var_sample"),
        "stdev" | "std" | "stddev_pop" => Some("stddev"),
        "stddev_samp" => Some("stddev_sample"),
        "count_distinct" | "nunique" | "unique" => Some("distinct"),
        "percentile" | "approx_quantile" | "approx_percentile" | "median" => Some("quantile"),
        "first_value" | "earliest" | "earliest_by_offset" => Some("first"),
        "last_value" | "latest" | "latest_by_offset" => Some("last"),
        "topk" | "top_k" | "mode" => Some("top"),
        "list" | "listagg" | "collect_list" | "array_agg" => Some("collect"),
        "set" | "collect_set" => Some("collect_distinct"),
        _ => None,
    };
    let near = || {
        let distances = names().map(|known| (strsim::damerau_levenshtein(&name.to_lowercase(), known), known));
        distances.min().filter(|(distance, known)| *distance <= known.len() / 3 + 1).map(|(_, known)| known)
    };
    foreign.or_else(near)
}
