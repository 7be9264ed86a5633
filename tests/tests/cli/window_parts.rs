//! Parts of windows and watermark generators as components: each in a pipeline, under `millstream test`. Those that are
//! written in several languages behave the same.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use millstream_tests::{operators_of, repository};

use crate::{call, passes, write};

/// What an assigner, a trigger, a window function and a generator are written in.
const LANGUAGES: [&str; 2] = ["rust", "c"];

/// A part as it is written in a language: a component, or a project that is built.
fn part_in(language: &str, part: &str) -> Result<PathBuf> {
    Ok(match language {
        "rust" => operators_of("tests/guests")?.join(part.replace('-', "_")).with_extension("wasm"),
        _ => repository().join("tests/conformance/operators").join(language).join("windows").join(part),
    })
}

/// Writes a pipeline over payments with `steps`, of which `told` is one, and the part that it names.
fn pipeline(place: &Path, watermark: &str, steps: &str, language: &str, part: &str) -> Result<()> {
    let mut text = format!(
        "pipeline: spend
sources: {{ payments: {{ topic: payments, watermark: {watermark} }} }}
steps:
{steps}
sinks:
  told: {{ from: told, topic: told }}
  late: {{ from: told.late, topic: late }}
dead-letter: {{ topic: dead }}
operators:
"
    );
    text.push_str(&format!("  {part}@1.0.0: {}\n", part_in(language, part)?.display()));
    write(place, "pipeline.yaml", &text)
}

#[test]
fn an_aggregator_makes_results_of_slices_sessions_and_restored_state() -> Result<()> {
    let place = tempfile::tempdir()?;
    for (window, told) in [
        ("tumbling: 1h", vec![(0, 3_600_000, 2, "6"), (3_600_000, 7_200_000, 1, "0")]),
        (
            "hopping: 1h, every: 30m",
            vec![
                (-1_800_000, 1_800_000, 2, "6"),
                (0, 3_600_000, 2, "6"),
                (1_800_000, 5_400_000, 1, "0"),
                (3_600_000, 7_200_000, 1, "0"),
            ],
        ),
        ("session: 50m", vec![(600_000, 6_900_000, 3, "6")]),
    ] {
        let step = format!(
            "  told: {{ from: payments, key: /user, on-error: dead-letter, window: {{ {window} }}, aggregator: spread@1.0.0, config: {{ field: amount }} }}"
        );
        pipeline(place.path(), "{ out-of-order: 2h }", &step, "rust", "spread")?;
        let expected: Vec<String> = told
            .iter()
            .map(|(start, end, count, spread)| {
                format!(
                    "        - {{ key: anna, value: {{ key: anna, window_start: {start}, window_end: {end}, count: {count}, spread: {spread} }} }}\n"
                )
            })
            .collect();
        passes(
            place.path(),
            &format!(
                "partitions: 2
steps:
  - push:
      source: payments
      records:
        - {{ value: {{ user: anna, amount: 7 }}, timestamp: 25m }}
        - {{ value: {{ user: anna, nothing: 9 }}, timestamp: 26m }}
  - restart: {{ crash: true }}
  - push:
      source: payments
      records:
        - {{ value: {{ user: anna, amount: 3 }}, timestamp: 65m, partition: 1 }}
        - {{ value: {{ user: anna, amount: 1 }}, timestamp: 10m, partition: 1 }}
  - expect: {{ topic: dead, records: [{{ value: {{ user: anna, nothing: 9 }} }}] }}
  - watermark: {{ source: payments, time: end }}
  - expect:
      sink: told
      records:
{}",
                expected.concat()
            ),
        )?;
    }
    Ok(())
}

#[test]
fn an_assigner_says_which_windows_a_record_is_in() -> Result<()> {
    LANGUAGES.into_iter().try_for_each(assigner_in)
}

fn assigner_in(language: &str) -> Result<()> {
    let place = tempfile::tempdir()?;
    let step = "  told:
    from: payments
    key: /user
    on-error: dead-letter
    window: { assigner: fiscal-windows@1.0.0, config: { regions: { eu: 0 }, spans: [period, quarter] } }
    aggregate: { n: count() }";
    pipeline(place.path(), "{ out-of-order: 0s }", step, language, "fiscal-windows")?;
    passes(
        place.path(),
        "steps:
  - push:
      source: payments
      records:
        - { value: { user: anna, region: eu }, timestamp: 1d }
        - { value: { user: anna, region: mars }, timestamp: 2d }
        - { value: { user: anna, region: '' }, timestamp: 3d }
        - { value: { user: anna, region: eu }, timestamp: 30d }
  - expect: { topic: dead, records: [{ value: { user: anna, region: mars } }] }
  - watermark: { source: payments, time: end }
  - expect:
      sink: told
      records:
        - { value: { user: anna, window_start: 0, window_end: 2419200000, n: 1 } }
        - { value: { user: anna, window_start: 2419200000, window_end: 4838400000, n: 1 } }
        - { value: { user: anna, window_start: 0, window_end: 7862400000, n: 2 } }
  - push: { source: payments, records: [{ value: { user: anna, region: eu }, timestamp: 5d }] }
  - expect: { sink: late, records: [{ value: { user: anna, region: eu }, timestamp: 5d }] }
",
    )
}

#[test]
fn a_trigger_says_when_windows_fire_and_remembers_over_a_crash() -> Result<()> {
    LANGUAGES.into_iter().try_for_each(trigger_in)
}

fn trigger_in(language: &str) -> Result<()> {
    let place = tempfile::tempdir()?;
    for (window, early, last) in [
        ("tumbling: 1h", "window_start: 0, window_end: 3600000", "window_start: 0, window_end: 3600000"),
        ("session: 1h", "window_start: 60000, window_end: 4800000", "window_start: 60000, window_end: 5400000"),
    ] {
        let step = format!(
            "  told:
    from: payments
    key: /user
    on-error: dead-letter
    window: {{ {window}, trigger: {{ operator: threshold@1.0.0, config: {{ field: amount, limit: 10, purge: true }} }} }}
    aggregate: {{ spend: sum(/amount) }}"
        );
        pipeline(place.path(), "{ out-of-order: 0s }", &step, language, "threshold")?;
        passes(
            place.path(),
            &format!(
                "steps:
  - push:
      source: payments
      records:
        - {{ value: {{ user: anna, amount: 6 }}, timestamp: 1m }}
        - {{ value: {{ user: anna }}, timestamp: 2m }}
  - expect: {{ topic: dead, records: [{{ value: {{ user: anna }} }}] }}
  - expect: {{ sink: told, records: [] }}
  - restart: {{ crash: true }}
  - push: {{ source: payments, records: [{{ value: {{ user: anna, amount: 5 }}, timestamp: 20m }}] }}
  - expect: {{ sink: told, records: [{{ value: {{ user: anna, {early}, spend: 11 }} }}] }}
  - push: {{ source: payments, records: [{{ value: {{ user: anna, amount: 1 }}, timestamp: 30m }}] }}
  - expect: {{ sink: told, records: [] }}
  - watermark: {{ source: payments, time: 2h }}
  - expect: {{ sink: told, records: [{{ value: {{ user: anna, {last}, spend: 1 }} }}] }}
"
            ),
        )?;
    }
    Ok(())
}

#[test]
fn a_window_function_sees_all_records_of_a_window() -> Result<()> {
    LANGUAGES.into_iter().try_for_each(window_function_in)
}

fn window_function_in(language: &str) -> Result<()> {
    let place = tempfile::tempdir()?;
    let step = "  told:
    from: payments
    key: /user
    window: { tumbling: 1h }
    process: top-spender@1.0.0
    config: { field: amount, top: 2 }";
    pipeline(place.path(), "{ out-of-order: 0s }", step, language, "top-spender")?;
    passes(
        place.path(),
        "steps:
  - push:
      source: payments
      records:
        - { value: { user: anna, amount: 5 }, timestamp: 1m }
        - { value: { user: anna, amount: 9 }, timestamp: 2m }
  - restart: { crash: true }
  - push:
      source: payments
      records:
        - { value: { user: anna, amount: 7 }, timestamp: 3m }
        - { value: { user: ben, amount: 1 }, timestamp: 61m }
  - expect:
      sink: told
      records:
        - { key: anna, value: { user: anna, amount: 9 }, timestamp: 3599999 }
        - { key: anna, value: { user: anna, amount: 7 }, timestamp: 3599999 }
",
    )
}

#[test]
fn a_generator_says_how_far_event_time_is() -> Result<()> {
    LANGUAGES.into_iter().try_for_each(generator_in)
}

fn generator_in(language: &str) -> Result<()> {
    let place = tempfile::tempdir()?;
    let step = "  told: { from: payments, key: /user, window: { tumbling: 1h }, aggregate: { n: \"count() where /user != 'x'\" } }";
    let watermark = "{ generator: marker-watermarks@1.0.0, config: { idle_ms: 5000 }, idle: never }";
    pipeline(place.path(), watermark, step, language, "marker-watermarks")?;
    passes(
        place.path(),
        "partitions: 2
steps:
  - push:
      source: payments
      records:
        - { value: { user: anna }, timestamp: 1m, partition: 0 }
        - { value: { user: anna }, timestamp: 2h, partition: 1 }
  - expect: { sink: told, records: [] }
  - push: { source: payments, records: [{ value: { user: x, watermark_ms: 3600000 }, timestamp: 3h, partition: 1 }] }
  - expect: { sink: told, records: [] }
  - advance: 6s
  - push: { source: payments, records: [{ value: { user: x, watermark_ms: 3600000 }, timestamp: 3h, partition: 1 }] }
  - expect: { sink: told, records: [{ value: { user: anna, window_start: 0, window_end: 3600000, n: 1 } }] }
",
    )
}

#[test]
fn parts_that_do_not_fit_are_refused_with_the_step() -> Result<()> {
    let place = tempfile::tempdir()?;
    let case = "steps:\n  - watermark: { source: payments, time: end }\n";
    write(place.path(), "case.yaml", case)?;
    for (step, watermark, part, reason) in [
        (
            "window: { tumbling: 1h }, aggregator: PART, config: { field: '' }",
            "{}",
            "spread",
            "`field` must name a field",
        ),
        (
            "window: { tumbling: 1h }, aggregator: PART",
            "{}",
            "threshold",
            "of the world `trigger` and not of `aggregator`",
        ),
        (
            "window: { tumbling: 1h }, process: PART",
            "{}",
            "echo",
            "of the world `operator` and not of `process-window`",
        ),
        ("operator: PART", "{}", "spread", "of the world `aggregator` and not of `operator`"),
        (
            "window: { tumbling: 1h }, aggregate: { n: count() }",
            "{ generator: PART, config: { idle_ms: 0 } }",
            "marker-watermarks",
            "source payments: ",
        ),
    ] {
        let name = format!("{part}@1.0.0");
        let step = format!("  told: {{ from: payments, key: /user, {} }}", step.replace("PART", &name));
        pipeline(place.path(), &watermark.replace("PART", &name), &step, "rust", part)?;
        if step.contains("operator: ") {
            let text = fs::read_to_string(place.path().join("pipeline.yaml"))?;
            write(place.path(), "pipeline.yaml", &text.replace("  late: { from: told.late, topic: late }\n", ""))?;
        }
        let ran = call(place.path(), "test pipeline.yaml --case case.yaml")?;
        let said = format!("{}{}", ran.stdout, ran.stderr);
        ensure!(ran.code != Some(0) && said.contains(reason), "{step}: {ran:#?}");
    }
    Ok(())
}
