use anyhow::{Result, ensure};
use serde_json::Value;

use crate::{call, call_with, write};

#[test]
fn topics_of_a_directory_are_made_filled_read_and_deleted() -> Result<()> {
    let place = tempfile::tempdir()?;
    let path = place.path();
    ensure!(call(path, "topic list -o json")?.expect(0)?.json()? == serde_json::json!([]));
    call(path, "topic create people --partitions 3")?.expect(0)?;
    ensure!(call(path, "topic create people --partitions 3 -o json")?.expect(0)?.json()?["created"] == false);
    call(path, "topic create people --partitions 2")?.expect(1)?.tells(&["people", "3"])?;
    call(path, "topic create people --partitions none")?.expect(2)?;

    let lines: String = (0..2500).map(|id| format!("{{\"id\":{id},\"name\":\"n{}\"}}\n", id % 7)).collect();
    let wrote = call_with(path, "topic produce people --key /name -o json", &lines)?.expect(0)?.json()?;
    ensure!(wrote["records"] == 2500, "{wrote}");
    write(path, "more.txt", "k=v\n")?;
    call(path, "topic produce people --separator = --file more.txt")?.expect(0)?;
    let read = call(path, "topic consume people -o json")?.expect(0)?;
    let records = read.lines().iter().map(|line| Ok(serde_json::from_str(line)?)).collect::<Result<Vec<Value>>>()?;
    ensure!(records.len() == 2501, "{}", records.len());
    // A key stays in one partition, in order.
    for name in ["n0", "n3", "n6"] {
        let of_key: Vec<_> = records.iter().filter(|record| record["key"] == name).collect();
        let partitions: std::collections::BTreeSet<_> =
            of_key.iter().map(|record| record["partition"].as_u64()).collect();
        let sorted = of_key.is_sorted_by_key(|record| record["offset"].as_u64());
        ensure!(partitions.len() == 1 && sorted && of_key.len() > 300, "{name}: {partitions:?}");
    }
    ensure!(call(path, "topic consume people -n 5")?.expect(0)?.lines().len() == 5);
    let listed = call(path, "topic list -o json")?.expect(0)?.json()?;
    ensure!(listed[0]["topic"] == "people" && listed[0]["records"] == 2501, "{listed}");
    ensure!(call(path, "topic list")?.expect(0)?.stdout.contains("people"));

    call(path, "topic delete people")?.expect(0)?;
    for command in ["topic delete people", "topic consume people", "topic produce people"] {
        call(path, command)?.expect(1)?.tells(&["there is no topic `people`", "hint: "])?;
    }
    Ok(())
}

#[test]
fn completions_and_the_schema_are_what_they_say() -> Result<()> {
    let place = tempfile::tempdir()?;
    let path = place.path();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        ensure!(call(path, &format!("completions {shell}"))?.expect(0)?.stdout.contains("millstream"), "{shell}");
    }
    call(path, "completions csh")?.expect(2)?;
    let committed = std::fs::read_to_string(millstream_tests::repository().join("docs/pipeline.schema.json"))?;
    ensure!(
        call(path, "schema")?.expect(0)?.json()? == serde_json::from_str::<Value>(&committed)?,
        "the committed schema is another"
    );
    Ok(())
}
