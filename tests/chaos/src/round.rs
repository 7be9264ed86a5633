//! One round: load, troubles, calm, and a count of everything.

use std::{
    collections::BinaryHeap,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use serde::Serialize;

use crate::{
    archive::{self, Archive},
    cluster::{Cluster, through},
    entry::{self, Entry},
    journal::Counts,
    load::{Ledger, Load},
    patience::{STILL, Seen, rest, wait},
    pipeline::{ARCHIVE, BY_GROUP, BY_KEY, INPUT},
    schedule::Appointment,
    state,
    verify::{Findings, Output, verify},
};

/// Between two looks at what is due.
const TICK: Duration = Duration::from_millis(20);
/// Load after the last trouble has ended.
const CALM: Duration = Duration::from_secs(1);
/// After this without a new record the outputs are read.
const QUIET: Duration = Duration::from_millis(700);

/// The steps that keep state, what the names of their keys begin with, and the numbers in these.
type Step = (&'static str, char, fn(&Entry) -> u64);
const STEPS: [Step; 2] = [("by-key", 'k', |entry| entry.key), ("by-group", 'g', |entry| entry.group)];

/// What came of a round.
#[derive(Clone, Debug, Serialize)]
pub struct Round {
    /// Its number, from 1.
    pub round: u64,
    /// What it was drawn from.
    pub seed: u64,
    /// Records in the input, those of earlier rounds on the same cluster included.
    pub records: u64,
    /// Records written in this round.
    pub written: u64,
    /// What was done.
    pub counts: Counts,
    /// From the end of the troubles until everything had come out, seconds.
    pub drain_seconds: f64,
    /// The longest time from SIGTERM to the end of a host, seconds.
    pub slowest_stop_seconds: f64,
    /// What was found.
    #[serde(flatten)]
    pub findings: Findings,
}

/// Runs a round.
///
/// # Errors
/// When a process ended by itself, a pipeline gave up, or nothing moves any more.
pub fn run(
    cluster: &mut Cluster,
    number: u64,
    seed: u64,
    schedule: Vec<Appointment>,
    rate: u64,
    ledger: &mut Ledger,
) -> Result<Round> {
    (cluster.journal.counts, cluster.journal.slowest_stop) = (Counts::default(), Duration::ZERO);
    cluster.journal.note(format_args!("round {number}, seed {seed}"))?;
    let (before, files_before, spoiled_before) =
        (ledger.next, archive::read(&cluster.store)?.files, cluster.store.spoiled());
    let load = Load::start(cluster.door.clone(), rate, std::mem::take(ledger));
    let troubled = trouble(cluster, schedule);
    let calmed = troubled.and_then(|()| calm(cluster));
    *ledger = load.stop()?;
    calmed?;
    cluster.journal.note("calm")?;
    let began = Instant::now();
    cluster.settle()?;
    let came = drain(cluster)?;
    let drain_seconds = began.elapsed().as_secs_f64();
    cluster.count_log_lines()?;
    cluster.journal.counts.files = came.archive.files.saturating_sub(files_before);
    cluster.journal.counts.spoiled_requests = cluster.store.spoiled() - spoiled_before;
    let outputs = [
        Output { name: BY_KEY, entries: &came.by_key, state_key: |entry| entry.key },
        Output { name: BY_GROUP, entries: &came.by_group, state_key: |entry| entry.group },
        Output { name: ARCHIVE, entries: &came.archive.rows, state_key: |entry| entry.key },
    ];
    let mut findings = verify(ledger, &came.input, &outputs);
    findings.add_wrong_files(&came.archive.faults);
    for (step, prefix, key_of) in STEPS {
        let expected = state::fold(&came.input, |entry| format!("{prefix}{}", key_of(entry)));
        let found = state::read(cluster, step, number)?;
        findings.add_state_differences(&state::differences(step, &found, &expected));
    }
    let counts = cluster.journal.counts.clone();
    let (records, written) = (came.input.len() as u64, ledger.next - before);
    let slowest_stop_seconds = cluster.journal.slowest_stop.as_secs_f64();
    cluster.journal.note(format_args!("verified {records} records: {findings:?}"))?;
    Ok(Round { round: number, seed, records, written, counts, drain_seconds, slowest_stop_seconds, findings })
}

/// A trouble that is going on; the one that ends first is the greatest.
struct Ongoing {
    until: Instant,
    appointment: Appointment,
}

impl PartialEq for Ongoing {
    fn eq(&self, other: &Self) -> bool {
        self.until == other.until
    }
}

impl Eq for Ongoing {}

impl PartialOrd for Ongoing {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ongoing {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.until.cmp(&self.until)
    }
}

/// Begins and ends the troubles at their times.
fn trouble(cluster: &mut Cluster, schedule: Vec<Appointment>) -> Result<()> {
    let began = Instant::now();
    let mut due = schedule.into_iter().peekable();
    let mut ongoing = BinaryHeap::new();
    let mut late = Vec::new();
    let mut moved = began;
    while due.peek().is_some() || !ongoing.is_empty() {
        while let Some(mut appointment) = due.next_if(|next: &Appointment| began.elapsed() >= next.at) {
            let begun = appointment.trouble.begin(cluster)?;
            let word = if begun { "begins" } else { "finds nothing to do" };
            cluster.journal.note(format_args!("{} {word}: {:?}", appointment.scenario, appointment.trouble))?;
            moved = Instant::now();
            if begun {
                ongoing.push(Ongoing { until: Instant::now() + appointment.trouble.lasts(), appointment });
            }
        }
        while ongoing.peek().is_some_and(|first: &Ongoing| first.until <= Instant::now()) {
            let Some(Ongoing { until, mut appointment }) = ongoing.pop() else { continue };
            if appointment.trouble.end(cluster)? {
                cluster.journal.note(format_args!("{} ends", appointment.scenario))?;
                moved = Instant::now();
            } else {
                late.push(Ongoing { until, appointment });
            }
        }
        if moved.elapsed() > STILL
            && let Some(late) = late.first()
        {
            bail!("{} does not come to its end: {:?}", late.appointment.scenario, late.appointment.trouble);
        }
        ongoing.extend(late.drain(..));
        cluster.tend()?;
        rest(TICK)?;
    }
    Ok(())
}

fn calm(cluster: &mut Cluster) -> Result<()> {
    let until = Instant::now() + CALM;
    while Instant::now() < until {
        cluster.tend()?;
        rest(TICK)?;
    }
    Ok(())
}

/// Reads a topic, from a broker that may still be busy with itself.
fn read(cluster: &mut Cluster, topic: &str) -> Result<Vec<Entry>> {
    wait(&format!("topic {topic} can be read"), || {
        cluster.tend()?;
        Ok(match through(&cluster.door).map(|door| entry::read(&door, topic)) {
            Some(Ok(entries)) => Seen::There(entries),
            Some(Err(error)) => Seen::NotYet(format!("{error:#}")),
            None => Seen::NotYet("no server answers".into()),
        })
    })
}

/// All that went in and all that came out.
struct Came {
    input: Vec<Entry>,
    by_key: Vec<Entry>,
    by_group: Vec<Entry>,
    archive: Archive,
}

impl Came {
    /// How many records do not stand in each output.
    fn missing(&self) -> [usize; 3] {
        [&self.by_key, &self.by_group, &self.archive.rows].map(|output| self.input.len().saturating_sub(output.len()))
    }
}

/// Waits until every record of the input is in every output, and reads them. What does not come any more is for the
/// verifier to find.
fn drain(cluster: &mut Cluster) -> Result<Came> {
    let input = read(cluster, INPUT)?;
    let mut came = Came { input, by_key: Vec::new(), by_group: Vec::new(), archive: Archive::default() };
    let mut ends = Vec::new();
    let mut since = Instant::now();
    let mut read_since = false;
    loop {
        cluster.tend()?;
        let door = through(&cluster.door);
        let ends_of = |topic| door.as_ref().map(|door| entry::ends(door, topic)).unwrap_or_default();
        let mut now: Vec<i64> = [BY_KEY, BY_GROUP].into_iter().flat_map(ends_of).collect();
        now.push(i64::try_from(cluster.store.objects(archive::PLACE).len())?);
        if now != ends {
            (ends, since, read_since) = (now, Instant::now(), false);
        }
        if since.elapsed() >= QUIET && !read_since {
            read_since = true;
            (came.by_key, came.by_group) = (read(cluster, BY_KEY)?, read(cluster, BY_GROUP)?);
            came.archive = archive::read(&cluster.store)?;
            if came.missing() == [0; 3] {
                return Ok(came);
            }
        }
        if since.elapsed() >= STILL && read_since {
            cluster.journal.note(format_args!("nothing comes any more; missing: {:?}", came.missing()))?;
            return Ok(came);
        }
        rest(Duration::from_millis(100))?;
    }
}
