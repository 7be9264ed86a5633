//! Counts by record and by key what came out, against what went in.
//!
//! The input topic is the truth: what was written and never acknowledged may or may not be in it. Each of its records
//! must be in each output once; the records of a key must be in their order; and each output tells the state after its
//! record, which must be the fold of the outputs of its key up to there. Together that makes the state the fold of the
//! input.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use crate::{
    entry::{Entry, SLOTS, Total},
    load::{Ledger, made},
};

/// Differences of one kind that are shown.
const SHOWN: u64 = 5;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// Records of the input that are not in an output, and acknowledged ones that are not in the input.
    pub lost: u64,
    /// Records that are in an output, or in the input, once too often.
    pub duplicated: u64,
    /// Records that stand behind a later one of their key.
    pub out_of_order: u64,
    /// Keys and groups whose state differs from the fold: as told with a record, or by a host at the end.
    pub state_differences: u64,
    /// Records that nobody wrote, or that were changed.
    pub foreign: u64,
    /// Files that changed or went after they had appeared, and numbers of files that are left out.
    pub wrong_files: u64,
    /// The first differences, for people.
    pub shown: Vec<String>,
}

impl Findings {
    /// Whether everything is as it should be.
    pub fn is_clean(&self) -> bool {
        self.lost + self.duplicated + self.out_of_order + self.state_differences + self.foreign + self.wrong_files == 0
    }

    /// Adds what is wrong with files.
    pub fn add_wrong_files(&mut self, faults: &[String]) {
        for fault in faults {
            self.wrong_files += 1;
            self.show(self.wrong_files, || fault.clone());
        }
    }

    /// Adds where the state that hosts tell differs from the fold of the input.
    pub fn add_state_differences(&mut self, differences: &[String]) {
        for difference in differences {
            self.state_differences += 1;
            self.show(self.state_differences, || difference.clone());
        }
    }

    /// Shows a difference; `count` are those of its kind so far.
    fn show(&mut self, count: u64, difference: impl FnOnce() -> String) {
        if count <= SHOWN {
            self.shown.push(difference());
        }
    }
}

/// An output.
pub struct Output<'a> {
    /// Its topic, or the sink of its files.
    pub name: &'a str,
    /// Its records, by partition and offset.
    pub entries: &'a [Entry],
    /// What its state is kept by.
    pub state_key: fn(&Entry) -> u64,
}

/// Compares everything. `input` is by partition and offset.
pub fn verify(ledger: &Ledger, input: &[Entry], outputs: &[Output<'_>]) -> Findings {
    let mut findings = Findings::default();
    check_input(&mut findings, ledger, input);
    let mut wanted: HashMap<u64, u64> = HashMap::new();
    // Where a record stands among those of its key: all records of a key are in one partition.
    let mut place = HashMap::new();
    for (index, entry) in input.iter().enumerate() {
        *wanted.entry(entry.id).or_default() += 1;
        place.insert(entry.id, index);
    }
    for output in outputs {
        check_once(&mut findings, &wanted, output);
        check_order(&mut findings, &place, output);
        check_state(&mut findings, output);
    }
    findings
}

fn check_input(findings: &mut Findings, ledger: &Ledger, input: &[Entry]) {
    let mut seen = BTreeSet::new();
    for entry in input {
        if entry.id >= ledger.next || !is_as_made(entry) {
            findings.foreign += 1;
            findings.show(findings.foreign, || format!("input: nobody wrote {entry:?}"));
        }
        if !seen.insert(entry.id) {
            findings.duplicated += 1;
            findings
                .show(findings.duplicated, || format!("input: record {} twice, though it was written once", entry.id));
        }
    }
    for (id, _) in (0..).zip(&ledger.acknowledged).filter(|(_, acknowledged)| **acknowledged) {
        if !seen.contains(&id) {
            findings.lost += 1;
            findings.show(findings.lost, || format!("input: record {id} was acknowledged and is not there"));
        }
    }
}

fn is_as_made(entry: &Entry) -> bool {
    let made = made(entry.id);
    (made.key, made.group, made.amount) == (entry.key, entry.group, entry.amount)
}

fn check_once(findings: &mut Findings, wanted: &HashMap<u64, u64>, output: &Output<'_>) {
    let mut found: HashMap<u64, u64> = HashMap::new();
    for entry in output.entries {
        if !wanted.contains_key(&entry.id) || !is_as_made(entry) {
            findings.foreign += 1;
            findings.show(findings.foreign, || format!("{}: nobody wrote {entry:?}", output.name));
        } else {
            *found.entry(entry.id).or_default() += 1;
        }
    }
    let mut ids: Vec<_> = wanted.iter().collect();
    ids.sort_unstable();
    for (id, &wanted) in ids {
        let found = found.get(id).copied().unwrap_or_default();
        findings.lost += wanted.saturating_sub(found);
        findings.duplicated += found.saturating_sub(wanted);
        if found != wanted {
            findings.show(findings.lost + findings.duplicated, || {
                format!("{}: record {id} is there {found} times and not {wanted}", output.name)
            });
        }
    }
}

fn check_order(findings: &mut Findings, place: &HashMap<u64, usize>, output: &Output<'_>) {
    let mut last: HashMap<u64, (usize, &Entry)> = HashMap::new();
    for entry in output.entries {
        let Some(&at) = place.get(&entry.id) else { continue };
        if let Some((before, other)) = last.get(&entry.key)
            && at < *before
        {
            findings.out_of_order += 1;
            findings.show(findings.out_of_order, || {
                let (topic, key) = (output.name, entry.key);
                format!(
                    "{topic}: key k{key}: record {} at {}/{} stands behind record {} at {}/{}",
                    entry.id, entry.partition, entry.offset, other.id, other.partition, other.offset
                )
            });
        }
        last.insert(entry.key, (at, entry));
    }
}

#[derive(Default)]
struct Fold {
    partition: u32,
    count: u64,
    sum: i64,
    slots: [u64; SLOTS as usize],
    differs: bool,
}

fn check_state(findings: &mut Findings, output: &Output<'_>) {
    let mut folds: BTreeMap<u64, Fold> = BTreeMap::new();
    for entry in output.entries {
        let key = (output.state_key)(entry);
        let fold = folds.entry(key).or_insert_with(|| Fold { partition: entry.partition, ..Fold::default() });
        fold.count += 1;
        fold.sum += entry.amount;
        let slot = fold.slots.get_mut((entry.id % SLOTS) as usize).map_or(0, |slot| {
            *slot += 1;
            *slot
        });
        let version = entry.total.map_or(0, |total| total.version);
        let expected = Total { count: fold.count, sum: fold.sum, slot, version };
        if !fold.differs && (entry.total != Some(expected) || fold.partition != entry.partition) {
            fold.differs = true;
            findings.state_differences += 1;
            findings.show(findings.state_differences, || {
                let (topic, at) = (output.name, (entry.partition, entry.offset));
                format!(
                    "{topic}: state of {key} after record {} at {}/{} is {:?} and not {expected:?}; the key is of partition {}",
                    entry.id, at.0, at.1, entry.total, fold.partition
                )
            });
        }
    }
}

#[cfg(test)]
mod tests;
