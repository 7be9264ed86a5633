//! A commit that a rebalance overtakes, on librdkafka's own broker, which refuses what it is told to refuse.
//!
//! That broker keeps no transactions apart: what was aborted stays readable, so that every time that a transaction was
//! written can be seen.
#![expect(clippy::unwrap_used, clippy::panic, reason = "test code ends where its premises do not hold")]

use std::sync::Arc;

use millstream_log::{
    DeliveryGuarantee, ErrorKind, Log, Routing, SessionSpec, StartPosition, StateDelta, contract::Worker,
};
use millstream_log_kafka::{Assignor, GroupProtocol, KafkaConfig, KafkaLog};
use millstream_types::{RecordBatch, RecordRef, TopicPartition};
use rdkafka::{
    mocking::MockCluster,
    producer::DefaultProducerContext,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};

const RECORDS: i64 = 3;

struct Bench {
    broker: MockCluster<'static, DefaultProducerContext>,
    log: KafkaLog,
    worker: Worker,
}

impl Bench {
    /// A worker that has partition 0 of topic `in`.
    fn new() -> Self {
        let broker = MockCluster::new(1).unwrap();
        ["in", "out", "changelog"].iter().for_each(|topic| broker.create_topic(topic, 1, 1).unwrap());
        let config = KafkaConfig {
            group_protocol: GroupProtocol::Classic,
            // Members keep what stays with them.
            assignor: Assignor::CooperativeSticky,
            ..KafkaConfig::new(broker.bootstrap_servers())
        };
        let log = KafkaLog::connect(config).unwrap();
        let spec = SessionSpec {
            group: "group".parse().unwrap(),
            worker: "a".into(),
            topics: vec!["in".into()],
            guarantee: DeliveryGuarantee::ExactlyOnce,
            start: StartPosition::Earliest,
            max_batch_records: 100,
            max_batch_bytes: 1 << 20,
        };
        let worker = Worker::open(&log, &spec).join(1);
        Self { broker, log, worker }
    }

    /// Writes an output, state and positions, of which the positions are refused so many times since the group has moved
    /// on.
    fn commit(&mut self, refusals: usize) -> Result<i64, ErrorKind> {
        let mut batch = RecordBatch::default();
        (0..RECORDS).for_each(|_| batch.push(RecordRef { key: Some(b"k"), value: Some(b"v"), timestamp_ms: 1 }));
        let out: Arc<str> = "out".into();
        let session = &mut self.worker.session;
        session.append(&out, Routing::ByKey, &batch).unwrap();
        let delta =
            StateDelta { keys: [Some("key")].into_iter().collect(), values: [Some("value")].into_iter().collect() };
        session.append_changelog(&TopicPartition::new("changelog", 0), &delta).unwrap();
        let refused = vec![RDKafkaRespErr::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION; refusals];
        self.broker.request_errors(RDKafkaApiKey::TxnOffsetCommit, &refused);
        let committed = session.commit(&[(TopicPartition::new("in", 0), 0)]).map_err(|error| error.kind)?;
        let [(_, position)] = committed.changelogs.as_slice() else { panic!("{committed:?}") };
        Ok(*position)
    }

    /// How often the whole output was written.
    fn written(&self) -> i64 {
        let info = self.log.topic("out").unwrap().unwrap();
        let [(first, end)] = info.offsets.as_slice() else { panic!("{info:?}") };
        assert_eq!((end - first) % RECORDS, 0, "nothing is written in part");
        (end - first) / RECORDS
    }
}

#[test]
fn a_commit_that_a_rebalance_overtakes_is_written_again_in_the_next_generation() {
    let mut bench = Bench::new();
    assert_eq!(bench.commit(0), Ok(1));
    assert_eq!(bench.written(), 1);
    // Twice refused, so written three times; the position of the changelog is that after the last time.
    assert_eq!(bench.commit(2), Ok(4));
    assert_eq!(bench.written(), 4);
    assert_eq!(bench.commit(0), Ok(5), "nothing is left over");
    assert_eq!(bench.written(), 5);
}

#[test]
fn one_that_is_refused_again_and_again_is_dropped_and_the_session_is_sound() {
    let mut bench = Bench::new();
    assert_eq!(bench.commit(100), Err(ErrorKind::Aborted));
    bench.broker.clear_request_errors(RDKafkaApiKey::TxnOffsetCommit);
    bench.worker.session.abort().unwrap();
    let before = bench.written();
    bench.commit(0).unwrap();
    assert_eq!(bench.written(), before + 1, "what was dropped is not written again");
}
