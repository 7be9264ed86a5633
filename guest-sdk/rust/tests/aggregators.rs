//! Aggregators as authors write them, through the harness and through the calls of the contract.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use millstream_guest::contract::window::WindowColumn;
use millstream_guest::contract::window::aggregation::{Added, Additions, Guest, Panes};
use millstream_guest::contract::{BytesColumn, RecordBatch};
use millstream_guest::prelude::*;
use millstream_guest::testing::{AggregatorHarness, Input};
use millstream_guest::window::{AggregatorComponent, BatchAggregator, ByRecord};
use millstream_guest::{Column, ColumnBuilder};

/// What was added, in order. Refuses values that an accumulator has on its list, after it has changed it.
#[derive(Default)]
struct Gather;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Gathered {
    values: Vec<String>,
    refused: Vec<String>,
}

#[aggregator(version = 3, schema = r#"{"type":"object"}"#)]
impl Aggregator for Gather {
    type Accumulator = Gathered;

    fn add(&mut self, gathered: &mut Gathered, record: Record<'_>) -> Result<()> {
        let text = record.text()?;
        if let Some(refused) = text.strip_prefix("refuse ") {
            gathered.refused.push(refused.to_owned());
            return Ok(());
        }
        ensure!(!gathered.values.iter().any(|known| known == "full"), "it is full");
        gathered.values.push(text.to_owned());
        ensure!(!gathered.refused.iter().any(|refused| refused == text), "`{text}` is refused");
        ensure!(text != "bad", "it is bad");
        Ok(())
    }

    fn merge(&mut self, into: &mut Gathered, other: Gathered) -> Result<()> {
        into.values.extend(other.values);
        into.refused.extend(other.refused);
        Ok(())
    }

    fn retract(&mut self, gathered: &mut Gathered, record: Record<'_>) -> Result<()> {
        let text = record.text()?;
        let at = gathered.values.iter().position(|known| known == text).context("was never added")?;
        gathered.values.remove(at);
        Ok(())
    }

    fn result(&mut self, gathered: &Gathered, pane: &Pane<'_>) -> Result<impl NewValue> {
        let told = (pane.key_str()?, pane.window().start_ms, gathered.values.join(" "));
        Ok((!gathered.values.is_empty()).then_some(Json(told)))
    }
}

fn record(key: &str, value: &str) -> Input {
    Input::bytes(value).key(key)
}

fn values(harness: &AggregatorHarness<Gather>, key: &str) -> String {
    harness.accumulator(key).unwrap().values.join(" ")
}

#[test]
fn records_go_into_the_accumulators_of_their_keys_in_order() -> Result<()> {
    let mut gather = AggregatorHarness::<Gather>::new("{}")?;
    assert_eq!(gather.add([record("a", "1"), record("b", "2"), record("a", "3")])?, []);
    assert_eq!(gather.add([record("a", "4")])?, []);
    assert_eq!(values(&gather, "a"), "1 3 4");
    let told = gather.result("a", Window::new(1000, 2000))?;
    assert_eq!(told.json::<(String, i64, String)>(), ("a".into(), 1000, "1 3 4".into()));
    assert_eq!(told.timestamp_ms, 1999);
    assert_eq!(gather.result("nobody", Window::GLOBAL)?.value, None, "a tombstone");
    Ok(())
}

#[test]
fn a_record_that_fails_leaves_nothing_though_it_had_changed_the_accumulator() -> Result<()> {
    let mut gather = AggregatorHarness::<Gather>::new("{}")?;
    let records = ["1", "bad", "2", "bad", "bad", "3"].map(|value| record("a", value));
    let failed = gather.add(records)?;
    assert_eq!(failed.iter().map(|failed| failed.record).collect::<Vec<_>>(), [1, 3, 4]);
    assert_eq!(failed[0].reason, "it is bad");
    assert_eq!(values(&gather, "a"), "1 2 3");
    gather.add([record("new", "bad")])?;
    assert!(!gather.has("new"), "an accumulator that no record went into is not begun");
    Ok(())
}

#[test]
fn what_a_failing_record_did_is_not_seen_by_those_after_it() -> Result<()> {
    let mut gather = AggregatorHarness::<Gather>::new("{}")?;
    // It fails by the list, after it has filled the accumulator.
    gather.add([record("a", "refuse full")])?;
    let failed = gather.add(["1", "full", "2"].map(|value| record("a", value)))?;
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(values(&gather, "a"), "1 2");
    Ok(())
}

/// All ways in which five records go into two accumulators or both, of which each refuses some.
#[test]
fn a_record_that_fails_at_one_accumulator_counts_in_none() -> Result<()> {
    let names = ["v", "w", "x", "y", "z"];
    for mix in 0..3_usize.pow(5) {
        for refusals in 0..32_u32 {
            let mut gather = AggregatorHarness::<Gather>::new("{}")?;
            // `a` refuses `v`, `w` and `z`, `b` refuses `w` and `y`, as the bits say.
            let rules = [("a", "v"), ("a", "w"), ("b", "w"), ("b", "y"), ("a", "z")];
            let rules: Vec<_> = (0..5).filter(|bit| refusals & (1 << bit) != 0).map(|bit| rules[bit]).collect();
            gather.add(rules.iter().map(|(key, value)| record(key, &format!("refuse {value}"))))?;
            let goes = |at: usize| [&["a"][..], &["b"], &["b", "a"]][mix / 3_usize.pow(at as u32) % 3];
            let records = names.iter().enumerate().map(|(at, name)| (goes(at), record("", name)));
            let failed = gather.add_each(records)?;
            let fails = |at: usize| goes(at).iter().any(|key| rules.contains(&(*key, names[at])));
            let expected: Vec<_> = (0..5).filter(|at| fails(*at)).collect();
            assert_eq!(failed.iter().map(|failed| failed.record).collect::<Vec<_>>(), expected, "{mix} {refusals}");
            for key in ["a", "b"] {
                let kept = (0..5).filter(|at| !fails(*at) && goes(*at).contains(&key)).map(|at| names[at]);
                assert_eq!(values(&gather, key), kept.collect::<Vec<_>>().join(" "), "{mix} {refusals} {key}");
            }
        }
    }
    Ok(())
}

#[test]
fn accumulators_are_merged_in_order_and_records_taken_out() -> Result<()> {
    let mut gather = AggregatorHarness::<Gather>::new("{}")?;
    gather.add([record("a", "1"), record("b", "2"), record("c", "3")])?;
    gather.merge("a", &["c", "b"])?;
    assert_eq!(values(&gather, "a"), "1 3 2");
    assert!(!gather.has("b"));
    let failed = gather.retract([record("a", "3"), record("a", "4")])?;
    assert_eq!((failed[0].record, failed[0].reason.as_str()), (1, "was never added"));
    assert_eq!(values(&gather, "a"), "1 2");
    Ok(())
}

#[test]
fn what_is_declared_is_what_the_attribute_says() {
    let description = AggregatorComponent::<ByRecord<Gather>>::describe();
    assert_eq!((description.schema_version, description.retracts), (3, true));
    assert_eq!(description.config_schema.as_deref(), Some(r#"{"type":"object"}"#));
    let description = AggregatorComponent::<Bytes>::describe();
    assert_eq!((description.schema_version, description.retracts, description.config_schema), (1, false, None));
}

/// Bytes of values, by columns; never reads a value.
#[derive(Default)]
struct Bytes;

#[aggregator]
impl BatchAggregator for Bytes {
    fn add(&mut self, additions: Additions, accumulators: BytesColumn) -> Result<Added> {
        let values = Column::new(&additions.batch.values);
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).unwrap_or_default();
        let mut sums: Vec<_> = Column::new(&accumulators).iter().map(|bytes| bytes.map(number)).collect();
        let indices =
            |bytes: &[u8]| bytes.as_chunks::<4>().0.iter().map(|index| u32::from_le_bytes(*index) as usize).collect();
        let (rows, targets): (Vec<usize>, Vec<usize>) = (indices(&additions.rows), indices(&additions.targets));
        for (row, target) in rows.into_iter().zip(targets) {
            *sums[target].get_or_insert(0) += values.get(row).unwrap_or_default().len() as u64;
        }
        let sums: Vec<_> = sums.iter().map(|sum| sum.map(u64::to_le_bytes)).collect();
        let accumulators: ColumnBuilder = sums.iter().map(|sum| sum.as_ref().map(<[u8; 8]>::as_slice)).collect();
        Ok(Added { accumulators: accumulators.finish(), ..Added::empty() })
    }

    fn merge(&mut self, _: BytesColumn, _: Vec<u8>, _: usize) -> Result<BytesColumn> {
        fail!("these never merge")
    }

    fn results(&mut self, accumulators: BytesColumn, _: Panes) -> Result<BytesColumn> {
        Ok(accumulators)
    }
}

fn column(values: &[Option<&[u8]>]) -> BytesColumn {
    values.iter().copied().collect::<ColumnBuilder>().finish()
}

fn additions(values: &[&str], rows: &[u32], targets: &[u32]) -> Additions {
    let values: Vec<_> = values.iter().map(|value| Some(value.as_bytes())).collect();
    let batch = RecordBatch {
        count: values.len() as u32,
        keys: column(&vec![None; values.len()]),
        values: column(&values),
        timestamps: vec![0; values.len() * 8],
        ..RecordBatch::empty()
    };
    let indices = |indices: &[u32]| indices.iter().flat_map(|index| index.to_le_bytes()).collect();
    Additions { batch, rows: indices(rows), targets: indices(targets) }
}

#[test]
fn a_component_answers_for_the_instance_that_was_configured_last() {
    type Component = AggregatorComponent<Bytes>;
    let ask = || Component::add(additions(&["abc", "d"], &[0, 1, 0], &[1, 1, 0]), column(&[None, None, None]));
    assert_eq!(ask().unwrap_err(), "`configure` has not been called");
    assert!(Component::configure(r#"{"typo":1}"#.into()).unwrap_err().contains("unknown field `typo`"));
    Component::configure(String::new()).unwrap();
    let added = ask().unwrap();
    let three = 3_u64.to_le_bytes();
    let four = 4_u64.to_le_bytes();
    assert_eq!(Column::new(&added.accumulators).iter().collect::<Vec<_>>(), [Some(&three[..]), Some(&four), None]);
    assert_eq!(Component::merge(column(&[]), vec![], 0).unwrap_err(), "these never merge");
    assert!(Component::retract(additions(&[], &[], &[]), column(&[])).unwrap_err().contains("no `fn retract`"));
}

#[test]
fn what_the_host_passes_wrong_is_an_error_and_no_panic() {
    type Component = AggregatorComponent<ByRecord<Gather>>;
    Component::configure("{}".into()).unwrap();
    assert!(Component::add(additions(&["a"], &[0], &[7]), column(&[None])).unwrap_err().contains("did not pass"));
    assert!(Component::merge(column(&[Some(b"{}")]), 5_u32.to_le_bytes().to_vec(), 1).is_err());
    let undecodable = Component::add(additions(&["a"], &[0], &[0]), column(&[Some(b"[]")])).unwrap_err();
    assert!(undecodable.contains("does not decode"), "{undecodable}");
    let windows = WindowColumn { starts: vec![], ends: vec![] };
    let empty = br#"{"values":["1"],"refused":[]}"#;
    let values = Component::results(column(&[Some(empty)]), Panes { keys: column(&[Some(b"k")]), windows }).unwrap();
    assert_eq!(Column::new(&values).get(0), Some(&br#"["k",-9223372036854775808,"1"]"#[..]));
}
