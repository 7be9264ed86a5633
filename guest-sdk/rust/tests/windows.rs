//! Window assigners, triggers, window functions and watermark generators through the harnesses and the calls of the
//! contract. Aggregators are in `aggregators.rs`.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use millstream_guest::Column;
use millstream_guest::contract::window::{assignment, firing, watermarks, window_function as function};
use millstream_guest::contract::{BytesColumn, RecordBatch};
use millstream_guest::prelude::*;
use millstream_guest::testing::{AssignerHarness, Input, TriggerHarness, WatermarkHarness, WindowFunctionHarness};
use millstream_guest::window::{AssignerComponent, FunctionComponent, TriggerComponent, WatermarkComponent};

fn record(key: &str, value: &str) -> Input {
    Input::bytes(value).key(key)
}

/// Windows as the record lists them.
#[derive(Default)]
struct Listed;

#[window_assigner(merges, schema = "{}")]
impl WindowAssigner for Listed {
    fn assign(&mut self, record: Record<'_>, windows: &mut Windows) -> Result<()> {
        for (start_ms, end_ms) in record.json::<Vec<(i64, i64)>>()? {
            windows.push(Window::new(start_ms + windows.now_ms(), end_ms))?;
        }
        Ok(())
    }
}

#[test]
fn a_record_is_in_the_windows_that_were_pushed_each_once() -> Result<()> {
    let mut listed = AssignerHarness::<Listed>::new("")?;
    let records = ["[[0,10],[5,15],[0,10]]", "[]", "[[1,2],[3,3]]", "[[7,8]]"].map(Input::bytes);
    let assigned = listed.assign_all(records)?;
    assert_eq!(assigned[0].as_deref().unwrap(), [Window::new(0, 10), Window::new(5, 15)]);
    assert_eq!(assigned[1].as_deref().unwrap(), []);
    assert_eq!(assigned[2].as_ref().unwrap_err().message(), "a window that starts at 3 and ends at 3");
    assert_eq!(assigned[3].as_deref().unwrap(), [Window::new(7, 8)]);
    listed.set_now_ms(4);
    assert_eq!(listed.assign(Input::bytes("[[0,10]]"))?, [Window::new(4, 10)]);
    Ok(())
}

/// What the record says: fire, purge, keep, note, fail; remembers notes.
#[derive(Default)]
struct Told;

#[trigger(version = 4)]
impl Trigger for Told {
    type State = String;

    fn on_element(&mut self, record: Record<'_>, pane: &mut TriggerPane<'_, String>) -> Result<Verdict> {
        let (word, rest) = record.text()?.split_once(' ').unwrap_or((record.text()?, ""));
        match word {
            "fire" => return Ok(Verdict::Fire),
            "purge" => return Ok(Verdict::Purge),
            "at" => pane.set_event_time_ms(rest.parse()?),
            "after" => pane.set_processing_time_ms(pane.now_ms() + rest.parse::<i64>()?),
            "forget" => {
                pane.state.clear();
                pane.delete_event_time();
                pane.delete_processing_time();
            }
            _ => {
                pane.state.push_str(word);
                pane.set_event_time_ms(1);
                ensure!(word != "bad", "as asked with `{}` in {:?}", pane.state, pane.window());
            }
        }
        Ok(Verdict::Continue)
    }

    fn on_event_time(&mut self, time_ms: i64, pane: &mut TriggerPane<'_, String>) -> Result<Verdict> {
        assert_eq!(pane.event_time_ms(), None);
        match pane.state.as_str() {
            "again" => pane.set_event_time_ms(time_ms),
            "once-more" if time_ms < 10 => pane.set_event_time_ms(10),
            _ => pane.state.push_str(&format!("@{time_ms}/{}", pane.watermark_ms().unwrap_or_default())),
        }
        Ok(Verdict::FireAndPurge)
    }

    fn on_processing_time(&mut self, _: i64, _: &mut TriggerPane<'_, String>) -> Result<Verdict> {
        Ok(Verdict::Purge)
    }

    fn on_merge(&mut self, from: &[TriggerPane<'_, String>], into: &mut TriggerPane<'_, String>) -> Result<Verdict> {
        into.state = from.iter().map(|pane| format!("{}{}", pane.state, pane.window().start_ms)).collect();
        if let Some(first_ms) = from.iter().filter_map(TriggerPane::event_time_ms).min() {
            into.set_event_time_ms(first_ms);
        }
        Ok(Verdict::Fire)
    }
}

const W: Window = Window::new(0, 100);

#[test]
fn a_trigger_remembers_of_each_pane_what_its_elements_said() -> Result<()> {
    let mut told = TriggerHarness::<Told>::new("{}")?;
    let sent = [("a", "x"), ("b", "fire"), ("a", "y"), ("a", "purge"), ("a", "at 50")];
    let verdicts = told.send_all(sent.map(|(key, value)| (record(key, value), W)))?;
    let verdicts: Vec<_> = verdicts.into_iter().map(Result::unwrap).collect();
    assert_eq!(verdicts, [Verdict::Continue, Verdict::Fire, Verdict::Continue, Verdict::Purge, Verdict::Continue]);
    assert_eq!((told.state("a", W)?.as_str(), told.state("b", W)?.as_str()), ("xy", ""));
    told.send(record("a", "z"), Window::new(100, 200))?;
    assert_eq!(told.state("a", W)?, "xy", "another window is another pane");
    assert_eq!((told.event_time_ms("a", W), told.event_time_ms("b", W)), (Some(50), None));
    told.send(record("a", "forget"), W)?;
    assert_eq!((told.state("a", W)?.as_str(), told.event_time_ms("a", W)), ("", None));
    Ok(())
}

#[test]
fn an_element_that_fails_changes_nothing_and_is_told_with_the_window_it_came_with() -> Result<()> {
    let mut told = TriggerHarness::<Told>::new("{}")?;
    told.send(record("a", "at 70"), W)?;
    let failed = told.send(record("a", "bad"), W).unwrap_err();
    assert_eq!(failed.message(), "as asked with `bad` in Window { start_ms: 0, end_ms: 100 }");
    let verdicts = told.send_all(["x", "bad", "bad", "y"].map(|value| (record("b", value), W)))?;
    assert_eq!(verdicts.iter().map(Result::is_err).collect::<Vec<_>>(), [false, true, true, false]);
    assert!(verdicts[2].as_ref().unwrap_err().message().starts_with("as asked with `xbad`"));
    assert_eq!((told.state("a", W)?.as_str(), told.event_time_ms("a", W)), ("", Some(70)));
    assert_eq!(told.state("b", W)?, "xy");
    Ok(())
}

#[test]
fn times_are_asked_about_in_order_and_once() -> Result<()> {
    let mut told = TriggerHarness::<Told>::new("{}")?;
    for (key, value) in [("a", "x"), ("a", "at 60"), ("b", "once-more"), ("c", "after 5")] {
        told.send(record(key, value), W)?;
    }
    let asked = |asked: Vec<millstream_guest::testing::Asked>| -> Vec<(String, i64, Verdict)> {
        let of = |asked: millstream_guest::testing::Asked| {
            (String::from_utf8(asked.key).unwrap(), asked.time_ms, asked.verdict)
        };
        asked.into_iter().map(of).collect()
    };
    let fires = |key: &str, time_ms| (key.to_owned(), time_ms, Verdict::FireAndPurge);
    assert_eq!(asked(told.advance_watermark_ms(59)?), [fires("b", 1), fires("b", 10)]);
    assert_eq!(asked(told.advance_watermark_ms(99)?), [fires("a", 60)]);
    assert_eq!(told.state("a", W)?, "x@60/99");
    assert_eq!(asked(told.advance_now_ms(4)?), []);
    assert_eq!(asked(told.advance_now_ms(5)?), [("c".to_owned(), 5, Verdict::Purge)]);
    told.send(record("d", "again"), W)?;
    let refused = told.advance_watermark_ms(100).unwrap_err();
    assert!(refused.message().contains("asked again at 1, which is not later"), "{refused}");
    Ok(())
}

#[test]
fn panes_that_become_one_are_passed_with_what_they_had() -> Result<()> {
    let mut told = TriggerHarness::<Told>::new("{}")?;
    let (first, second, both) = (Window::new(0, 10), Window::new(5, 20), Window::new(0, 20));
    told.send(record("a", "x"), first)?;
    told.send(record("a", "at 7"), second)?;
    assert_eq!(told.merge("a", &[first, second], both)?, Verdict::Fire);
    assert_eq!((told.state("a", both)?.as_str(), told.event_time_ms("a", both)), ("x05", Some(1)));
    assert_eq!((told.state("a", first)?.as_str(), told.event_time_ms("a", second)), ("", None));
    Ok(())
}

/// Fires by no more than `on_element`.
#[derive(Default)]
struct Always;

#[trigger]
impl Trigger for Always {
    fn on_element(&mut self, _: Record<'_>, _: &mut TriggerPane<'_, ()>) -> Result<Verdict> {
        Ok(Verdict::Fire)
    }
}

#[test]
fn a_trigger_without_on_merge_says_so_when_windows_merge() -> Result<()> {
    let mut always = TriggerHarness::<Always>::new("{}")?;
    assert_eq!(always.send(record("a", ""), W)?, Verdict::Fire);
    assert!(always.merge("a", &[W], W).unwrap_err().message().contains("no `fn on_merge`"));
    Ok(())
}

/// Emits each record as it comes, but for those that are held back until the end.
#[derive(Default)]
struct Hold;

#[window_function]
impl WindowFunction for Hold {
    type Gathered = Vec<String>;

    fn begin(&mut self, pane: &FiredPane) -> Result<Vec<String>> {
        ensure!(pane.key() != b"unwanted", "nobody wants it");
        Ok(Vec::new())
    }

    fn element(&mut self, held: &mut Vec<String>, record: Record<'_>, pane: &mut FiredPane) -> Result<()> {
        match record.text()?.strip_prefix("hold ") {
            Some(text) => held.push(text.to_owned()),
            None => pane.emit(record.value().filter(|value| !value.is_empty()).map(millstream_guest::Bytes))?,
        }
        ensure!(record.value() != Some(b"bad"), "as asked");
        Ok(())
    }

    fn end(&mut self, held: Vec<String>, pane: &mut FiredPane) -> Result<()> {
        let told = (pane.key_str()?.to_owned(), pane.window().end_ms, pane.elements(), pane.watermark_ms(), held);
        pane.emit(Json(told))
    }
}

#[test]
fn a_window_function_emits_on_the_way_and_at_the_end() -> Result<()> {
    let mut hold = WindowFunctionHarness::<Hold>::new("{}")?;
    hold.set_watermark_ms(99);
    let told = hold.fire("k", W, ["a", "hold b", "", "hold c", "d"].map(Input::bytes))?;
    let told: Vec<_> = told.iter().map(|told| told.text()).collect();
    assert_eq!(told, [Some("a"), None, Some("d"), Some(r#"["k",100,5,99,["b","c"]]"#)]);
    assert_eq!(hold.fire("k", W, ["a", "bad", "b"].map(Input::bytes)).unwrap_err().message(), "as asked");
    assert_eq!(hold.fire("k", W, [])?.len(), 1, "nothing is left of the pane before");
    Ok(())
}

/// Counts records; idle after "rest".
#[derive(Default)]
struct Count;

#[watermark_generator(every = "250ms")]
impl WatermarkGenerator for Count {
    type State = u64;

    fn on_record(&mut self, record: Record<'_>, partition: &mut Partition<u64>) -> Result<()> {
        partition.state += 1;
        partition.advance_ms(record.timestamp_ms());
        match record.text()? {
            "rest" => partition.set_idle(),
            "reset" => partition.state = 0,
            "bad" => fail!("as asked"),
            _ => {}
        }
        Ok(())
    }

    fn on_time(&mut self, partition: &mut Partition<u64>) -> Result<()> {
        partition.advance_ms((partition.state * 1000) as i64 + partition.now_ms());
        Ok(())
    }
}

#[test]
fn a_generator_remembers_of_each_partition_and_never_goes_back() -> Result<()> {
    let mut count = WatermarkHarness::<Count>::new("{}")?;
    let at = |value: &str, timestamp_ms| Input::bytes(value).timestamp_ms(timestamp_ms);
    count.read(0, [at("", 30), at("rest", 10)])?;
    count.read(1, [at("rest", 5), at("", 4)])?;
    assert_eq!((count.watermark_ms(0), count.watermark_ms(1)), (Some(30), Some(5)));
    assert_eq!((count.is_idle(0), count.is_idle(1)), (true, false), "what the last record says");
    count.advance_now_ms(249)?;
    assert_eq!(count.watermark_ms(0), Some(30));
    count.advance_now_ms(250)?;
    assert_eq!(count.watermark_ms(0), Some(2250));
    assert!(count.is_idle(0), "until records come");
    count.read(0, [at("reset", 0)])?;
    assert!(!count.is_idle(0), "a record came");
    count.advance_now_ms(500)?;
    assert_eq!((count.watermark_ms(0), count.watermark_ms(1)), (Some(2250), Some(2500)));
    assert_eq!(count.read(0, [at("bad", 0)]).unwrap_err().message(), "as asked");
    Ok(())
}

#[test]
fn what_is_declared_is_what_the_attributes_say() {
    use assignment::Guest as _;
    use firing::Guest as _;
    use function::Guest as _;
    use watermarks::Guest as _;

    let assigner = AssignerComponent::<Listed>::describe();
    assert_eq!((assigner.merges, assigner.config_schema.as_deref()), (true, Some("{}")));
    let trigger = TriggerComponent::<Told>::describe();
    assert_eq!((trigger.schema_version, trigger.config_schema), (4, None));
    assert_eq!(TriggerComponent::<Always>::describe().schema_version, 1);
    assert_eq!(FunctionComponent::<Hold>::describe().config_schema, None);
    assert_eq!(WatermarkComponent::<Count>::describe().every_ms, Some(250));
    assert_eq!(<Count as WatermarkGenerator>::EVERY, Some(Duration::from_millis(250)));
}

fn batch(values: &[&str]) -> RecordBatch {
    let column = |values: Vec<Option<&[u8]>>| values.into_iter().collect::<millstream_guest::ColumnBuilder>().finish();
    RecordBatch {
        count: values.len() as u32,
        keys: column(vec![Some(b"k"); values.len()]),
        values: column(values.iter().map(|value| Some(value.as_bytes())).collect()),
        timestamps: vec![0; values.len() * 8],
        ..RecordBatch::empty()
    }
}

/// The bytes that cross, since the host reads them and the harness would not notice if both sides were wrong.
#[test]
fn columns_cross_as_the_contract_says() {
    use assignment::Guest as _;
    type Assigner = AssignerComponent<Listed>;
    Assigner::configure("{}".into()).unwrap();
    let assigned = Assigner::assign(batch(&["[[0,1],[2,3]]", "[[6,7],[8,8]]", "[[4,5]]"]), 0).unwrap();
    let indices = |rows: &[u32]| rows.iter().flat_map(|row| row.to_le_bytes()).collect::<Vec<_>>();
    let times = |times: &[i64]| times.iter().flat_map(|time| time.to_le_bytes()).collect::<Vec<_>>();
    assert_eq!(assigned.rows, indices(&[0, 0, 2]));
    assert_eq!((assigned.windows.starts, assigned.windows.ends), (times(&[0, 2, 4]), times(&[1, 3, 5])));
    assert_eq!((assigned.failures.records, Column::new(&assigned.failures.reasons).len()), (indices(&[1]), 1));

    use firing::Guest as _;
    type Component = TriggerComponent<Told>;
    Component::configure("{}".into()).unwrap();
    let window = |count: usize, end: i64| millstream_guest::contract::window::WindowColumn {
        starts: times(&vec![0; count]),
        ends: times(&vec![end; count]),
    };
    let panes = firing::Panes {
        keys: batch(&["", ""]).keys,
        windows: window(2, 9),
        states: [Some(&b"old"[..]), None].into_iter().collect::<millstream_guest::ColumnBuilder>().finish(),
        event_times: times(&[i64::MAX, 3]),
        processing_times: times(&[4, i64::MAX]),
        now: 0,
        watermark: i64::MIN,
    };
    let elements = firing::Elements {
        batch: batch(&["x", "fire", "bad", "purge"]),
        rows: indices(&[0, 1, 2, 3]),
        panes: indices(&[0, 1, 1, 0]),
        windows: window(4, 5),
    };
    let answer = Component::on_elements(panes, elements).unwrap();
    assert_eq!(answer.verdicts, [0, 1, 0, 2]);
    assert_eq!(Column::new(&answer.states).iter().collect::<Vec<_>>(), [Some(&b"oldx"[..]), None]);
    assert_eq!((answer.event_times, answer.processing_times), (times(&[1, 3]), times(&[4, i64::MAX])));
    assert_eq!(answer.failures.records, indices(&[2]));
    let reason = Column::new(&answer.failures.reasons).get(0).unwrap();
    assert!(reason.ends_with(b"end_ms: 5 }"), "the window is the one that the pane had with the element");

    use watermarks::Guest as _;
    type Generator = WatermarkComponent<Count>;
    assert!(Generator::on_time(vec![], 0).unwrap_err().contains("`configure`"), "the instance is of another world");
    Generator::configure("{}".into()).unwrap();
    let progress = Generator::on_records(vec![], batch(&["", "rest"]), 0).unwrap();
    assert_eq!((progress.state, progress.watermark, progress.idle), (2_u64.to_le_bytes().to_vec(), Some(0), true));
    assert!(Generator::on_time(vec![1], 0).unwrap_err().contains("does not decode"));
    let reset = Generator::on_records(vec![], batch(&["reset"]), 0).unwrap();
    assert!(reset.state.is_empty(), "the default is not stored");

    use function::Guest as _;
    type Function = FunctionComponent<Hold>;
    Function::configure("{}".into()).unwrap();
    assert!(Function::end().unwrap_err().contains("not begun"));
    let pane = function::Pane { key: b"k".into(), start: 0, end: 9, elements: 1, now: 0, watermark: i64::MIN };
    Function::begin(pane.clone()).unwrap();
    let unwanted = function::Pane { key: b"unwanted".into(), ..pane.clone() };
    assert_eq!(Function::begin(unwanted).unwrap_err(), "nobody wants it");
    assert!(Function::elements(batch(&["a"])).unwrap_err().contains("not begun"), "nor is the one before in hand");
    Function::begin(pane).unwrap();
    let emitted: BytesColumn = Function::elements(batch(&["a", ""])).unwrap();
    assert_eq!(Column::new(&emitted).iter().collect::<Vec<_>>(), [Some(&b"a"[..]), None]);
    assert_eq!(Column::new(&Function::end().unwrap()).get(0), Some(&br#"["k",9,1,null,[]]"#[..]));
}
