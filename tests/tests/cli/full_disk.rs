use std::fs;

use anyhow::{Result, ensure};
use millstream_tests::{SmallDisk, run};

use crate::{call, write};

const RECORDS: usize = 40_000;

#[test]
fn a_full_disk_is_said_so_and_loses_nothing() -> Result<()> {
    let Some(disk) = SmallDisk::mount("192m")? else {
        eprintln!("skipped: mounting a small file system takes root");
        return Ok(());
    };
    let place = tempfile::tempdir()?;
    let data = disk.path().join("data").display().to_string();
    // Nothing in it repeats, so that it takes its space however it is stored.
    let mut random = 1_u64;
    let mut word = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{random:016x}")
    };
    let lines: String = (0..RECORDS)
        .map(|id| {
            let noise: String = (0..32).map(|_| word()).collect();
            format!("{{\"id\":{id},\"noise\":\"{noise}\"}}\n")
        })
        .collect();
    write(place.path(), "in.jsonl", &lines)?;
    let yaml = "pipeline: p\nsources: { in: { file: { path: in.jsonl } } }\nsinks: { out: { from: in, topic: out, partitions: 1 } }\n\
                commit: { interval: 20ms }\nretry: { attempts: 2, backoff: 20ms }\n";
    write(place.path(), "p.yaml", yaml)?;
    run(place.path(), &["topic", "create", "out", "--data-dir", &data], "")?.expect(0)?;
    let filler = disk.fill(6 << 20)?;

    let full = run(place.path(), &["run", "p.yaml", "--data-dir", &data], "")?.expect(1)?;
    full.tells(&["pipeline `p` failed: ", "is full: free space and start again"])?;

    fs::remove_file(filler)?;
    run(place.path(), &["run", "p.yaml", "--data-dir", &data], "")?.expect(0)?;
    let out = call(place.path(), &format!("topic consume out --data-dir {data}"))?.expect(0)?.stdout;
    ensure!(out == lines, "{} of {RECORDS} records, or others", out.lines().count());
    Ok(())
}
