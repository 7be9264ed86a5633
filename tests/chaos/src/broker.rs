//! The broker: one real Kafka of the run's own, with a listener for each host's link.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    patience::{Seen, wait},
    process::Process,
};

/// Members that are silent for so long are given up, milliseconds.
pub const SESSION_TIMEOUT_MS: u64 = 3_000;

/// Where ports are looked for: below those that systems give to outgoing connections, so that none of them takes the
/// port of a broker that is down.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Ports that are free now.
///
/// # Errors
/// When there are too few.
pub fn free_ports(count: usize) -> Result<Vec<u16>> {
    // Runs beside each other begin in different places.
    let begin = PORTS.start + u16::try_from(std::process::id() % 10_000)?;
    let free: Vec<u16> =
        (begin..PORTS.end).chain(PORTS.start..begin).filter(|port| is_free(*port)).take(count).collect();
    ensure!(free.len() == count, "there are not {count} free ports in {PORTS:?}");
    Ok(free)
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

/// The way of one host to the broker.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// What the broker listens on.
    pub broker: u16,
    /// What it tells clients of that listener to connect to: the link.
    pub link: u16,
}

/// The broker.
pub struct Broker {
    command: Command,
    log: PathBuf,
    port: u16,
    process: Option<Process>,
}

impl Broker {
    /// Prepares a broker with its data in `directory`, on `port` and the ways of the hosts.
    ///
    /// # Errors
    /// When Kafka is not there and cannot be fetched.
    pub fn prepare(directory: &Path, port: u16, controller: u16, ways: &[Way]) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let settings = directory.join("more.properties");
        fs::write(&settings, settings_of(port, controller, ways))?;
        let prepared = Command::new(millstream_tests::repository().join("scripts/kafka"))
            .arg("prepare")
            .env("MILLSTREAM_KAFKA_PORT", port.to_string())
            .env("MILLSTREAM_KAFKA_CONTROLLER_PORT", controller.to_string())
            .env("MILLSTREAM_KAFKA_DIR", directory.join("broker"))
            .env("MILLSTREAM_KAFKA_SETTINGS", &settings)
            .env("MILLSTREAM_KAFKA_HEAP", "512m")
            .output()
            .context("cannot run scripts/kafka")?;
        ensure!(prepared.status.success(), "scripts/kafka: {}", String::from_utf8_lossy(&prepared.stderr));
        let output = String::from_utf8(prepared.stdout)?;
        let mut words = output.lines();
        let mut command = Command::new(words.next().context("scripts/kafka printed no command")?);
        command.args(words);
        Ok(Self { command, log: directory.join("broker.log"), port, process: None })
    }

    /// Its own address, past all links.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Whether it was started and not killed since.
    pub fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Starts it; [`Self::wait`] says when it answers.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(&mut self) -> Result<()> {
        self.process = Some(Process::start(&self.command, &self.log)?);
        Ok(())
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// When it ends, or never answers.
    pub fn wait(&mut self) -> Result<()> {
        wait("the broker answers", || {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(Seen::There(()));
            }
            self.check()?;
            Ok(Seen::NotYet(fs::metadata(&self.log).map(|log| log.len()).unwrap_or_default()))
        })
    }

    /// Fails where it ended by itself.
    ///
    /// # Errors
    /// With how it ended.
    pub fn check(&mut self) -> Result<()> {
        if let Some(process) = &mut self.process
            && let Some(status) = process.ended()?
        {
            bail!("the broker ended by itself ({status}); see {}", self.log.display());
        }
        Ok(())
    }

    /// Kills it. False: it does not run.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> Result<bool> {
        match self.process.take() {
            Some(process) => process.kill().map(|()| true),
            None => Ok(false),
        }
    }
}

/// A listener for each way, advertised as the link before it: clients come back through the link that they came by.
fn settings_of(port: u16, controller: u16, ways: &[Way]) -> String {
    let join = |parts: Vec<String>| parts.join(",");
    let each = |port_of: fn(&Way) -> u16| {
        let hosts = ways.iter().enumerate().map(move |(host, way)| format!("HOST{host}://127.0.0.1:{}", port_of(way)));
        std::iter::once(format!("DIRECT://127.0.0.1:{port}")).chain(hosts)
    };
    let listeners = join(each(|way| way.broker).chain([format!("CONTROLLER://127.0.0.1:{controller}")]).collect());
    let advertised = join(each(|way| way.link).collect());
    let names = (0..ways.len()).map(|host| format!("HOST{host}")).chain(["DIRECT".into(), "CONTROLLER".into()]);
    let protocols = join(names.map(|name| format!("{name}:PLAINTEXT")).collect());
    format!(
        "
# A run of chaos: ways for each host, and members that are given up soon.
listeners={listeners}
advertised.listeners={advertised}
listener.security.protocol.map={protocols}
inter.broker.listener.name=DIRECT
group.consumer.session.timeout.ms={SESSION_TIMEOUT_MS}
# A broker that was killed takes part again only when its session of before is over.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=300
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_comes_back_through_its_own_link() {
        let settings = settings_of(1, 2, &[Way { broker: 3, link: 4 }, Way { broker: 5, link: 6 }]);
        for line in [
            "listeners=DIRECT://127.0.0.1:1,HOST0://127.0.0.1:3,HOST1://127.0.0.1:5,CONTROLLER://127.0.0.1:2",
            "advertised.listeners=DIRECT://127.0.0.1:1,HOST0://127.0.0.1:4,HOST1://127.0.0.1:6",
        ] {
            assert!(settings.lines().any(|found| found == line), "{settings}");
        }
    }
}
