use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;

fn topics(partitions: u32) -> Vec<(Arc<str>, u32)> {
    vec![("left".into(), partitions), ("right".into(), partitions)]
}

fn at(topic: &str, partition: u32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

#[test]
fn a_partition_moves_only_after_its_release() {
    let mut groups = GroupCoordinator::default();
    let a = groups.join("g", "a", topics(2)).expect("joins");
    let Ok(Some(GroupEvent::Assigned(all))) = groups.next_event(&a) else { panic!("everything is a's") };
    assert_eq!(all.len(), 4);

    let b = groups.join("g", "b", topics(2)).expect("joins");
    assert_eq!(groups.next_event(&b), Ok(None));
    let wanted = vec![at("left", 1), at("right", 1)];
    assert_eq!(groups.next_event(&a), Ok(Some(GroupEvent::Revoked(wanted.clone()))));
    assert_eq!(groups.next_event(&a), Ok(None), "told once");
    assert_eq!(groups.begin_commit(&a, &[(at("left", 1), 7)]), Ok(()), "still a's");
    groups.end_commit(&a);
    groups.release(&a, &wanted).expect("a member");
    assert_eq!(groups.next_event(&b), Ok(Some(GroupEvent::Assigned(wanted))));
    assert_eq!(groups.begin_commit(&a, &[(at("left", 1), 7)]), Err(Refused::NotOwned(at("left", 1))));
}

#[test]
fn a_session_of_the_same_name_fences_but_not_in_the_middle_of_a_commit() {
    let mut groups = GroupCoordinator::default();
    let old = groups.join("g", "a", topics(1)).expect("joins");
    groups.next_event(&old).expect("a member");
    groups.begin_commit(&old, &[(at("left", 0), 1)]).expect("owned");
    assert_eq!(groups.join("g", "a", topics(1)), Err(Refused::Committing));
    groups.end_commit(&old);
    let new = groups.join("g", "a", topics(1)).expect("joins");
    assert_eq!(groups.next_event(&old), Err(Refused::Fenced));
    assert_eq!(groups.begin_commit(&old, &[]), Err(Refused::Fenced));
    assert!(matches!(groups.next_event(&new), Ok(Some(GroupEvent::Assigned(all))) if all.len() == 2));
    groups.leave(&old);
    assert_eq!(groups.member_count("g"), 1, "a fenced session cannot remove its successor");
}

#[test]
fn an_expelled_member_comes_back_once_it_has_released() {
    let mut groups = GroupCoordinator::default();
    let a = groups.join("g", "a", topics(1)).expect("joins");
    groups.next_event(&a).expect("a member");
    assert!(groups.expel("g", "a"));
    assert_eq!(groups.begin_commit(&a, &[]), Err(Refused::Lost));
    let lost = vec![at("left", 0), at("right", 0)];
    assert_eq!(groups.next_event(&a), Ok(Some(GroupEvent::Lost(lost.clone()))));
    assert_eq!(groups.next_event(&a), Ok(None));
    groups.release(&a, &lost).expect("a member");
    assert_eq!(groups.next_event(&a), Ok(Some(GroupEvent::Assigned(lost))));
}

/// What a well-behaved session knows.
struct Session {
    member: Member,
    held: BTreeSet<TopicPartition>,
    to_release: Vec<TopicPartition>,
}

#[test]
fn whatever_happens_a_partition_has_one_owner_and_in_the_end_all_have_one() {
    for seed in 0..300 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut groups = GroupCoordinator::default();
        let mut sessions: BTreeMap<String, Session> = BTreeMap::new();
        for _ in 0..60 {
            let worker = format!("w{}", random.random_range(0..4));
            match random.random_range(0..6) {
                0 => {
                    let member = groups.join("g", &worker, topics(5)).expect("nobody commits");
                    sessions.insert(worker, Session { member, held: BTreeSet::new(), to_release: Vec::new() });
                }
                1 => {
                    if let Some(session) = sessions.remove(&worker) {
                        groups.leave(&session.member);
                    }
                }
                2 => {
                    if groups.expel("g", &worker)
                        && let Some(session) = sessions.get_mut(&worker)
                    {
                        session.held.clear();
                    }
                }
                3 => release(&mut groups, sessions.get_mut(&worker)),
                _ => poll(&mut groups, sessions.get_mut(&worker)),
            }
            check_one_owner(&sessions, seed);
        }
        for _ in 0..8 {
            for session in sessions.values_mut() {
                poll(&mut groups, Some(session));
                release(&mut groups, Some(session));
            }
            check_one_owner(&sessions, seed);
        }
        let held: usize = sessions.values().map(|session| session.held.len()).sum();
        assert_eq!(held, if sessions.is_empty() { 0 } else { 10 }, "seed {seed}");
    }
}

fn poll(groups: &mut GroupCoordinator, session: Option<&mut Session>) {
    let Some(session) = session else { return };
    match groups.next_event(&session.member).expect("a member") {
        Some(GroupEvent::Assigned(partitions)) => session.held.extend(partitions),
        Some(GroupEvent::Revoked(partitions) | GroupEvent::Lost(partitions)) => session.to_release.extend(partitions),
        None => {}
    }
}

fn release(groups: &mut GroupCoordinator, session: Option<&mut Session>) {
    let Some(session) = session else { return };
    let partitions = std::mem::take(&mut session.to_release);
    for partition in &partitions {
        session.held.remove(partition);
    }
    groups.release(&session.member, &partitions).expect("a member");
}

fn check_one_owner(sessions: &BTreeMap<String, Session>, seed: u64) {
    let mut seen = BTreeSet::new();
    for partition in sessions.values().flat_map(|session| &session.held) {
        assert!(seen.insert(partition), "{partition} has two owners, seed {seed}");
    }
}

#[test]
fn an_eager_group_takes_everything_back_before_it_gives_out_anything() {
    let mut groups = GroupCoordinator::eager();
    let a = groups.join("g", "a", topics(2)).expect("joins");
    let Ok(Some(GroupEvent::Assigned(all))) = groups.next_event(&a) else { panic!("everything is a's") };
    assert_eq!(groups.next_event(&a), Ok(None));

    let b = groups.join("g", "b", topics(2)).expect("joins");
    assert_eq!(groups.next_event(&b), Ok(None));
    assert_eq!(groups.next_event(&a), Ok(Some(GroupEvent::Revoked(all.clone()))), "those that stay, too");
    assert_eq!(groups.next_event(&a), Ok(None), "told once");
    groups.release(&a, &all[..3]).expect("a member");
    assert_eq!((groups.next_event(&a), groups.next_event(&b)), (Ok(None), Ok(None)), "one is not released");
    groups.release(&a, &all[3..]).expect("a member");
    assert_eq!(groups.next_event(&b), Ok(None), "a has not joined the generation");
    let first = vec![at("left", 0), at("right", 0)];
    assert_eq!(groups.next_event(&a), Ok(Some(GroupEvent::Assigned(first.clone()))));
    assert_eq!(groups.next_event(&b), Ok(Some(GroupEvent::Assigned(vec![at("left", 1), at("right", 1)]))));

    groups.leave(&b);
    assert_eq!(groups.next_event(&a), Ok(Some(GroupEvent::Revoked(first.clone()))));
    groups.release(&a, &first).expect("a member");
    assert_eq!(groups.next_event(&a), Ok(Some(GroupEvent::Assigned(all))));
}
