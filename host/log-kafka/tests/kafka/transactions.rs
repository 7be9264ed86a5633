use anyhow::{Result, ensure};
use millstream_log::{DeliveryGuarantee, ErrorKind, Log, Routing};
use millstream_types::TopicPartition;

use crate::harness::{Broker, assigned, batch, polled, read_all, read_values, spec, values, write};

pub fn show_everything_or_nothing(broker: &Broker) -> Result<()> {
    let log = broker.log()?;
    let (input, output) = (broker.topic(&log, "input", 1)?, broker.topic(&log, "output", 3)?);
    let mut session = log.session(&spec(&broker.fresh("group"), "w", &[&input]))?;
    session.append(&output, Routing::ByKey, &batch((0..100).map(|n| (n.to_string(), "aborted"))))?;
    session.abort()?;
    session.append(&output, Routing::To(2), &batch((0..100).map(|n| (n.to_string(), "committed"))))?;
    ensure!(read_all(&log, &output)?.is_empty(), "open transactions are not seen");
    session.commit(&[])?;
    ensure!(read_values(&log, &output, 100)? == vec!["committed"; 100]);
    ensure!(read_all(&log, &output)?.iter().all(|fetched| fetched.partition.partition == 2));
    session.append(&output, Routing::ByKey, &batch([("k", "dropped")]))?;
    session.close()?;
    ensure!(read_values(&log, &output, 100)?.len() == 100, "closing drops what is not committed");
    Ok(())
}

pub fn carry_the_positions(broker: &Broker) -> Result<()> {
    let log = broker.log()?;
    let (input, output) = (broker.topic(&log, "input", 1)?, broker.topic(&log, "output", 1)?);
    let group = broker.fresh("group");
    write(&log, &input, &batch((0..10).map(|n| (n.to_string(), n.to_string()))))?;
    let at = TopicPartition::new(input.clone(), 0);

    let mut session = log.session(&spec(&group, "w", &[&input]))?;
    assigned(&mut *session, 1)?;
    ensure!(session.committed(std::slice::from_ref(&at))? == [None]);
    let fetched = polled(&mut *session, 10)?;
    session.append(&output, Routing::ByKey, &fetched[0].batch)?;
    session.commit(&[(at.clone(), 4)])?;
    session.append(&output, Routing::ByKey, &batch([("k", "not committed")]))?;
    session.close()?;

    let mut session = log.session(&spec(&group, "w", &[&input]))?;
    assigned(&mut *session, 1)?;
    ensure!(session.committed(std::slice::from_ref(&at))? == [Some(4)]);
    let again = polled(&mut *session, 6)?;
    ensure!(values(&again) == ["4", "5", "6", "7", "8", "9"], "{:?}", values(&again));
    // Positions alone are a commit as well.
    session.commit(&[(at.clone(), 10)])?;
    ensure!(session.committed(&[at])? == [Some(10)]);
    session.close()?;
    Ok(())
}

pub fn of_a_zombie_are_fenced(broker: &Broker) -> Result<()> {
    let log = broker.log()?;
    let (input, output) = (broker.topic(&log, "input", 1)?, broker.topic(&log, "output", 1)?);
    let group = broker.fresh("group");
    let mut zombie = log.session(&spec(&group, "host-a/0", &[&input]))?;
    zombie.append(&output, Routing::ByKey, &batch([("k", "zombie")]))?;
    let mut owner = log.session(&spec(&group, "host-a/0", &[&input]))?;
    owner.append(&output, Routing::ByKey, &batch([("k", "owner")]))?;
    owner.commit(&[])?;
    let error = zombie
        .append(&output, Routing::ByKey, &batch([("k", "zombie")]))
        .and_then(|()| zombie.commit(&[]).map(drop))
        .unwrap_err();
    ensure!(error.kind == ErrorKind::Fenced, "{error:?}");
    let error = zombie.commit(&[]).unwrap_err();
    ensure!(error.kind == ErrorKind::Fenced, "a fenced session stays dead: {error:?}");
    drop(zombie);
    ensure!(read_values(&log, &output, 1)? == ["owner"]);
    owner.close()?;
    Ok(())
}

pub fn may_be_aborted_and_read_again(broker: &Broker) -> Result<()> {
    let log = broker.log()?;
    let (input, output) = (broker.topic(&log, "input", 2)?, broker.topic(&log, "output", 1)?);
    write(&log, &input, &batch((0..100).map(|n| (n.to_string(), format!("{n:03}")))))?;
    let mut session = log.session(&spec(&broker.fresh("group"), "w", &[&input]))?;
    let partitions = assigned(&mut *session, 2)?;
    let first = polled(&mut *session, 100)?;
    session.append(&output, Routing::ByKey, &first[0].batch)?;
    session.abort()?;
    let positions = session.committed(&partitions)?;
    session.start(&partitions.iter().cloned().zip(positions).collect::<Vec<_>>())?;
    let again = polled(&mut *session, 100)?;
    let mut all = values(&again);
    all.sort();
    ensure!(all.into_iter().eq((0..100).map(|n| format!("{n:03}"))));
    for fetched in &again {
        session.append(&output, Routing::ByKey, &fetched.batch)?;
    }
    session
        .commit(&again.iter().map(|fetched| (fetched.partition.clone(), fetched.next_offset)).collect::<Vec<_>>())?;
    ensure!(read_values(&log, &output, 100)?.len() == 100);
    session.close()?;
    Ok(())
}

pub fn are_not_needed_at_least_once(broker: &Broker) -> Result<()> {
    let log = broker.log()?;
    let (input, output) = (broker.topic(&log, "input", 1)?, broker.topic(&log, "output", 1)?);
    let group = broker.fresh("group");
    write(&log, &input, &batch([("a", "1"), ("b", "2")]))?;
    let mut relaxed = spec(&group, "w", &[&input]);
    relaxed.guarantee = DeliveryGuarantee::AtLeastOnce;
    let mut session = log.session(&relaxed)?;
    let partitions = assigned(&mut *session, 1)?;
    for fetched in polled(&mut *session, 2)? {
        session.append(&output, Routing::ByKey, &fetched.batch)?;
    }
    session.commit(&[(partitions[0].clone(), 2)])?;
    ensure!(read_values(&log, &output, 2)? == ["1", "2"]);
    ensure!(session.committed(&partitions)? == [Some(2)]);
    session.append(&output, Routing::ByKey, &batch([("c", "left at once")]))?;
    session.abort()?;
    session.close()?;
    ensure!(read_values(&log, &output, 3)?.len() == 3);
    Ok(())
}
