//! Accumulators as they are stored: a version must read what an earlier one wrote.

use proptest::prelude::*;

use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex"))
        .collect()
}

const DECLARED: [(&str, &str); 13] = [
    ("count", "count()"),
    ("sum", "sum(/a)"),
    ("floats", "sum(float(/a))"),
    ("min", "min(/a)"),
    ("max", "max(/none)"),
    ("var", "var(/a)"),
    ("first", "first(/m)"),
    ("last", "last(/m)"),
    ("list", "collect(/m)"),
    ("set", "distinct(/m)"),
    ("approx", "approx_distinct(/m)"),
    ("quantile", "quantile(/a, 0.5)"),
    ("top", "top(/m, 1)"),
];

const RECORDS: [(i64, &str); 4] = [
    (1_000, r#"{"a":1.25,"m":"x"}"#),
    (-1, r#"{"a":-300,"m":"y"}"#),
    (1_000, r#"{"a":0,"m":"x"}"#),
    (2_000, r#"{"a":123456789012345678901234.5}"#),
];

#[test]
fn accumulators_are_written_as_they_always_were() {
    let mut aggregates = aggregates(&DECLARED);
    let added = add_all(&mut aggregates, &batch(&RECORDS), None);
    let stored = added.accumulators.get(0).expect("an accumulator");
    let expected = [
        "01",                                                // format
        "04",                                                // count
        "02 8e98e2adcdaabfa2b0b2b2a301",                     // sum: decimals, mantissa
        "40 00 04 6da0101f9b24ba44 0000000000ac72c0", // floats: no exact sum, four numbers, their sum, what it lost
        "00 d704",                                    // min
        "ff",                                         // max: none
        "08 6da0101f9b249a44 5fa7d475bc048049",       // var: four numbers, mean, squares
        "01 01 00 03227922",                          // first: time -1, no ties, value
        "01 d00f 01 03227822",                        // last: time 1000, a tie, value
        "06 01 00 03227922 e907 00 03227822 00 01 03227822", // list: three values with times and ties
        "04 03227822 03227922",                       // set: two values
        "00 02 c27a 8214",                            // approx: two registers
        "01 0000000000c072c0 6da0101f9b24ba44 01",    // quantile: smallest, largest, one zero
        "01 bc04 01 02 18 01 d614 01",                // its negative bin and its positive ones
        "04 03227822 02 00 03227922 01 00",           // top: two values with counts and errors
    ];
    assert_eq!(hex(stored), expected.concat().replace(' ', ""));
}

#[test]
fn equal_sums_are_equal_bytes() {
    let mut aggregates = aggregates(&[("s", "sum(/a)"), ("m", "max(/a)")]);
    let mut sum = |numbers: [&str; 2]| {
        let values = numbers.map(|number| format!(r#"{{"a":{number}}}"#));
        add_all(&mut aggregates, &batch(&[(0, &values[0]), (0, &values[1])]), None).accumulators
    };
    assert_eq!(sum(["0.5", "1.5"]), sum(["1.50", "0.500"]));
    assert_eq!(sum(["0.5", "1.5"]), sum(["0.50000000000000000000", "15e-1"]));
    assert_eq!(hex(sum(["0.5", "1.5"]).data()), "01 00 04 01 1e".replace(' ', ""));
}

#[test]
fn definitions_are_written_as_they_always_were() {
    let declared: Vec<_> = DECLARED.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
    let factory = AggregatesFactory::new(&declared, None).expect("right");
    assert_eq!(
        factory.definition(),
        r#"{"format":1,"cells":["count()","sum(/a)","sum(float(/a))","min(/a)","max(/none)","moments(/a)","first(/m)","last(/m)","list(/m)","values(/m)","hyperloglog-12(/m)","ddsketch-0.01(/a)","frequent-256(/m)"]}"#
    );
}

#[test]
fn what_is_told_does_not_belong_to_the_definition() {
    let definition = |declared: &[(&str, &str)]| {
        let declared: Vec<_> = declared.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
        AggregatesFactory::new(&declared, None).expect("right").definition().to_owned()
    };
    let one = definition(&[
        ("a", "avg(/x) where /y"),
        ("b", "quantile(/x, 0.5)"),
        ("c", "distinct(/x, 5)"),
        ("d", "top(/x, 3)"),
    ]);
    let same = [
        ("c", "sum( /x )   where /y"),
        ("n", "count(/x) where /y"),
        ("a", "avg(/x) where /y"),
        ("p", "quantile(/x, 0.9)"),
        ("q", "quantile(/x, 0.1)"),
        ("d", "collect_distinct(/x)"),
        ("e", "top(/x, 10)"),
    ];
    // The last limit but not the last cell differs.
    assert_eq!(definition(&same), one);
    assert_ne!(definition(&[("a", "avg(/x)")]), definition(&[("a", "avg(/x) where /y")]));
    assert_ne!(definition(&[("a", "sum(/x)")]), definition(&[("a", "sum(/z)")]));
}

fn members_or_damage(aggregates: &mut Aggregates, bytes: &[u8]) -> Result<String, String> {
    let mut out = Vec::new();
    match aggregates.write_members(Some(bytes), "", &mut out) {
        Ok(()) => Ok(String::from_utf8_lossy(&out).into_owned()),
        Err(error) => {
            assert!(error.is_host_fault(), "{error}");
            Err(error.to_string())
        }
    }
}

#[test]
fn damaged_accumulators_are_errors() {
    let mut aggregates = aggregates(&[("n", "count()"), ("s", "sum(/a)")]);
    assert_eq!(members_or_damage(&mut aggregates, &bytes("01030103")), Ok(r#""n":3,"s":-0.2"#.into()));
    for damaged in ["", "02030103", "010301", "0103010300", "01ffffffffffffffffffff01", "01032703", "0103", "01034003"]
    {
        let error = members_or_damage(&mut aggregates, &bytes(damaged)).expect_err(damaged);
        assert_eq!(error, "stored state cannot be used: an accumulator is damaged", "{damaged}");
    }
    let overlong = format!("010300{}04", "80".repeat(18));
    members_or_damage(&mut aggregates, &bytes(&overlong)).expect_err("more than 128 bits");
    let mut set = super::aggregates(&[("d", "distinct(/m)")]);
    assert_eq!(members_or_damage(&mut set, &bytes("010401310132")), Ok(r#""d":2"#.into()));
    members_or_damage(&mut set, &bytes("010401310131")).expect_err("a value twice");
    let damaged: BytesColumn = [Some([1_u8]), Some([1])].into_iter().collect();
    aggregates.merge(&damaged, &[0, 0], 1).expect_err("damaged");
    let batch = batch(&[(0, "{}")]);
    aggregates.add(&Additions { batch: &batch, rows: &[0], targets: &[1] }, &damaged).expect_err("damaged");
}

#[test]
fn calls_that_do_not_fit_are_errors() {
    let mut aggregates = aggregates(&[("n", "count()")]);
    let batch = batch(&[(0, "{}")]);
    let one = BytesColumn::nulls(1);
    aggregates.add(&Additions { batch: &batch, rows: &[0], targets: &[1] }, &one).expect_err("no such accumulator");
    aggregates.add(&Additions { batch: &batch, rows: &[0], targets: &[] }, &one).expect_err("no target");
    aggregates.merge(&one, &[1], 1).expect_err("no such group");
    aggregates.merge(&one, &[], 1).expect_err("no group");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn bytes_that_were_changed_cause_no_panic(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        length in any::<prop::sample::Index>(),
        tail in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut aggregates = aggregates(&DECLARED);
        let mut stored = add_all(&mut aggregates, &batch(&RECORDS), None).accumulators.get(0).expect("one").to_vec();
        let index = at.index(stored.len());
        stored[index] = byte;
        stored.truncate(length.index(stored.len() * 3).max(index));
        stored.extend(tail);
        let damaged: BytesColumn = [Some(&stored), Some(&stored)].into_iter().collect();
        let _ = members_or_damage(&mut aggregates, &stored);
        if let Ok(merged) = aggregates.merge(&damaged, &[0, 0], 1) {
            let bytes = merged.get(0).expect("merged");
            members_or_damage(&mut aggregates, bytes).expect("what was merged is sound");
        }
        let batch = batch(&RECORDS);
        let _ = aggregates.add(&Additions { batch: &batch, rows: &[0, 1], targets: &[0, 1] }, &damaged);
    }

    #[test]
    fn any_value_of_a_record_causes_no_panic(value in "[-0-9eE.+\"\\\\{}\\[\\]ntx:,]{0,24}") {
        let mut aggregates = aggregates(&DECLARED);
        let value = format!(r#"{{"a":{value},"m":{value}}}"#);
        let added = add_all(&mut aggregates, &batch(&[(i64::MIN, &value), (i64::MAX, &value)]), None);
        if let Some(bytes) = added.accumulators.get(0) {
            members_or_damage(&mut aggregates, bytes).expect("sound");
        }
    }
}
