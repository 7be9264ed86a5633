use super::*;

const RECORDS: u64 = 500;

struct Run {
    ledger: Ledger,
    input: Vec<Entry>,
    by_key: Vec<Entry>,
    by_group: Vec<Entry>,
}

/// What a run gives in which everything is right.
fn right() -> Run {
    let entry = |id: u64, partition: u64, offset: u64| {
        let made = made(id);
        let (partition, offset) = (partition as u32, offset as i64);
        Entry { partition, offset, id, key: made.key, group: made.group, amount: made.amount, total: None }
    };
    let mut input: Vec<Entry> = (0..RECORDS).map(|id| entry(id, made(id).key % 4, id)).collect();
    input.sort_by_key(|entry| (entry.partition, entry.offset));
    let mut by_key = input.clone();
    total(&mut by_key, |entry| entry.key);
    let mut by_group: Vec<Entry> = (0..RECORDS).map(|id| entry(id, made(id).group % 2, id)).collect();
    by_group.sort_by_key(|entry| (entry.partition, entry.offset));
    total(&mut by_group, |entry| entry.group);
    Run { ledger: Ledger { next: RECORDS, acknowledged: vec![true; RECORDS as usize] }, input, by_key, by_group }
}

/// Writes into each entry what an operator would.
fn total(entries: &mut [Entry], state_key: fn(&Entry) -> u64) {
    let mut state: HashMap<u64, (u64, i64)> = HashMap::new();
    let mut slots: HashMap<(u64, u64), u64> = HashMap::new();
    for entry in entries {
        let key = state_key(entry);
        let (count, sum) = state.entry(key).or_default();
        (*count, *sum) = (*count + 1, *sum + entry.amount);
        let slot = slots.entry((key, entry.id % SLOTS)).or_default();
        *slot += 1;
        entry.total = Some(Total { count: *count, sum: *sum, slot: *slot, version: 1 });
    }
}

impl Run {
    fn verify(&self) -> Findings {
        let outputs = [
            Output { name: "by-key", entries: &self.by_key, state_key: |entry| entry.key },
            Output { name: "by-group", entries: &self.by_group, state_key: |entry| entry.group },
        ];
        verify(&self.ledger, &self.input, &outputs)
    }
}

/// The place of an entry whose key has another one behind it in the same output.
fn one_with_a_follower(entries: &[Entry]) -> (usize, usize) {
    entries
        .iter()
        .enumerate()
        .find_map(|(at, entry)| {
            let behind = entries.iter().skip(at + 1).position(|other| other.key == entry.key)?;
            Some((at, at + 1 + behind))
        })
        .expect("two records of a key")
}

#[test]
fn a_right_run_is_clean() {
    let findings = right().verify();
    assert!(findings.is_clean(), "{findings:?}");
    assert!(findings.shown.is_empty());
}

#[test]
fn a_lost_output_is_found() {
    let mut run = right();
    let (at, _) = one_with_a_follower(&run.by_key);
    run.by_key.remove(at);
    let findings = run.verify();
    // Whoever counts on from there shows that the state knew the record.
    assert_eq!((findings.lost, findings.duplicated, findings.state_differences), (1, 0, 1), "{findings:?}");
}

#[test]
fn a_doubled_output_is_found_whether_the_state_counted_it_or_not() {
    let mut run = right();
    let again = run.by_key[10].clone();
    run.by_key.insert(11, again);
    let findings = run.verify();
    assert_eq!((findings.lost, findings.duplicated, findings.state_differences), (0, 1, 1), "{findings:?}");
    total(&mut run.by_key, |entry| entry.key);
    let findings = run.verify();
    assert_eq!((findings.lost, findings.duplicated, findings.state_differences), (0, 1, 0), "{findings:?}");
}

#[test]
fn state_that_forgot_or_counted_twice_is_found() {
    for change in [-1, 1] {
        let mut run = right();
        let (_, second) = one_with_a_follower(&run.by_key);
        if let Some(total) = &mut run.by_key[second].total {
            total.count = total.count.checked_add_signed(change).expect("a count");
        }
        assert_eq!(run.verify().state_differences, 1);
    }
    let mut run = right();
    if let Some(total) = &mut run.by_group[100].total {
        total.slot += 1;
    }
    assert_eq!(run.verify().state_differences, 1, "the map state counts, too");
}

#[test]
fn records_of_a_key_in_another_order_are_found() {
    let mut run = right();
    let (first, second) = one_with_a_follower(&run.by_key);
    run.by_key.swap(first, second);
    total(&mut run.by_key, |entry| entry.key);
    let findings = run.verify();
    assert_eq!((findings.out_of_order, findings.state_differences, findings.lost), (1, 0, 0), "{findings:?}");
}

#[test]
fn records_of_different_keys_may_change_places_within_a_group() {
    let mut run = right();
    let at = (1..run.by_group.len())
        .find(|&at| run.by_group[at - 1].key != run.by_group[at].key)
        .expect("records of two keys beside each other");
    run.by_group.swap(at - 1, at);
    total(&mut run.by_group, |entry| entry.group);
    assert!(run.verify().is_clean());
}

#[test]
fn an_acknowledged_record_must_be_in_the_input_and_another_may() {
    let mut run = right();
    let lost = run.input.remove(3).id;
    for output in [&mut run.by_key, &mut run.by_group] {
        output.retain(|entry| entry.id != lost);
    }
    total(&mut run.by_key, |entry| entry.key);
    total(&mut run.by_group, |entry| entry.group);
    assert_eq!(run.verify().lost, 1);
    run.ledger.acknowledged[lost as usize] = false;
    assert!(run.verify().is_clean());
}

#[test]
fn what_nobody_wrote_is_found() {
    let mut run = right();
    run.by_key[5].amount += 1;
    assert_eq!(run.verify().foreign, 1);
    run = right();
    run.ledger.next = RECORDS - 1;
    assert_eq!(run.verify().foreign, 1);
}

#[test]
fn a_key_in_two_partitions_is_found() {
    let mut run = right();
    let (_, second) = one_with_a_follower(&run.by_key);
    run.by_key[second].partition += 1;
    assert_eq!(run.verify().state_differences, 1);
}
