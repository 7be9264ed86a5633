//! What is stored of a key: its panes.
//!
//! ```text
//!   entry     FORMAT, flags, armed times that there are (i64 each), next segment (varint), panes ...
//!   pane      flags, [start i64, end i64], newest i64, [trigger times i64 each], [trigger state: length, bytes],
//!             records so far (varint), number of pieces (varint), pieces ...
//!   piece     elements (varint), then an accumulator: length + 1 (varint; 0: none), bytes
//!                                or a segment of elements: its number, how many of them are skipped (varints)
//! ```
//!
//! Integers are little-endian; a varint has seven bits a byte, low ones first.

use millstream_state::StateError;

use crate::window::Window;

/// The version of this encoding.
const FORMAT: u8 = 1;

const HAS_EVENT_TIME: u8 = 1;
const HAS_PROCESSING_TIME: u8 = 1 << 1;
const ENDED: u8 = 1 << 2;
const CHANGED: u8 = 1 << 3;
const BOUNDED: u8 = 1 << 4;
const HAS_TRIGGER_STATE: u8 = 1 << 5;

/// A pane: a window of a key. Its pieces are stored in it; [a call](super::work) has them by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pane<P = Piece> {
    pub(super) window: Window,
    /// The newest timestamp in it.
    pub(super) newest_ms: i64,
    /// When the trigger wants to be asked, by event and by processing time; `i64::MAX`: never.
    pub(super) times: [i64; 2],
    pub(super) trigger: Option<Vec<u8>>,
    /// Its end has been reached.
    pub(super) ended: bool,
    /// Records have come since it fired.
    pub(super) changed: bool,
    /// How many records ever came, for windows by count.
    pub(super) records: u64,
    /// What it has, in order.
    pub(super) pieces: Vec<P>,
}

/// A part of what a pane has. Firing merges them; what is added goes into the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Piece {
    /// How many records it has, those that are skipped included.
    pub(super) elements: u64,
    /// The accumulator, where elements are not kept.
    pub(super) accumulator: Option<Vec<u8>>,
    /// The number of the list of elements, where they are kept.
    pub(super) segment: u64,
    /// So many of the first elements were evicted.
    pub(super) skipped: u64,
    /// Nothing is added any more in this call.
    pub(super) sealed: bool,
}

/// What there is of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The first time, by event and by processing time, that a timer stands for; `i64::MAX`: there is none.
    pub(super) armed: [i64; 2],
    /// The number of the next segment of elements.
    pub(super) next_segment: u64,
    pub(super) panes: Vec<Pane>,
}

impl Default for Entry {
    fn default() -> Self {
        Self { armed: [i64::MAX; 2], next_segment: 0, panes: Vec::new() }
    }
}

impl<P> Pane<P> {
    pub(super) fn new(window: Window) -> Self {
        Self {
            window,
            newest_ms: i64::MIN,
            times: [i64::MAX; 2],
            trigger: None,
            ended: false,
            changed: false,
            records: 0,
            pieces: Vec::new(),
        }
    }

    /// The same pane, with its pieces in another way.
    pub(super) fn with_pieces<Q>(self, change: impl FnOnce(Vec<P>) -> Vec<Q>) -> Pane<Q> {
        let Self { window, newest_ms, times, trigger, ended, changed, records, pieces } = self;
        Pane { window, newest_ms, times, trigger, ended, changed, records, pieces: change(pieces) }
    }
}

impl Entry {
    /// The entry as it is stored; `keeps_elements`: pieces are segments.
    pub(super) fn encode(&self, keeps_elements: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        out.push(FORMAT);
        out.push(time_flags(self.armed));
        put_times(&mut out, self.armed);
        put_varint(&mut out, self.next_segment);
        for pane in &self.panes {
            pane.encode(keeps_elements, &mut out);
        }
        out
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// When it is damaged, or of another format.
    pub(super) fn decode(bytes: &[u8], keeps_elements: bool) -> Result<Self, StateError> {
        let mut reader = Reader { bytes };
        let entry = (|| {
            (reader.byte()? == FORMAT).then_some(())?;
            let flags = reader.byte()?;
            let armed = reader.times(flags)?;
            let next_segment = reader.varint()?;
            let mut panes = Vec::new();
            while !reader.bytes.is_empty() {
                panes.push(reader.pane(keeps_elements)?);
            }
            Some(Self { armed, next_segment, panes })
        })();
        entry.ok_or_else(|| StateError::Corrupt(format!("windows of a key {bytes:?}")))
    }
}

impl Pane {
    fn encode(&self, keeps_elements: bool, out: &mut Vec<u8>) {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        out.push(
            time_flags(self.times)
                | flag(self.ended, ENDED)
                | flag(self.changed, CHANGED)
                | flag(self.window != Window::GLOBAL, BOUNDED)
                | flag(self.trigger.is_some(), HAS_TRIGGER_STATE),
        );
        if self.window != Window::GLOBAL {
            out.extend_from_slice(&self.window.start_ms.to_le_bytes());
            out.extend_from_slice(&self.window.end_ms.to_le_bytes());
        }
        out.extend_from_slice(&self.newest_ms.to_le_bytes());
        put_times(out, self.times);
        if let Some(state) = &self.trigger {
            put_bytes(out, state);
        }
        put_varint(out, self.records);
        put_varint(out, self.pieces.len() as u64);
        for piece in &self.pieces {
            put_varint(out, piece.elements);
            if keeps_elements {
                put_varint(out, piece.segment);
                put_varint(out, piece.skipped);
            } else if let Some(accumulator) = &piece.accumulator {
                put_varint(out, accumulator.len() as u64 + 1);
                out.extend_from_slice(accumulator);
            } else {
                out.push(0);
            }
        }
    }
}

fn time_flags([event, processing]: [i64; 2]) -> u8 {
    let flag = |time: i64, flag: u8| if time < i64::MAX { flag } else { 0 };
    flag(event, HAS_EVENT_TIME) | flag(processing, HAS_PROCESSING_TIME)
}

fn put_times(out: &mut Vec<u8>, times: [i64; 2]) {
    for time in times.into_iter().filter(|&time| time < i64::MAX) {
        out.extend_from_slice(&time.to_le_bytes());
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads what was written; `None`: it ends too early.
pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    pub(super) fn time(&mut self) -> Option<i64> {
        let (first, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(i64::from_le_bytes(*first))
    }

    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn slice(&mut self, length: u64) -> Option<&'a [u8]> {
        let (first, rest) = self.bytes.split_at_checked(usize::try_from(length).ok()?)?;
        self.bytes = rest;
        Some(first)
    }

    fn times(&mut self, flags: u8) -> Option<[i64; 2]> {
        let mut time = |flag: u8| if flags & flag != 0 { self.time() } else { Some(i64::MAX) };
        Some([time(HAS_EVENT_TIME)?, time(HAS_PROCESSING_TIME)?])
    }

    fn pane(&mut self, keeps_elements: bool) -> Option<Pane> {
        let flags = self.byte()?;
        let window = match flags & BOUNDED {
            0 => Window::GLOBAL,
            _ => Window { start_ms: self.time()?, end_ms: self.time()? },
        };
        let newest_ms = self.time()?;
        let times = self.times(flags)?;
        let trigger = match flags & HAS_TRIGGER_STATE {
            0 => None,
            _ => {
                let length = self.varint()?;
                Some(self.slice(length)?.to_vec())
            }
        };
        let records = self.varint()?;
        let count = self.varint()?;
        let mut pieces = Vec::new();
        for _ in 0..count {
            pieces.push(self.piece(keeps_elements)?);
        }
        let (ended, changed) = (flags & ENDED != 0, flags & CHANGED != 0);
        Some(Pane { window, newest_ms, times, trigger, ended, changed, records, pieces })
    }

    fn piece(&mut self, keeps_elements: bool) -> Option<Piece> {
        let elements = self.varint()?;
        let mut piece = Piece { elements, ..Piece::default() };
        if keeps_elements {
            piece.segment = self.varint()?;
            piece.skipped = self.varint()?;
        } else if let Some(length) = self.varint()?.checked_sub(1) {
            piece.accumulator = Some(self.slice(length)?.to_vec());
        }
        Some(piece)
    }
}
