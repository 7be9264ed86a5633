//! The bytes of control objects: JSON in an envelope that says format, place and checksum.
//!
//! The checksum covers the content's text as it is written, so damage that is still JSON is noticed.

use millstream_types::Digest;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{
    entry::{Entry, LogRecord},
    registry::digest_of,
    state::RegistryState,
};

/// The newest format that this version writes and reads.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    format: u32,
    sequence: u64,
    writer: String,
    checksum: Digest,
    #[serde(borrow)]
    content: &'a RawValue,
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

/// The bytes of an entry.
pub(crate) fn encode_record(record: &LogRecord) -> Result<Vec<u8>, serde_json::Error> {
    encode(record.sequence, &record.writer, &record.entry)
}

/// Reads an entry at place `sequence`.
pub(crate) fn decode_record(sequence: u64, bytes: &[u8]) -> Result<LogRecord, String> {
    let (writer, entry) = decode::<Entry>(sequence, bytes)?;
    Ok(LogRecord { sequence, writer, entry })
}

/// The bytes of a snapshot.
pub(crate) fn encode_snapshot(writer: &str, state: &RegistryState) -> Result<Vec<u8>, serde_json::Error> {
    encode(state.sequence(), writer, state)
}

/// Reads the snapshot after entry `sequence`.
pub(crate) fn decode_snapshot(sequence: u64, bytes: &[u8]) -> Result<RegistryState, String> {
    let (_, state) = decode::<RegistryState>(sequence, bytes)?;
    if state.sequence() == sequence {
        Ok(state)
    } else {
        Err(format!("holds the state after entry {}, not {sequence}", state.sequence()))
    }
}

fn encode<T: Serialize>(sequence: u64, writer: &str, content: &T) -> Result<Vec<u8>, serde_json::Error> {
    let content = serde_json::value::to_raw_value(content)?;
    let checksum = digest_of(content.get().as_bytes());
    let mut bytes = serde_json::to_vec(&Envelope {
        format: FORMAT,
        sequence,
        writer: writer.to_owned(),
        checksum,
        content: &content,
    })?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn decode<T: DeserializeOwned>(sequence: u64, bytes: &[u8]) -> Result<(String, T), String> {
    let FormatOnly { format } = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if format != FORMAT {
        return Err(format!("has format {format}, and this version reads format {FORMAT} only"));
    }
    let envelope: Envelope<'_> = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if envelope.sequence != sequence {
        return Err(format!("says that it is number {}", envelope.sequence));
    }
    let found = digest_of(envelope.content.get().as_bytes());
    if found != envelope.checksum {
        return Err(format!("its content has the digest {found}, not {}", envelope.checksum));
    }
    let content = serde_json::from_str(envelope.content.get()).map_err(|error| error.to_string())?;
    Ok((envelope.writer, content))
}
