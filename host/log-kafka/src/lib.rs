//! The log over Kafka: the only crate that uses `rdkafka`.
//!
//! [`KafkaLog`] implements [`Log`](millstream_log::Log). A session is a consumer in the group and a
//! transactional producer named after the worker:
//!
//! ```text
//!   KafkaLog ── View ×2          metadata and offsets, as read_committed and as read_uncommitted
//!      └─ KafkaSession
//!           ├─ GroupConsumer     events and records ── Gather: one batch a partition
//!           ├─ Outbox            the producer: routing, delivery reports, transactions
//!           └─ restore           a consumer outside the group that reads changelogs
//! ```
//!
//! What Kafka makes different from the other logs:
//!
//! - Commit markers take an offset of their own, so the end of a topic may be above its last record, and
//!   positions grow by more than the number of records.
//! - An event time of exactly 0 is stored as *no timestamp* and read as 0: librdkafka takes a 0 for *now*.
//!   Times before 1970 are refused.
//! - Event times are Kafka's record times, by which brokers delete: a topic whose records are older than its
//!   `retention.ms` when they are written loses them within minutes. Topics with the setting
//!   `purge=consumed` (shuffles) are therefore kept without regard to age, and the group that reads them
//!   deletes what it has committed, as Kafka Streams does.
//! - `trim_changelog` does nothing: compaction forgets.
//! - A transaction that its owner left open ends by [`KafkaConfig::transaction_timeout`]; until then
//!   [`committed`](millstream_log::LogSession::committed) and [`restore`](millstream_log::LogSession::restore)
//!   wait. A session of the same worker name ends it at once.

#![forbid(unsafe_code)]

mod admin;
mod config;
mod context;
mod error;
mod gather;
mod group;
mod kafka;
mod outbox;
mod reader;
mod restore;
mod session;
mod transaction;
mod view;
mod writer;

pub use config::{Assignor, GroupProtocol, KafkaConfig};
pub use kafka::KafkaLog;
