//! From the plan to connectors.

use std::sync::Arc;

use millstream_pipeline::{
    plan::{SinkKind, SourceConnector},
    spec::TimestampSpec,
};
use millstream_types::Clock;

use crate::{
    ConnectorError, Sink, SinkHost, Source, file::FileSplits, file_sink::LineFile, files::RolledFiles,
    generator::Generated, stdout::StdoutLines, timestamp::TimestampExtractor,
};

/// Opens a source. Relative paths are relative to the process's working directory.
///
/// With `timestamp` each record's event time comes from that field, and records without one are in
/// [`SplitReader::failures`](crate::SplitReader::failures). Without it records of files have the time of
/// reading, and records of a generator that of its `event-time` field.
///
/// # Errors
/// When no file matches a pattern, or the source is described in a way that nothing can be read from it.
pub fn open_source(
    connector: &SourceConnector,
    timestamp: Option<&TimestampSpec>,
    clock: Arc<dyn Clock>,
) -> Result<Box<dyn Source>, ConnectorError> {
    if let Some(spec) = timestamp {
        TimestampExtractor::new(spec)?;
    }
    let timestamp = timestamp.cloned();
    Ok(match connector {
        SourceConnector::File(spec) => Box::new(FileSplits::new(spec, timestamp, clock)?),
        SourceConnector::Generator(spec) => Box::new(Generated::new(spec, timestamp, clock)?),
    })
}

/// Opens the sink `name`; `None` for a topic, which is no connector. Relative paths are relative to the process's
/// working directory.
///
/// # Errors
/// When the sink is described in a way that nothing can be written to it.
pub fn open_sink(
    name: &str,
    kind: &SinkKind,
    clock: Arc<dyn Clock>,
    host: &Arc<dyn SinkHost>,
) -> Result<Option<Box<dyn Sink>>, ConnectorError> {
    Ok(match kind {
        SinkKind::Topic { .. } => None,
        SinkKind::File(spec) => Some(Box::new(LineFile::new(spec)?)),
        SinkKind::Files(spec) => Some(Box::new(RolledFiles::new(name, spec, clock, host)?)),
        SinkKind::Stdout(spec) => Some(Box::new(StdoutLines::new(spec))),
    })
}
