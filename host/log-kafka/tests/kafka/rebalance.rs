use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use millstream_log::{
    Log, PollEvent, Routing,
    contract::{Worker as Member, until},
};
use millstream_log_kafka::{Assignor, GroupProtocol, KafkaConfig, KafkaLog};

use crate::{
    harness::{Broker, PATIENCE, assigned, batch, read_values, spec, write},
    worker::{Progress, Worker, check_copies},
};

const RECORDS: usize = 30_000;

/// How often a member comes and goes.
const GUESTS: usize = 5;

fn wait_until(what: &str, mut there: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !there() {
        ensure!(Instant::now() < deadline, "{what} is waited for in vain");
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// One worker begins, a second joins, the first goes away in the middle of a transaction, a third joins.
fn transfer(broker: &Broker, config: KafkaConfig) -> Result<()> {
    let log = KafkaLog::connect(config)?;
    let (input, output) = (broker.topic(&log, "input", 6)?, broker.topic(&log, "output", 4)?);
    let group = broker.fresh("group");
    let worker = |name: &str| {
        let mut spec = spec(&group, name, &[&input]);
        spec.max_batch_records = 100;
        Worker { log: &log, spec, output: output.clone() }
    };
    let (first, second, third) = (worker("a"), worker("b"), worker("c"));
    let stops: [AtomicBool; 3] = Default::default();
    let progress: [Progress; 3] = Default::default();
    let produce = |from: usize| {
        for chunk in (from..from + RECORDS / 3).collect::<Vec<_>>().chunks(500) {
            write(&log, &input, &batch(chunk.iter().map(|n| (n.to_string(), format!("{n:06}")))))?;
        }
        anyhow::Ok(())
    };
    thread::scope(|scope| {
        let threads = [
            scope.spawn(|| first.run(&stops[0], true, &progress[0])),
            scope.spawn(|| {
                wait_until("the first worker", || {
                    progress[0].copied.load(Ordering::Relaxed) > 0 || stops[1].load(Ordering::Relaxed)
                })?;
                second.run(&stops[1], false, &progress[1])
            }),
            scope.spawn(|| {
                wait_until("the second worker", || {
                    progress[1].copied.load(Ordering::Relaxed) > 0 || stops[2].load(Ordering::Relaxed)
                })?;
                third.run(&stops[2], false, &progress[2])
            }),
        ];
        let copied = (|| {
            produce(0)?;
            produce(RECORDS / 3)?;
            wait_until("the second worker's share", || progress[1].copied.load(Ordering::Relaxed) > 0)?;
            stops[0].store(true, Ordering::Relaxed);
            produce(RECORDS / 3 * 2)?;
            check_copies(&log, &output, RECORDS)
        })();
        stops.iter().for_each(|stop| stop.store(true, Ordering::Relaxed));
        let ended: Result<Vec<()>> =
            threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a worker panicked"))?).collect();
        copied.with_context(|| format!("{progress:?}")).and(ended)
    })?;
    // Nothing more came when the workers closed.
    check_copies(&log, &output, RECORDS)?;
    ensure!(progress.iter().any(|progress| progress.revoked.load(Ordering::Relaxed) > 0), "no rebalance: {progress:?}");
    Ok(())
}

pub fn in_the_middle_of_a_transfer_loses_and_doubles_nothing(broker: &Broker) -> Result<()> {
    transfer(broker, broker.config())
}

fn classic(broker: &Broker, assignor: Assignor) -> KafkaConfig {
    let mut config = KafkaConfig { group_protocol: GroupProtocol::Classic, assignor, ..broker.config() };
    config.properties.insert("session.timeout.ms".into(), "6000".into());
    config.properties.insert("heartbeat.interval.ms".into(), "500".into());
    config
}

pub fn works_with_the_classic_protocol(broker: &Broker) -> Result<()> {
    transfer(broker, classic(broker, Assignor::Range))
}

pub fn works_with_cooperative_members(broker: &Broker) -> Result<()> {
    transfer(broker, classic(broker, Assignor::CooperativeSticky))
}

/// A second session joins one that has four partitions: two of them are revoked, or all, as the protocol has it.
pub fn leaves_partitions_that_stay_alone(broker: &Broker) -> Result<()> {
    for (config, wanted) in
        [(broker.config(), 2), (classic(broker, Assignor::CooperativeSticky), 2), (classic(broker, Assignor::Range), 4)]
    {
        let what = format!("{:?}, {:?}", config.group_protocol, config.assignor);
        let log = KafkaLog::connect(config)?;
        let input = broker.topic(&log, "input", 4)?;
        let group = broker.fresh("group");
        let mut first = log.session(&spec(&group, "a", &[&input]))?;
        assigned(&mut *first, 4)?;
        let mut second = log.session(&spec(&group, "b", &[&input]))?;
        let deadline = Instant::now() + PATIENCE;
        let mut revoked = Vec::new();
        let mut came = Vec::new();
        while came.len() < 2 {
            ensure!(Instant::now() < deadline, "{what}: only {came:?} came to the second session");
            match first.poll(Duration::from_millis(20))? {
                PollEvent::Revoked(partitions) => {
                    first.release(&partitions)?;
                    revoked.extend(partitions);
                }
                event => ensure!(matches!(event, PollEvent::Idle | PollEvent::Assigned(_)), "{what}: {event:?}"),
            }
            if let PollEvent::Assigned(partitions) = second.poll(Duration::from_millis(20))? {
                came.extend(partitions);
            }
        }
        ensure!(revoked.len() == wanted, "{what}: {revoked:?} were revoked");
        second.close()?;
        first.close()?;
    }
    Ok(())
}

/// A member keeps committing while another one comes and goes: what stays with it is committed in every generation.
pub fn lets_members_commit_that_keep_their_partitions(broker: &Broker) -> Result<()> {
    for config in [broker.config(), classic(broker, Assignor::CooperativeSticky)] {
        let what = format!("{:?}", config.group_protocol);
        let log = KafkaLog::connect(config)?;
        let (input, output) = (broker.topic(&log, "input", 4)?, broker.topic(&log, "output", 2)?);
        let group = broker.fresh("group");
        let mut first = Member::open(&log, &spec(&group, "a", &[&input])).join(4);
        let (is_over, mut written) = (AtomicBool::new(false), 0);
        thread::scope(|scope| {
            let comes_and_goes = scope.spawn(|| {
                for _ in 0..GUESTS {
                    let mut guest = Member::open(&log, &spec(&group, "b", &[&input]));
                    until("the guest has two", || {
                        guest.step(Duration::from_millis(20)).unwrap();
                        guest.assigned.len() == 2 || is_over.load(Ordering::Relaxed)
                    });
                    guest.session.close().unwrap();
                }
            });
            let mut commit = || {
                first.step(Duration::ZERO)?;
                first.session.append(&output, Routing::ByKey, &batch([(written.to_string(), written.to_string())]))?;
                let positions: Vec<_> = first.assigned.iter().map(|partition| (partition.clone(), 0)).collect();
                first.session.commit(&positions).with_context(|| format!("{what}: commit {written}"))?;
                written += 1;
                anyhow::Ok(())
            };
            let mut committed = Ok(());
            while committed.is_ok() && !comes_and_goes.is_finished() {
                committed = commit();
            }
            is_over.store(true, Ordering::Relaxed);
            comes_and_goes.join().map_err(|_| anyhow!("the guest panicked")).and(committed)
        })?;
        first.session.close()?;
        let mut found = read_values(&log, &output, written)?;
        found.sort_by_key(|value| value.parse::<usize>().ok());
        ensure!(
            found == (0..written).map(|n| n.to_string()).collect::<Vec<_>>(),
            "{what}: {} of {written}",
            found.len()
        );
    }
    Ok(())
}

/// With the older protocol everything is taken from everybody, held back or not, and given out again.
pub fn lets_go_of_what_was_held_back(broker: &Broker) -> Result<()> {
    let log = KafkaLog::connect(classic(broker, Assignor::Range))?;
    let input = broker.topic(&log, "input", 2)?;
    let group = broker.fresh("group");
    let mut first = Member::open(&log, &spec(&group, "a", &[&input])).join(2);
    let both: Vec<_> = first.assigned.iter().cloned().collect();
    first.session.hold_back(&both)?;
    let mut second = Member::open(&log, &spec(&group, "b", &[&input]));
    until("each has one", || {
        for member in [&mut first, &mut second] {
            member.step(Duration::from_millis(20)).unwrap();
        }
        first.assigned.len() == 1 && second.assigned.len() == 1
    });
    second.session.close()?;
    first = first.join(2);
    for partition in [0, 1] {
        let mut writer = log.writer()?;
        writer.write(&input, Routing::To(partition), &batch([("key", "value")]))?;
        writer.flush()?;
    }
    first.read(2);
    Ok(first.session.close()?)
}

/// Of two revoked partitions one is released: neither goes to the other session before the second is.
pub fn waits_for_the_release_of_every_partition(broker: &Broker) -> Result<()> {
    let log = broker.log()?;
    let left: Arc<str> = broker.topic(&log, "left", 2)?;
    let right: Arc<str> = broker.topic(&log, "right", 2)?;
    let group = broker.fresh("group");
    let mut first = log.session(&spec(&group, "a", &[&left, &right]))?;
    ensure!(assigned(&mut *first, 4)?.len() == 4);
    let mut second = log.session(&spec(&group, "b", &[&left, &right]))?;
    let deadline = Instant::now() + PATIENCE;
    let revoked = loop {
        ensure!(Instant::now() < deadline, "nothing was revoked");
        ensure!(matches!(second.poll(Duration::from_millis(10))?, PollEvent::Idle));
        if let PollEvent::Revoked(revoked) = first.poll(Duration::from_millis(100))? {
            break revoked;
        }
    };
    // Co-partitioned topics stay together.
    ensure!(revoked.len() == 2 && revoked[0].partition == revoked[1].partition, "{revoked:?}");
    first.release(&revoked[..1])?;
    let until = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < until {
        ensure!(matches!(first.poll(Duration::from_millis(50))?, PollEvent::Idle));
        let event = second.poll(Duration::from_millis(50))?;
        ensure!(matches!(event, PollEvent::Idle), "{event:?} while a partition is not released");
    }
    first.release(&revoked[1..])?;
    let mut expected = revoked;
    expected.sort();
    let came = loop {
        ensure!(Instant::now() < deadline, "what was released came to nobody");
        ensure!(matches!(first.poll(Duration::from_millis(10))?, PollEvent::Idle));
        if let PollEvent::Assigned(mut came) = second.poll(Duration::from_millis(10))? {
            came.sort();
            break came;
        }
    };
    ensure!(came == expected, "{came:?} where {expected:?} was released");
    second.close()?;
    ensure!(assigned(&mut *first, 2)? == expected, "they come back");
    first.close()?;
    Ok(())
}
