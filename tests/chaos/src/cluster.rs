//! Hosts, the broker and what is between them.

mod settle;

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use millstream_tests::{Client, ObjectServer};

use crate::{
    archive,
    broker::{Broker, Way, free_ports},
    host::{Deed, Host, HostSettings},
    journal::Journal,
    link::{Link, Mode},
    patience::{Seen, wait},
    pipeline,
    process::Process,
};

/// After this the broker aborts what a dead host left open, milliseconds.
pub const TRANSACTION_TIMEOUT_MS: u64 = 5_000;

/// How a host ends that finds no broker when it starts.
const UNREACHABLE: i32 = 3;

/// How soon such a host is started again.
const START_AGAIN: Duration = Duration::from_millis(500);

/// How long an answer about topics is waited for. A produce waits as long as the log's writer does.
const ANSWER: Duration = Duration::from_secs(120);

/// What a cluster is made of.
#[derive(Clone, Debug)]
pub struct Ground {
    /// On a broker; otherwise one host on the embedded log.
    pub kafka: bool,
    /// The most hosts.
    pub hosts: usize,
    /// Disks of hosts can be filled.
    pub small_disks: bool,
    /// What the pipeline promises.
    pub delivery: &'static str,
    /// The binary of the hosts.
    pub binary: PathBuf,
    /// The same with fail points, where it is built.
    pub fail_points: Option<PathBuf>,
}

/// Where topics are written and read; none while nobody answers for them.
pub type Door = Arc<RwLock<Option<String>>>;

/// A client of the door.
pub fn through(door: &Door) -> Option<Client> {
    let url = door.read().unwrap_or_else(PoisonError::into_inner).clone();
    url.map(|url| Client::with_patience(url, ANSWER))
}

/// A cluster. Everything that it started ends where it is dropped.
pub struct Cluster {
    /// The hosts, those that are no members now included.
    pub hosts: Vec<Host>,
    /// The broker, where there is one.
    pub broker: Option<Broker>,
    /// Where snapshots and the files of the pipeline go.
    pub store: ObjectServer,
    /// What was done.
    pub journal: Journal,
    /// Where topics are written and read.
    pub door: Door,
    /// A server past all links that runs no pipeline.
    _gateway: Option<Process>,
}

impl Cluster {
    /// Starts a cluster in `directory` and the pipeline on it.
    ///
    /// # Errors
    /// When a part does not start.
    pub fn start(ground: &Ground, directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let journal = Journal::create(&directory.join("journal.log"))?;
        let mut ways = Vec::new();
        let mut broker = None;
        let mut gateway = None;
        let door = Door::default();
        if ground.kafka {
            let mut ports = free_ports(2 + 2 * ground.hosts)?.into_iter();
            let mut port = || ports.next().context("a port");
            let (own, controller) = (port()?, port()?);
            for _ in 0..ground.hosts {
                ways.push(Way { broker: port()?, link: port()? });
            }
            let broker = broker.insert(Broker::prepare(&directory.join("kafka"), own, controller, &ways)?);
            broker.start()?;
            broker.wait()?;
            let gateway = gateway.insert(start_gateway(ground, directory, &broker.address())?);
            open_door(&door, Some(wait_for_url(gateway)?));
        }
        let store = ObjectServer::start()?;
        let snapshots = store.url("chaos/objects");
        let mut hosts = Vec::new();
        for number in 0..ground.hosts {
            let way = ways.get(number);
            let link = way.map(|way| Link::open(way.link, way.broker)).transpose()?;
            let settings = HostSettings {
                number,
                directory,
                binary: &ground.binary,
                fail_points: ground.fail_points.as_deref(),
                bootstrap: way.map(|way| format!("127.0.0.1:{}", way.link)),
                transaction_timeout_ms: TRANSACTION_TIMEOUT_MS,
                snapshots: &snapshots,
                small_disk: ground.small_disks,
            };
            hosts.push(Host::new(&settings, link)?);
        }
        let mut cluster = Self { hosts, broker, store, journal, door, _gateway: gateway };
        cluster.launch(ground.delivery)?;
        Ok(cluster)
    }

    /// The first host registers the pipeline, another one takes part.
    fn launch(&mut self, delivery: &str) -> Result<()> {
        self.add_host(0)?;
        let client = wait("the first host is ready", || {
            self.tend()?;
            let client = self.hosts.first().and_then(Host::client);
            Ok(match client {
                Some(client) if client.get("/readyz").is_ok_and(|answer| answer.status == 200) => Seen::There(client),
                client => Seen::NotYet(client.is_some()),
            })
        })?;
        // Hosts follow each other's tasks where there are several.
        let standbys = u32::from(self.broker.is_some());
        pipeline::launch(&client, delivery, standbys, &self.store.url(archive::PLACE))?;
        if self.hosts.len() > 1 {
            self.add_host(1)?;
        }
        self.settle()
    }

    /// A host by number.
    ///
    /// # Errors
    /// When there is none.
    pub fn host(&mut self, number: usize) -> Result<&mut Host> {
        self.hosts.get_mut(number).with_context(|| format!("there is no host {number}"))
    }

    /// The `nth` of the hosts for which `fits` holds, counted round and round.
    pub fn pick(&self, nth: usize, fits: impl Fn(&Host) -> bool) -> Option<usize> {
        let fitting: Vec<usize> =
            self.hosts.iter().enumerate().filter(|(_, host)| fits(host)).map(|(number, _)| number).collect();
        fitting.get(nth.checked_rem(fitting.len())?).copied()
    }

    /// Makes a host a member and starts it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn add_host(&mut self, number: usize) -> Result<()> {
        let host = self.host(number)?;
        host.member = true;
        if !host.runs() {
            host.start()?;
            self.journal.note(format_args!("host-{number} starts"))?;
        }
        Ok(())
    }

    /// Starts a member that does not run.
    ///
    /// # Errors
    /// When it does not start.
    pub fn revive(&mut self, number: usize) -> Result<()> {
        if self.host(number)?.member { self.add_host(number) } else { Ok(()) }
    }

    /// Looks after the processes: notes those that ended as they should, starts those again that found no broker, and
    /// keeps the door. Called often.
    ///
    /// # Errors
    /// When a process ended that should not have.
    pub fn tend(&mut self) -> Result<()> {
        if let Some(broker) = &mut self.broker {
            broker.check()?;
        }
        for number in 0..self.hosts.len() {
            let host = self.host(number)?;
            if host.has_stopped_itself() {
                self.journal.counts.stop_points += 1;
                self.journal.note(format_args!("host-{number} stopped itself"))?;
            }
            if let Some(status) = self.host(number)?.ended()? {
                self.ended(number, status)?;
            }
            let host = self.host(number)?;
            if !host.runs() && host.again_at.is_some_and(|at| at <= Instant::now()) {
                host.again_at = None;
                self.revive(number)?;
            }
        }
        if self.broker.is_none() {
            let url = self.hosts.first().filter(|host| host.runs()).and_then(Host::client);
            open_door(&self.door, url.map(|client| client.url().to_owned()));
        }
        Ok(())
    }

    fn ended(&mut self, number: usize, status: ExitStatus) -> Result<()> {
        let broker_is_cut_off =
            self.broker.as_ref().is_some_and(|broker| !broker.runs() || self.hosts.iter().any(Host::is_cut_off));
        let host = self.host(number)?;
        let (name, leaving) = (host.name.clone(), std::mem::take(&mut host.leaving));
        let took = host.asked_at.take().filter(|_| leaving).map(|asked| asked.elapsed());
        let killed_itself = host.armed.take() == Some(Deed::Kill) && status.signal().is_some();
        self.journal.note(format_args!("{name} ended: {status}"))?;
        if killed_itself {
            self.journal.counts.kill_points += 1;
            return self.revive(number);
        }
        if leaving {
            // What it could not commit is somebody else's; being killed by itself is not an order.
            ensure!(status.code().is_some(), "{name} was asked to end and crashed: {status}");
            let took = took.unwrap_or_default();
            self.journal.slowest_stop = self.journal.slowest_stop.max(took);
            self.journal.note(format_args!("{name} took {:.1} s to end", took.as_secs_f64()))?;
            return Ok(());
        }
        if status.code() == Some(UNREACHABLE) {
            self.journal.counts.vain_starts += 1;
            self.host(number)?.again_at = Some(Instant::now() + START_AGAIN);
            ensure!(self.broker.is_some(), "{name} ended by itself: {status}");
            if !broker_is_cut_off {
                self.journal.note(format_args!("{name} found no broker though there is one"))?;
            }
            return Ok(());
        }
        bail!("{name} ended by itself: {status}");
    }
}

impl Host {
    fn is_cut_off(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.mode() != Mode::Pass)
    }
}

fn start_gateway(ground: &Ground, directory: &Path, bootstrap: &str) -> Result<Process> {
    let mut command = millstream_tests::clean(Command::new(&ground.binary));
    command.args(["serve", "--listen", "127.0.0.1:0", "--kafka", bootstrap, "--data-dir"]);
    command.arg(directory.join("gateway"));
    Process::start_server(&command, &directory.join("gateway.log"))
}

fn wait_for_url(gateway: &mut Process) -> Result<String> {
    wait("the gateway listens", || {
        if let Some(status) = gateway.ended()? {
            bail!("the gateway ended: {status}; see gateway.log");
        }
        Ok(gateway.url().map_or(Seen::NotYet(()), |url| Seen::There(url.to_owned())))
    })
}

fn open_door(door: &Door, url: Option<String>) {
    let mut open = door.write().unwrap_or_else(PoisonError::into_inner);
    if *open != url {
        *open = url;
    }
}
