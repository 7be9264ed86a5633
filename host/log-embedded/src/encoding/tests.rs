use millstream_types::RecordRef;

use super::*;

fn sample() -> RecordBatch {
    let mut batch = RecordBatch::default();
    batch.push(RecordRef { key: Some(b"k"), value: Some(b"value"), timestamp_ms: 1 });
    batch.push_with_headers(
        RecordRef { key: None, value: Some(b""), timestamp_ms: -2 },
        [(&b"h"[..], Some(&b"v"[..])), (&b"n"[..], None)],
    );
    batch.push(RecordRef { key: Some(b""), value: None, timestamp_ms: i64::MAX });
    batch
}

fn envelope(span: u32) -> Envelope {
    Envelope { span, appended_ms: 1_700_000_000_000, is_delta: false }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The stored format. A change of these bytes needs a new version that reads them still.
#[test]
fn the_format_is_what_it_always_was() {
    let expected = concat!(
        "01080000",
        "CHECKSUM",
        "03000000",
        "03000000",
        "0068e5cf8b010000",
        "9000000000000000", // header
        "0100000000000000",
        "feffffffffffffff",
        "ffffffffffffff7f", // timestamps
        "00",
        "01000000",
        "01000000",
        "00000000010000000100000001000000",
        "05",
        "6b", // keys
        "00",
        "05000000",
        "01000000",
        "00000000050000000500000005000000",
        "03",
        "76616c7565",                       // values
        "00000000000000000200000002000000", // header offsets
        "00",
        "02000000",
        "00000000",
        "000000000100000002000000",
        "686e", // header names
        "00",
        "01000000",
        "01000000",
        "000000000100000001000000",
        "01",
        "76", // header values
    );
    let bytes = encode(&sample(), None, envelope(3));
    let found = hex(&bytes);
    assert_eq!([&found[..8], "CHECKSUM", &found[16..]].concat(), expected);
    let checksum = crc32c::crc32c(&[&bytes[..4], &bytes[8..]].concat());
    assert_eq!(found[8..16], hex(&checksum.to_le_bytes()));

    let compacted = encode(&sample(), Some(&[0, 7, 9]), Envelope { is_delta: true, ..envelope(12) });
    assert_eq!(hex(&compacted[..4]), "011a0000");
    assert_eq!(hex(&compacted[12..16]), "0c000000");
    assert_eq!(hex(&compacted[32..44]), "000000000700000009000000");
}

#[test]
fn batches_come_back() {
    let mut large = RecordBatch::default();
    for number in 0..1000 {
        let value = format!("{{\"user\":{number},\"amount\":12.5}}");
        large.push(RecordRef { key: None, value: Some(value.as_bytes()), timestamp_ms: 5 });
    }
    for batch in [sample(), large] {
        let bytes = encode(&batch, None, envelope(batch.len() as u32));
        let (stored, found) = decode(&bytes, 100).expect("sound");
        assert_eq!(*stored.batch, batch);
        assert_eq!(found, envelope(batch.len() as u32));
        assert_eq!((stored.offsets, stored.next_offset), (Offsets::From(100), 100 + batch.len() as i64));
    }
    let bytes = encode(&sample(), Some(&[0, 7, 9]), envelope(12));
    let (stored, _) = decode(&bytes, 100).expect("sound");
    assert_eq!((stored.offsets, stored.next_offset), (Offsets::Each([100, 107, 109].into()), 112));
}

#[test]
fn large_batches_are_compressed_where_that_helps() {
    let mut batch = RecordBatch::default();
    for _ in 0..1000 {
        batch.push(RecordRef { key: Some(b"the same"), value: Some(&[7; 100]), timestamp_ms: 5 });
    }
    let bytes = encode(&batch, None, envelope(1000));
    assert!(bytes.len() < batch.byte_size() / 10, "{} bytes of {}", bytes.len(), batch.byte_size());
    assert_eq!(*decode(&bytes, 0).expect("sound").0.batch, batch);
}

#[test]
fn every_broken_byte_is_noticed() {
    let bytes = encode(&sample(), None, envelope(3));
    for index in 0..bytes.len() {
        let mut broken = bytes.clone();
        broken[index] ^= 0x10;
        assert!(decode(&broken, 0).is_err(), "byte {index}");
    }
    for end in 0..bytes.len() {
        assert!(decode(&bytes[..end], 0).is_err(), "cut at {end}");
    }
    assert_eq!(decode(&[9, 0, 0, 0], 0).expect_err("a version"), Broken::Version(9));
}
