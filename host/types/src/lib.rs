//! Ids, record batches and event time: the vocabulary of every other crate.
//!
//! A [`RecordBatch`] is what moves through Millstream: columns in the Arrow layout (32-bit offsets,
//! data, validity bitmap), so that a batch goes from the log into a guest's memory by copying whole
//! columns and never by visiting its records.

mod batch;
mod bitmap;
mod column;
mod headers;
mod ids;
mod time;
mod typed;

pub use batch::{RecordBatch, RecordRef};
pub use bitmap::Bitmap;
pub use column::{BytesColumn, ColumnError};
pub use headers::HeaderColumn;
pub use ids::{Digest, IdError, OperatorRef, PipelineName, TopicPartition};
pub use time::{Clock, ManualClock, SystemClock, UNKNOWN_WATERMARK};
pub use typed::{FieldType, TypedColumn, TypedColumnError};
