//! What was done to a cluster: counted, and written down with its time.

use std::{
    fs::File,
    io::Write,
    ops::AddAssign,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde::Serialize;

macro_rules! counts {
    ($($(#[$about:meta])* $name:ident: $one:literal, $many:literal;)*) => {
        /// How often each thing was done or seen.
        #[derive(Clone, Debug, Default, Serialize)]
        pub struct Counts { $($(#[$about])* pub $name: u64,)* }

        impl AddAssign<&Counts> for Counts {
            fn add_assign(&mut self, other: &Counts) {
                $(self.$name += other.$name;)*
            }
        }

        impl Counts {
            /// Those that are not zero, for people.
            pub fn named(&self) -> Vec<String> {
                let all = [$((self.$name, $one, $many),)*];
                let named = |(count, one, many)| format!("{count} {}", if count == 1 { one } else { many });
                all.into_iter().filter(|(count, ..)| *count > 0).map(named).collect()
            }
        }
    };
}

counts! {
    /// Hosts killed.
    kills: "kill", "kills";
    /// Hosts that killed themselves at a point of the protocol.
    kill_points: "kill at a point", "kills at a point";
    /// Hosts that stopped themselves at a point of the protocol, until they were replaced.
    stop_points: "stop at a point", "stops at a point";
    /// State stores deleted after a kill.
    wipes: "wipe", "wipes";
    /// Hosts stopped in order.
    stops: "stop", "stops";
    /// Hosts frozen for less than any time-out.
    freezes: "freeze", "freezes";
    /// Hosts frozen until they were replaced, then woken.
    zombies: "zombie", "zombies";
    /// Workers that began again because another owner had taken over, as the hosts' logs say.
    fences: "fence", "fences";
    /// Workers that began again for any reason, as the hosts' logs say.
    worker_restarts: "worker restart", "worker restarts";
    /// Snapshots of tasks that came to the object store, as the hosts' logs say.
    snapshots: "snapshot taken", "snapshots taken";
    /// Tasks that began with a snapshot, since there was nothing on the disk.
    snapshots_used: "snapshot used for recovery", "snapshots used for recovery";
    /// Tasks that began with the store of a standby of their host, as the hosts' logs say.
    takeovers: "takeover from a standby", "takeovers from standbys";
    /// Snapshots that were not kept or could not be read.
    snapshots_failed: "snapshot failed", "snapshots failed";
    /// Files of the pipeline's sink that appeared.
    files: "file committed", "files committed";
    /// Times in which the object store refused everything.
    store_outages: "outage of the object store", "outages of the object store";
    /// Times in which it closed connections half-way, lost answers or failed now and then.
    store_faults: "fault of the object store", "faults of the object store";
    /// Times in which it was slow.
    slow_stores: "slow object store", "slow object stores";
    /// Requests that it did not answer as it should have.
    spoiled_requests: "failed request to it", "failed requests to it";
    /// Hosts added.
    hosts_added: "host added", "hosts added";
    /// Hosts removed.
    hosts_removed: "host removed", "hosts removed";
    /// Brokers killed and started again.
    broker_restarts: "broker restart", "broker restarts";
    /// Links cut.
    cuts: "cut", "cuts";
    /// Links on which nothing passed.
    silences: "silence", "silences";
    /// Links on which no answers passed.
    lost_answers: "loss of answers", "losses of answers";
    /// Slow links.
    slow_links: "slow link", "slow links";
    /// Disks filled.
    full_disks: "full disk", "full disks";
    /// Pipelines started again by hand after a disk was full.
    helped: "start by hand", "starts by hand";
    /// Operators swapped, counted on each host.
    swaps: "swap", "swaps";
    /// Swaps that a host did not take or did not answer, since something else was done to it.
    failed_swaps: "failed swap", "failed swaps";
    /// Hosts that ended since they found no broker when they started, and were started again.
    vain_starts: "vain start", "vain starts";
}

/// The journal of a cluster.
pub struct Journal {
    /// What was done since the round began.
    pub counts: Counts,
    /// The longest time in this round from SIGTERM to the end of a host.
    pub slowest_stop: Duration,
    file: File,
    began: Instant,
}

impl Journal {
    /// A journal in a new file.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        Ok(Self {
            counts: Counts::default(),
            slowest_stop: Duration::ZERO,
            file: File::create(path)?,
            began: Instant::now(),
        })
    }

    /// Writes a line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(&mut self, text: impl std::fmt::Display) -> Result<()> {
        Ok(writeln!(self.file, "{:9.3} {text}", self.elapsed().as_secs_f64())?)
    }

    /// How long ago the cluster was made.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}
