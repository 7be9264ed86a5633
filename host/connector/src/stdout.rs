//! Standard output.
//!
//! Lines are kept until the commit and printed after it, so that nothing is printed that did not happen. A
//! crash between the two leaves out the lines of that commit; no line is printed twice.

use std::{
    io::{self, ErrorKind, Write},
    sync::{Arc, Mutex, PoisonError},
};

use millstream_pipeline::spec::{LineFormat, StdoutSink};
use millstream_types::RecordBatch;

use crate::{CommitKind, ConnectorError, Sink, SinkChange, SinkState, SinkWriter, lines::push_batch};

type Output = Arc<Mutex<dyn Write + Send>>;

/// A sink that prints. The lines of one task stay together for each commit.
pub(crate) struct StdoutLines {
    format: LineFormat,
    output: Output,
}

impl StdoutLines {
    pub fn new(spec: &StdoutSink) -> Self {
        Self::over(spec.format, Arc::new(Mutex::new(io::stdout())))
    }

    fn over(format: LineFormat, output: Output) -> Self {
        Self { format, output }
    }
}

impl Sink for StdoutLines {
    fn open(&self, _task: u32, _committed: SinkState) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        let (format, output) = (self.format, Arc::clone(&self.output));
        Ok(Box::new(StdoutWriter { format, output, pending: Vec::new(), prepared: 0 }))
    }
}

struct StdoutWriter {
    format: LineFormat,
    output: Output,
    pending: Vec<u8>,
    /// Bytes of `pending` that the commit covers.
    prepared: usize,
}

impl SinkWriter for StdoutWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ConnectorError> {
        push_batch(&mut self.pending, batch, self.format);
        Ok(())
    }

    fn prepare(&mut self, _kind: CommitKind) -> Result<Vec<SinkChange>, ConnectorError> {
        self.prepared = self.pending.len();
        Ok(Vec::new())
    }

    fn finish(&mut self) -> Result<(), ConnectorError> {
        let after = self.pending.split_off(self.prepared.min(self.pending.len()));
        let committed = std::mem::replace(&mut self.pending, after);
        self.prepared = 0;
        if committed.is_empty() {
            return Ok(());
        }
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output.write_all(&committed).and_then(|()| output.flush()).map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => ConnectorError::new("standard output was closed by whoever read it"),
            _ => ConnectorError::new(format!("cannot write to standard output: {error}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use millstream_types::RecordRef;

    use super::*;

    /// Takes so many bytes and is closed then.
    struct Pipe {
        taken: Arc<Mutex<Vec<u8>>>,
        capacity: usize,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut taken = self.taken.lock().expect("not poisoned");
            let length = bytes.len().min(self.capacity - taken.len());
            if length == 0 {
                return Err(ErrorKind::BrokenPipe.into());
            }
            taken.extend_from_slice(&bytes[..length]);
            Ok(length)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn batch(values: &[&[u8]]) -> RecordBatch {
        let mut batch = RecordBatch::default();
        for value in values {
            batch.push(RecordRef { value: Some(value), ..RecordRef::default() });
        }
        batch
    }

    fn open(capacity: usize) -> (Arc<Mutex<Vec<u8>>>, Box<dyn SinkWriter>) {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let sink =
            StdoutLines::over(LineFormat::Value, Arc::new(Mutex::new(Pipe { taken: Arc::clone(&taken), capacity })));
        (taken, sink.open(0, SinkState::new()).expect("opens"))
    }

    #[test]
    fn only_what_was_committed_is_printed() {
        let (taken, mut writer) = open(1000);
        writer.write(&batch(&[b"1", b"two"])).expect("writes");
        writer.prepare(CommitKind::Periodic).expect("prepares");
        writer.write(&batch(&[b"3"])).expect("writes");
        assert_eq!(*taken.lock().expect("not poisoned"), b"");
        writer.finish().expect("prints");
        assert_eq!(*taken.lock().expect("not poisoned"), b"1\n\"two\"\n");
        writer.finish().expect("nothing to print");
        writer.prepare(CommitKind::Periodic).expect("prepares");
        writer.finish().expect("prints");
        assert_eq!(*taken.lock().expect("not poisoned"), b"1\n\"two\"\n3\n");
    }

    #[test]
    fn a_reader_that_left_is_an_error() {
        let (_, mut writer) = open(3);
        writer.write(&batch(&[b"12345"])).expect("writes");
        writer.prepare(CommitKind::Periodic).expect("prepares");
        let error = writer.finish().expect_err("the pipe is closed");
        assert_eq!(error.to_string(), "standard output was closed by whoever read it");
        assert!(!error.retriable);
    }
}
