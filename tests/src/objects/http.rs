//! As much of HTTP/1.1 as clients of the store use.

use std::{
    io::{self, BufRead, Error, ErrorKind, Write},
    sync::Arc,
    thread,
    time::Duration,
};

/// The longest line of a head, and the most headers.
const LONGEST_LINE: u64 = 16 << 10;
const MOST_HEADERS: usize = 100;

/// What a request begins with.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub method: String,
    /// Decoded, without the slash before the bucket.
    pub path: String,
    /// Decoded.
    pub query: Vec<(String, String)>,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    /// Of the body, bytes.
    pub length: usize,
}

impl Head {
    /// The head of the next request; `None`: the client is done.
    pub fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let first = line(reader)?;
        let mut words = first.split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        };
        let mut head = Self {
            method: method.to_owned(),
            path: decoded(path.trim_start_matches('/')),
            query: query.split('&').filter(|text| !text.is_empty()).map(pair).collect(),
            ..Self::default()
        };
        loop {
            let line = line(reader)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| malformed("a header has no name"))?;
            head.headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            if head.headers.len() > MOST_HEADERS {
                return Err(malformed("too many headers"));
            }
        }
        if head.header("transfer-encoding").is_some() {
            return Err(malformed("bodies of unknown length are not supported"));
        }
        let length = head.header("content-length").map(|length| length.parse());
        head.length = length.transpose().map_err(|_| malformed("the length is no number"))?.unwrap_or_default();
        Ok(Some(head))
    }

    /// A header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

/// A line without its end; empty at the end of the connection.
fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    io::Read::take(reader, LONGEST_LINE).read_until(b'\n', &mut line)?;
    let line = String::from_utf8(line).map_err(|_| malformed("a line is not text"))?;
    Ok(line.trim_end().to_owned())
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        match byte {
            b'%' => {
                let (high, low) = (digit().unwrap_or_default(), digit().unwrap_or_default());
                bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
            }
            b'+' => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// How an answer is sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    AtOnce,
    /// In parts over this time.
    Trickle(Duration),
    /// Half of it.
    Half,
}

/// Parts of a body that trickles.
const PARTS: u32 = 8;

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Arc<[u8]>,
}

impl Answer {
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Arc::default() }
    }

    pub fn xml(body: &str) -> Self {
        let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}");
        let headers = vec![("content-type", "application/xml".to_owned())];
        Self { status: 200, headers, body: body.into_bytes().into() }
    }

    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self { status, ..Self::xml(&format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>")) }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sends it. The body of an answer to HEAD stays here.
    pub fn send(&self, to: &Head, connection: &mut impl Write, pace: Pace) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {} as the test wants it\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if self.status != 204 {
            head += &format!("content-length: {}\r\n", self.body.len());
        }
        head += "\r\n";
        connection.write_all(head.as_bytes())?;
        let body: &[u8] = if to.method == "HEAD" { &[] } else { &self.body };
        match pace {
            Pace::AtOnce => connection.write_all(body)?,
            Pace::Half => connection.write_all(body.get(..body.len() / 2).unwrap_or_default())?,
            Pace::Trickle(time) => {
                for part in body.chunks(body.len().div_ceil(PARTS as usize).max(1)) {
                    thread::sleep(time / PARTS);
                    connection.write_all(part)?;
                }
            }
        }
        connection.flush()
    }
}
