//! A guest's log: what it logs and what it prints, line by line, within a rate.

use std::time::Instant;

use parking_lot::Mutex;

use crate::Limits;

/// How much of stderr is remembered for the message of a trap, bytes.
const TAIL_BYTES: usize = 4096;

/// How much a line matters, in the host's terms.
pub(crate) use tracing::Level;

/// The log of one instance and its successors. Shared with the streams that the guest prints to.
#[derive(Debug)]
pub(crate) struct GuestLog {
    operator: String,
    step: String,
    line_bytes: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    bucket: Bucket,
    dropped: u64,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    stderr_tail: Vec<u8>,
}

/// A token bucket that holds one second's worth.
#[derive(Debug)]
struct Bucket {
    per_second: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.tokens = (self.tokens + passed * self.per_second).min(self.per_second.max(1.0));
        let kept = self.tokens >= 1.0;
        if kept {
            self.tokens -= 1.0;
        }
        kept
    }
}

/// Which of its streams a guest prints to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl GuestLog {
    pub(crate) fn new(operator: String, step: String, limits: &Limits) -> Self {
        let per_second = f64::from(limits.log_lines_per_second);
        Self {
            operator,
            step,
            line_bytes: limits.log_line_bytes.max(1),
            inner: Mutex::new(Inner {
                bucket: Bucket { per_second, tokens: per_second, filled: Instant::now() },
                dropped: 0,
                stdout: Vec::new(),
                stderr: Vec::new(),
                stderr_tail: Vec::new(),
            }),
        }
    }

    /// Whether lines of this level are kept by anyone.
    pub(crate) fn enabled(level: Level) -> bool {
        match level {
            Level::TRACE => tracing::enabled!(target: "millstream::guest", Level::TRACE),
            Level::DEBUG => tracing::enabled!(target: "millstream::guest", Level::DEBUG),
            Level::INFO => tracing::enabled!(target: "millstream::guest", Level::INFO),
            Level::WARN => tracing::enabled!(target: "millstream::guest", Level::WARN),
            Level::ERROR => tracing::enabled!(target: "millstream::guest", Level::ERROR),
        }
    }

    /// Writes one line, or counts it as dropped.
    pub(crate) fn line(&self, level: Level, message: &str) {
        if Self::enabled(level) {
            self.write(&mut self.inner.lock(), level, message);
        }
    }

    /// Takes what the guest printed and writes the lines that are complete.
    pub(crate) fn print(&self, stream: Stream, bytes: &[u8]) {
        let mut inner = self.inner.lock();
        if stream == Stream::Stderr {
            inner.stderr_tail.extend_from_slice(bytes);
            let over = inner.stderr_tail.len().saturating_sub(TAIL_BYTES);
            inner.stderr_tail.drain(..over);
        }
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let pending = inner.pending(stream);
            pending.extend_from_slice(piece.strip_suffix(b"\n").unwrap_or(piece));
            if piece.ends_with(b"\n") || pending.len() >= self.line_bytes {
                let line = std::mem::take(pending);
                self.printed(&mut inner, stream, &line);
            }
        }
    }

    fn printed(&self, inner: &mut Inner, stream: Stream, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        if !line.is_empty() {
            let level = if stream == Stream::Stderr { Level::WARN } else { Level::INFO };
            self.write(inner, level, line);
        }
    }

    fn write(&self, inner: &mut Inner, level: Level, message: &str) {
        if !inner.bucket.take(Instant::now()) {
            inner.dropped += 1;
            return;
        }
        let dropped = std::mem::take(&mut inner.dropped);
        if dropped > 0 {
            self.emit(Level::WARN, &format!("{dropped} lines over the rate limit were dropped"));
        }
        let message = cut(message, self.line_bytes);
        if message.contains(['\n', '\r']) {
            self.emit(level, &message.replace(['\n', '\r'], " "));
        } else {
            self.emit(level, message);
        }
    }

    fn emit(&self, level: Level, message: &str) {
        let Self { operator, step, .. } = self;
        match level {
            Level::TRACE => tracing::trace!(target: "millstream::guest", operator, step, "{message}"),
            Level::DEBUG => tracing::debug!(target: "millstream::guest", operator, step, "{message}"),
            Level::INFO => tracing::info!(target: "millstream::guest", operator, step, "{message}"),
            Level::WARN => tracing::warn!(target: "millstream::guest", operator, step, "{message}"),
            Level::ERROR => tracing::error!(target: "millstream::guest", operator, step, "{message}"),
        }
    }

    /// Writes what was printed of lines that will not end any more, as their instance is gone.
    pub(crate) fn end_lines(&self) {
        let mut inner = self.inner.lock();
        for stream in [Stream::Stdout, Stream::Stderr] {
            let line = std::mem::take(inner.pending(stream));
            self.printed(&mut inner, stream, &line);
        }
    }

    /// Forgets what was printed before, so that a trap's message is the call's own.
    pub(crate) fn begin_call(&self) {
        self.inner.lock().stderr_tail.clear();
    }

    /// What the guest printed to stderr since the call began: after a trap, the panic's message.
    pub(crate) fn stderr_tail(&self) -> String {
        let inner = self.inner.lock();
        let text = String::from_utf8_lossy(&inner.stderr_tail);
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("note: run with"));
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl Inner {
    fn pending(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

impl Drop for GuestLog {
    fn drop(&mut self) {
        let dropped = self.inner.get_mut().dropped;
        if dropped > 0 {
            self.emit(Level::WARN, &format!("{dropped} lines over the rate limit were dropped"));
        }
    }
}

/// The first `limit` bytes, at a character's boundary.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}
