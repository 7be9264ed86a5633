//! Maps and lists: pending changes over what is stored, undone with the record that made them.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use millstream_guest::prelude::*;
use millstream_guest::testing::{Harness, Input};

#[derive(State)]
struct States {
    counts: Map<String, u64>,
    scores: Map<i64, String>,
    events: List<String>,
}

/// Does what the record says: `set a 1`, `del a`, `clear`, `push x`, `drop`, and `fail` at the end.
#[derive(Default)]
struct Script;

#[operator]
impl Operator for Script {
    type State = States;

    fn process(&mut self, record: Record<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
        for step in record.text()?.split(';') {
            match step.split(' ').collect::<Vec<_>>().as_slice() {
                ["set", field, value] => ctx.state.counts.set(*field, &value.parse()?)?,
                ["add", field] => {
                    let count = ctx.state.counts.get(*field)?.unwrap_or(0);
                    ctx.state.counts.set(*field, &(count + 1))?;
                }
                ["del", field] => ctx.state.counts.remove(*field)?,
                ["score", field, value] => ctx.state.scores.set(field.parse::<i64>()?, &(*value).to_owned())?,
                ["clear"] => ctx.state.counts.clear()?,
                ["push", element] => ctx.state.events.push(&(*element).to_owned())?,
                ["drop"] => ctx.state.events.clear()?,
                ["show"] => {
                    let counts = ctx.state.counts.iter()?.collect::<Result<Vec<_>>>()?;
                    let events = ctx.state.events.iter()?.collect::<Result<Vec<_>>>()?;
                    ensure!(events.len() as u64 == ctx.state.events.len()?, "the length is another");
                    ctx.emit(Output::json(&(counts, events)))?;
                }
                ["range", from, until] => {
                    let range = ctx.state.counts.range(*from..*until)?;
                    ctx.emit(Output::json(&range.collect::<Result<Vec<_>>>()?))?;
                }
                ["scores"] => {
                    let scores = ctx.state.scores.range(-5..=5)?.collect::<Result<Vec<_>>>()?;
                    ctx.emit(Output::json(&scores))?;
                }
                ["tail", start] => {
                    let tail = ctx.state.events.iter_from(start.parse()?)?.collect::<Result<Vec<_>>>()?;
                    ctx.emit(Output::json(&tail))?;
                }
                ["fail"] => fail!("as told"),
                _ => fail!("no such step: {step}"),
            }
        }
        Ok(())
    }
}

type Shown = (Vec<(String, u64)>, Vec<String>);

fn script() -> Harness<Script> {
    Harness::new("{}").unwrap()
}

fn run(script: &mut Harness<Script>, steps: &[&str]) {
    let outcome = script.send_all(steps.iter().map(|step| Input::bytes(*step).key("k"))).unwrap();
    let unwanted = outcome.failed.iter().find(|failed| failed.reason != "as told");
    assert_eq!(unwanted, None);
}

fn show(script: &mut Harness<Script>) -> Shown {
    script.send(Input::bytes("show").key("k")).unwrap().only().json()
}

fn shown(counts: &[(&str, u64)], events: &[&str]) -> Shown {
    let counts = counts.iter().map(|(field, count)| ((*field).to_owned(), *count)).collect();
    (counts, events.iter().map(|event| (*event).to_owned()).collect())
}

#[test]
fn changes_are_seen_at_once_and_last() {
    let mut script = script();
    let outcome =
        script.send(Input::bytes("set b 2;set a 1;add a;push x;push y;show;clear;drop;set c 3;push z;show").key("k"));
    let outcome = outcome.unwrap();
    assert_eq!(outcome.emitted[0].json::<Shown>(), shown(&[("a", 2), ("b", 2)], &["x", "y"]));
    assert_eq!(outcome.emitted[1].json::<Shown>(), shown(&[("c", 3)], &["z"]));
    assert_eq!(show(&mut script), shown(&[("c", 3)], &["z"]));
    assert_eq!(script.send(Input::bytes("show").key("other")).unwrap().only().json::<Shown>(), shown(&[], &[]));
}

#[test]
fn a_failing_record_takes_back_all_it_did_and_only_that() {
    let mut script = script();
    run(&mut script, &["set a 1;set b 2;push x"]);
    run(
        &mut script,
        &[
            "add a;push y",
            "add a;del b;set c 9;push z;fail",
            "clear;drop;set d 1;push q;fail",
            "drop;push r;clear;set a 7;drop;clear;fail",
            "add a;push w",
        ],
    );
    assert_eq!(show(&mut script), shown(&[("a", 3), ("b", 2)], &["x", "y", "w"]));
}

#[test]
fn a_cleared_map_keeps_only_what_came_after() {
    let mut script = script();
    run(&mut script, &["set a 1;set b 2;push x"]);
    run(&mut script, &["clear;drop", "add b;push y"]);
    assert_eq!(show(&mut script), shown(&[("b", 1)], &["y"]));
}

#[test]
fn scans_go_on_past_a_page_and_mix_in_what_is_pending() {
    let mut script = script();
    let sets: Vec<String> = (0..700).map(|field| format!("set f{field:03} {field};push e{field}")).collect();
    run(&mut script, &[&sets.join(";")]);
    let outcome = script.send(Input::bytes("del f000;del f255;del f256;set f2555 1;set g 5;push last;show").key("k"));
    let (counts, events) = outcome.unwrap().only().json::<Shown>();
    assert_eq!(counts.len(), 700 - 3 + 2);
    assert!(counts.is_sorted());
    assert_eq!(counts[253..256].iter().map(|(field, _)| field.as_str()).collect::<Vec<_>>(), ["f254", "f2555", "f257"]);
    assert_eq!((events.len(), events[700].as_str()), (701, "last"));
    let tail = script.send(Input::bytes("tail 698").key("k")).unwrap().only().json::<Vec<String>>();
    assert_eq!(tail, ["e698", "e699", "last"]);
}

#[test]
fn ranges_have_ends() {
    let mut script = script();
    run(&mut script, &["set a 1;set b 2;set ba 3", "set c 4"]);
    let outcome =
        script.send_all(["range a b", "range b c", "range b b", "range z a"].map(|s| Input::bytes(s).key("k")));
    let fields: Vec<Vec<String>> = outcome
        .unwrap()
        .emitted
        .iter()
        .map(|record| record.json::<Vec<(String, u64)>>().into_iter().map(|(field, _)| field).collect())
        .collect();
    assert_eq!(fields, [vec!["a"], vec!["b", "ba"], vec![], vec![]]);
}

#[test]
fn numbers_sort_as_numbers() {
    let mut script = script();
    run(&mut script, &["score 300 no;score -1 minus;score 5 five;score -6 no;score 0 zero"]);
    let scores = script.send(Input::bytes("scores").key("k")).unwrap().only().json::<Vec<(i64, String)>>();
    assert_eq!(scores.iter().map(|(field, _)| *field).collect::<Vec<_>>(), [-1, 0, 5]);
}

#[test]
fn a_batch_writes_each_collection_in_one_call() {
    let mut script = script();
    run(&mut script, &["set a 1;push x", "set b 1;push y", "set a 2"]);
    assert_eq!(script.state_calls(), 2);
}

/// Random scripts against a model that applies whole records to plain collections.
#[test]
fn random_scripts_match_plain_collections() {
    let mut script = script();
    let mut model: (std::collections::BTreeMap<String, u64>, Vec<String>) = Default::default();
    let mut seed = 7_u64;
    let mut random = |bound: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % bound
    };
    for batch in 0..300 {
        let mut records = Vec::new();
        for _ in 0..random(6) {
            let mut steps = Vec::new();
            let mut next = model.clone();
            for _ in 0..=random(4) {
                let field = format!("f{}", random(5));
                match random(8) {
                    0 | 1 => {
                        steps.push(format!("set {field} {batch}"));
                        next.0.insert(field, batch);
                    }
                    2 | 3 => {
                        steps.push(format!("add {field}"));
                        *next.0.entry(field).or_default() += 1;
                    }
                    4 => {
                        steps.push(format!("del {field}"));
                        next.0.remove(&field);
                    }
                    5 if random(3) == 0 => {
                        steps.push("clear;drop".to_owned());
                        next = Default::default();
                    }
                    _ => {
                        steps.push(format!("push {field}"));
                        next.1.push(field);
                    }
                }
            }
            if random(3) == 0 {
                steps.push("fail".to_owned());
            } else {
                model = next;
            }
            records.push(steps.join(";"));
        }
        run(&mut script, &records.iter().map(String::as_str).collect::<Vec<_>>());
        let expected: Shown = (model.0.clone().into_iter().collect(), model.1.clone());
        assert_eq!(show(&mut script), expected, "after batch {batch}");
    }
}
