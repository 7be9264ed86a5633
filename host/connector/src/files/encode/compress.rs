//! Compressed bytes into a file.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
};

use flate2::{Compression as GzipLevel, write::GzEncoder};
use millstream_pipeline::spec::Compression;
use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer};

/// Bytes that are collected before the system is called.
const BUFFER_BYTES: usize = 256 << 10;
const ZSTD_LEVEL: i32 = 3;

/// Writes bytes into a file, compressed.
pub(super) enum Compressor {
    Plain(Counted),
    Gzip(GzEncoder<Counted>),
    Zstd(Zstd),
}

impl Compressor {
    pub fn new(compression: Compression, file: File) -> io::Result<Self> {
        let counted = Counted { file: BufWriter::with_capacity(BUFFER_BYTES, file), bytes: 0 };
        Ok(match compression {
            Compression::None | Compression::Snappy => Self::Plain(counted),
            Compression::Gzip => Self::Gzip(GzEncoder::new(counted, GzipLevel::default())),
            Compression::Zstd => Self::Zstd(Zstd::new(counted)?),
        })
    }

    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.write_all(bytes),
            Self::Gzip(stream) => stream.write_all(bytes),
            Self::Zstd(stream) => stream.write_all(bytes),
        }
    }

    /// Bytes that came out so far.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Plain(file) => file.bytes,
            Self::Gzip(stream) => stream.get_ref().bytes,
            Self::Zstd(stream) => stream.out.bytes,
        }
    }

    pub fn finish(self) -> io::Result<(File, u64)> {
        let counted = match self {
            Self::Plain(file) => file,
            Self::Gzip(stream) => stream.finish()?,
            Self::Zstd(stream) => stream.finish()?,
        };
        Ok((counted.file.into_inner().map_err(io::IntoInnerError::into_error)?, counted.bytes))
    }
}

/// A file and how much went into it.
pub(super) struct Counted {
    file: BufWriter<File>,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// One Zstandard frame.
pub(super) struct Zstd {
    context: CCtx<'static>,
    buffer: Vec<u8>,
    out: Counted,
}

impl Zstd {
    fn new(out: Counted) -> io::Result<Self> {
        let mut context = CCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
        context.set_parameter(CParameter::CompressionLevel(ZSTD_LEVEL)).map_err(failed)?;
        context.set_parameter(CParameter::ChecksumFlag(true)).map_err(failed)?;
        Ok(Self { context, buffer: vec![0; CCtx::out_size()], out })
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut input = InBuffer::around(bytes);
        while input.pos < bytes.len() {
            let mut output = OutBuffer::around(self.buffer.as_mut_slice());
            self.context.compress_stream(&mut output, &mut input).map_err(failed)?;
            self.out.write_all(output.as_slice())?;
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<Counted> {
        loop {
            let mut output = OutBuffer::around(self.buffer.as_mut_slice());
            let left = self.context.end_stream(&mut output).map_err(failed)?;
            self.out.write_all(output.as_slice())?;
            if left == 0 {
                return Ok(self.out);
            }
        }
    }
}

fn failed(code: usize) -> io::Error {
    io::Error::other(zstd_safe::get_error_name(code))
}
