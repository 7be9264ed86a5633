//! Runs pipelines in tests: real stages, shuffles, partitions, state and guests, on a log in memory and a clock that
//! the test owns. There is no broker, no thread and no waiting.
//!
//! [`TestPipeline`] is pushed records into and read from by hand. [`run_case`] does what a case file says
//! ([`millstream_pipeline::case`]), which is also what `millstream test` runs.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use millstream_testkit::{NoOperators, Options, Record, TestPipeline};
//!
//! let spec = millstream_pipeline::parse(
//!     "hourly.yaml",
//!     "pipeline: spend
//! sources:
//!   payments: { topic: payments, watermark: { out-of-order: 1s } }
//! steps:
//!   hourly: { from: payments, window: { tumbling: 1h }, aggregate: { spend: sum(/amount) } }
//! sinks:
//!   hourly: { from: hourly, topic: hourly }
//! ",
//! )?;
//! let plan = millstream_pipeline::plan(&spec, &NoOperators)?;
//! let mut test = TestPipeline::new(plan, Arc::new(NoOperators), &Options::default())?;
//! test.push("payments", &[Record::new("anna", r#"{"amount": 5}"#).at(1_000)])?;
//! test.push("payments", &[Record::new("anna", r#"{"amount": 7}"#).at(2_000)])?;
//! assert!(test.read_sink("hourly")?.is_empty(), "the hour is not over");
//! test.watermark("payments", None, 3_600_000)?;
//! let results = test.read_sink("hourly")?;
//! assert_eq!(results[0].json()["spend"], 12);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod case;
mod compare;
mod golden;
mod in_memory;
mod matching;
mod pipeline;
mod record;

pub use case::{CaseFailure, run_case};
pub use golden::{BLESS, is_blessing};
pub use millstream_pipeline::case::CaseOutput as Output;
pub use millstream_runtime::StateContent;
pub use pipeline::{NoOperators, Options, TestError, TestPipeline};
pub use record::Record;
