//! Random histories against a model that knows what is committed. Every opening is on another host: nothing but
//! the committed state and the store is carried over.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Act {
    /// So many records come.
    Write(u64),
    /// A commit, after which everything goes well.
    Commit,
    /// A commit, and a crash before it is finished; perhaps the worker wakes up later and finishes it.
    CommitAndCrash { wakes: bool },
    /// A crash, or a commit that is aborted, with or without having prepared.
    Crash { prepared: bool },
    /// A commit after which a put fails.
    StoreFails(Fault),
    /// Time passes.
    Wait(i64),
    /// The pipeline stops.
    Stop,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0_u64..12).prop_map(Act::Write),
        6 => Just(Act::Commit),
        2 => any::<bool>().prop_map(|wakes| Act::CommitAndCrash { wakes }),
        2 => any::<bool>().prop_map(|prepared| Act::Crash { prepared }),
        2 => prop::sample::select(vec![Fault::Refused, Fault::AnswerLost]).prop_map(Act::StoreFails),
        1 => (0_i64..90_000).prop_map(Act::Wait),
        1 => Just(Act::Stop),
    ]
}

fn any_spec() -> impl Strategy<Value = FilesSink> {
    let number = Column { field: "/n".into(), data_type: Some(DataType::Long), unit: TimeUnit::Ms };
    let columns = vec![("n".to_owned(), number)];
    let roll = |records| RollSpec { records, age: Duration::from_secs(60), ..RollSpec::default() };
    let formats = vec![
        (FilesFormat::Jsonl, Compression::None, vec![]),
        (FilesFormat::Jsonl, Compression::Zstd, vec![]),
        (FilesFormat::Csv, Compression::Gzip, columns.clone()),
        (FilesFormat::Parquet, Compression::Snappy, vec![]),
        (FilesFormat::Parquet, Compression::Gzip, columns),
    ];
    (prop::sample::select(formats), prop::option::of(1_u64..20)).prop_map(move |((format, compression, columns), n)| {
        FilesSink { compression: Some(compression), columns, ..spec(format, roll(n)) }
    })
}

/// Opens as a worker does that begins again after failures that may pass.
fn reopen(world: &World) -> Box<dyn SinkWriter> {
    loop {
        match world.open() {
            Ok(writer) => return writer,
            Err(error) => assert!(error.retriable, "{error}"),
        }
    }
}

/// Readers see nothing but committed records, each at most once and in order within a file.
fn check(world: &World, committed: u64) -> Result<(), TestCaseError> {
    let mut seen: Vec<u64> = world.seen().into_values().flatten().collect();
    let in_order = seen.is_sorted();
    seen.dedup();
    let count = seen.len();
    prop_assert!(in_order, "files are in the order of their numbers: {:?}", world.seen());
    prop_assert!(seen.iter().all(|number| *number < committed), "{seen:?} of {committed}");
    prop_assert_eq!(count, world.seen().into_values().flatten().count(), "twice");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_committed_record_is_in_one_file(
        specs in prop::collection::vec(any_spec(), 1..3),
        acts in prop::collection::vec(act(), 1..40),
    ) {
        let mut specs = specs.into_iter().cycle();
        let mut world = World::new(specs.next().expect("a spec"));
        let mut writer = world.open().expect("opens");
        let mut asleep: Vec<Box<dyn SinkWriter>> = Vec::new();
        // Records 0 to `committed` are committed, those up to `written` are written.
        let (mut committed, mut written) = (0, 0);
        for act in acts {
            let mut crashed = false;
            match act {
                Act::Write(count) => {
                    writer.write(&batch(written..written + count)).expect("writes");
                    written += count;
                }
                Act::Wait(ms) => world.clock.advance(ms),
                Act::Crash { prepared } => {
                    if prepared {
                        // A put of the commit before may have failed.
                        let _ = writer.prepare(CommitKind::Periodic);
                    }
                    crashed = true;
                }
                Act::Commit | Act::CommitAndCrash { .. } | Act::StoreFails(_) | Act::Stop => {
                    let stops = matches!(act, Act::Stop);
                    let kind = if stops { CommitKind::Final } else { CommitKind::Periodic };
                    if let Act::StoreFails(fault) = act {
                        world.store.fail(fault);
                    }
                    match writer.prepare(kind) {
                        Ok(changes) => {
                            check(&world, committed)?;
                            world.commit(changes);
                            committed = written;
                            if let Act::CommitAndCrash { wakes } = act {
                                crashed = true;
                                if wakes {
                                    asleep.push(std::mem::replace(&mut writer, reopen(&world)));
                                }
                            } else {
                                crashed = writer.finish().is_err() || stops;
                            }
                        }
                        // A put of the commit before has failed.
                        Err(error) => {
                            prop_assert!(error.retriable, "{}", error);
                            crashed = true;
                        }
                    }
                    if stops {
                        world.spec = specs.next().expect("a spec");
                    }
                }
            }
            check(&world, committed)?;
            if crashed {
                written = committed;
                writer = reopen(&world);
                if let Some(mut zombie) = asleep.pop() {
                    let _ = zombie.finish();
                }
                check(&world, committed)?;
            }
        }
        drop(writer);
        world.store.mend();
        let mut writer = world.open().expect("opens at the end");
        world.write(&mut *writer, [], CommitKind::Final);
        for mut zombie in asleep {
            let _ = zombie.finish();
        }
        check(&world, committed)?;
        let seen: Vec<u64> = world.seen().into_values().flatten().collect();
        prop_assert_eq!(seen, (0..committed).collect::<Vec<_>>());
        let mut writer = world.open().expect("opens");
        world.write(&mut *writer, [], CommitKind::Final);
        prop_assert_eq!(world.chunks(), 0, "rows of files that are there are not kept");
    }
}
