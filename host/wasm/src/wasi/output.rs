//! stdin, stdout and stderr of a guest.

use std::{future, pin::Pin, sync::Arc};

use bytes::Bytes;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, OutputStream, Pollable, StreamResult,
    bindings::cli::{stderr, stdin, stdout},
    pipe::ClosedInputStream,
};

use crate::{
    guest::GuestData,
    guest_log::{GuestLog, Stream},
};

/// What one write may carry, bytes.
const WRITE_BYTES: usize = 64 << 10;

/// Writes to the guest's log and is always ready.
struct Printer {
    log: Arc<GuestLog>,
    stream: Stream,
}

impl Pollable for Printer {
    fn ready<'a, 'b>(&'a mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(future::ready(()))
    }
}

impl OutputStream for Printer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log.print(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}

impl GuestData {
    fn printer(&mut self, stream: Stream) -> wasmtime::Result<Resource<DynOutputStream>> {
        let printer: DynOutputStream = Box::new(Printer { log: Arc::clone(&self.log), stream });
        Ok(self.table.push(printer)?)
    }
}

impl stdin::Host for GuestData {
    fn get_stdin(&mut self) -> wasmtime::Result<Resource<DynInputStream>> {
        let closed: DynInputStream = Box::new(ClosedInputStream);
        Ok(self.table.push(closed)?)
    }
}

impl stdout::Host for GuestData {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        self.printer(Stream::Stdout)
    }
}

impl stderr::Host for GuestData {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        self.printer(Stream::Stderr)
    }
}
