use std::{
    collections::BTreeMap,
    io::Write,
    process::{Command, Stdio},
};

use anyhow::{Result, ensure};

use crate::harness::{Broker, batch, read_all, repository, write};

/// The same keys, once by Kafka's own console producer and once by this crate, land alike.
pub fn is_that_of_the_java_client(broker: &Broker) -> Result<()> {
    let log = broker.log()?;
    let (java, ours) = (broker.topic(&log, "java", 7)?, broker.topic(&log, "ours", 7)?);
    let keys: Vec<String> = (0..300).map(|n| format!("user-{}", n * 7919)).chain(["ä".into(), "0".into()]).collect();

    let mut producer = Command::new(repository().join("scripts/kafka"))
        .args(["tool", "org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", "@bootstrap", "--topic", &java])
        .args(["--property", "parse.key=true", "--property", "key.separator=:"])
        .env("MILLSTREAM_KAFKA", &broker.servers)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut input = producer.stdin.take().unwrap();
    for key in &keys {
        writeln!(input, "{key}:v")?;
    }
    drop(input);
    ensure!(producer.wait()?.success());

    write(&log, &ours, &batch(keys.iter().map(|key| (key, "v"))))?;
    let placed = |topic: &str| -> Result<BTreeMap<Vec<u8>, u32>> {
        let mut placed = BTreeMap::new();
        for fetched in read_all(&log, topic)? {
            for key in fetched.batch.keys.iter().flatten() {
                placed.insert(key.to_vec(), fetched.partition.partition);
            }
        }
        Ok(placed)
    };
    let (java, ours) = (placed(&java)?, placed(&ours)?);
    ensure!(java.len() == keys.len() && java == ours, "{java:?}\n{ours:?}");
    Ok(())
}
