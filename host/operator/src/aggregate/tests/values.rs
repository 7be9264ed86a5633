//! What aggregates are worth, and which records fail.

use super::*;

#[test]
fn sums_are_exact() {
    let declared = [
        ("spend", "sum(/a)"),
        ("txns", "count()"),
        ("amounts", "count(/a)"),
        ("mean", "avg(/a)"),
        ("low", "min(/a)"),
        ("high", "max(/a)"),
    ];
    let values = [r#"{"a":0.1}"#, r#"{"a":0.2}"#, r#"{"a":-12345678901234567890.5}"#, r#"{"a":null}"#, "{}", ""];
    let (members, failures) = over(&declared, &values);
    assert_eq!(failures, [""; 0]);
    assert_eq!(
        members,
        r#""spend":-12345678901234567890.2,"txns":6,"amounts":3,"mean":-4115226300411522630.1,"low":-12345678901234567890.5,"high":0.2"#
    );
}

#[test]
fn numbers_of_every_form_are_summed() {
    for (numbers, sum) in [
        (&["1.50", "1.5"][..], "3"),
        (&["1e3", "2.5E-2", "0.0e999"], "1000.025"),
        (&["-0", "-0.0"], "0"),
        (&["100", "-1e2"], "0"),
        (&["12300000e-5"], "123"),
        (&["0.00000000000000000000000000000000000001"], "0.00000000000000000000000000000000000001"),
        (&["99999999999999999999999999999999999999"], "99999999999999999999999999999999999999"),
        (&["9223372036854775807", "1"], "9223372036854775808"),
        (&["0.000000000000000000001", "1000000000000000"], "1000000000000000.000000000000000000001"),
        (&["1.000000000000000000000000000000000000000000000000"], "1"),
    ] {
        let values: Vec<_> = numbers.iter().map(|number| format!(r#"{{"a":{number}}}"#)).collect();
        let values: Vec<_> = values.iter().map(String::as_str).collect();
        let (members, failures) = over(&[("s", "sum(/a)")], &values);
        assert_eq!((members, failures), (format!(r#""s":{sum}"#), vec![]), "{numbers:?}");
    }
}

#[test]
fn extremes_are_those_of_numbers_of_any_size() {
    let (most, least) = ("9".repeat(38), format!("0.{}1", "0".repeat(37)));
    let negative = format!("-{most}");
    let declared = [("low", "min(/a)"), ("high", "max(/a)")];
    for (numbers, low, high) in [
        ([&most, &least, &negative], &negative, &most),
        ([&negative, &least, &most], &negative, &most),
        ([&least, &least, &most], &least, &most),
        ([&negative, &negative, &least], &negative, &least),
    ] {
        let values = numbers.map(|number| format!(r#"{{"a":{number}}}"#));
        let (members, failures) = over(&declared, &values.each_ref().map(String::as_str));
        assert_eq!((members, failures), (format!(r#""low":{low},"high":{high}"#), vec![]));
    }
    // Of equal numbers the exact one.
    let mixed = [("low", "min(if(/f, float(/n), /n))"), ("high", "max(if(/f, float(/n), /n))")];
    let (float, exact) = (r#"{"f":true,"n":2}"#, r#"{"f":false,"n":2}"#);
    for values in [[float, exact], [exact, float]] {
        assert_eq!(over(&mixed, &values).0, r#""low":2,"high":2"#);
    }
}

#[test]
fn floating_point_sums_keep_what_rounding_loses() {
    let values = ["1e16", "1", "1", "-1e16", "1e-3"].map(|number| format!(r#"{{"a":{number}}}"#));
    let (members, _) = over(&[("s", "sum(float(/a))")], &values.each_ref().map(String::as_str));
    assert_eq!(members, r#""s":2.001"#);
}

#[test]
fn averages_have_twenty_digits_where_they_do_not_end() {
    for (numbers, mean) in [
        (&["1", "2"][..], "1.5"),
        (&["1", "1", "2"], "1.3333333333333333333"),
        (&["-1", "-1", "-3"], "-1.6666666666666666667"),
        (&["0", "0", "0.01"], "0.0033333333333333333333"),
        (&["0.05", "0"], "0.025"),
        (&["0.123456789012345678901234567", "0"], "0.061728394506172839450617284"),
        (&["0.123456789012345678901234569", "0"], "0.061728394506172839450617284"),
    ] {
        let values: Vec<_> = numbers.iter().map(|number| format!(r#"{{"a":{number}}}"#)).collect();
        let values: Vec<_> = values.iter().map(String::as_str).collect();
        assert_eq!(over(&[("m", "avg(/a)")], &values).0, format!(r#""m":{mean}"#), "{numbers:?}");
    }
}

#[test]
fn all_functions_have_results() {
    let declared = [
        ("var", "var(/a)"),
        ("var_sample", "var_sample(/a)"),
        ("stddev", "stddev(/a)"),
        ("stddev_sample", "stddev_sample(/a)"),
        ("first", "first(/m)"),
        ("last", "last(/m)"),
        ("distinct", "distinct(/m)"),
        ("approx", "approx_distinct(/m)"),
        ("least", "quantile(/a, 0)"),
        ("most", "quantile(/a, 1)"),
        ("top", "top(/m, 2)"),
        ("all", "collect(/m)"),
        ("set", "collect_distinct(/m)"),
    ];
    let records = [
        (5, r#"{"a":2,"m":"x"}"#),
        (3, r#"{"a":4,"m":1.0}"#),
        (9, r#"{"a":4,"m":"x"}"#),
        (9, r#"{"a":4,"m":{"k": [1]}}"#),
        (3, r#"{"a":5,"m":1}"#),
        (1, r#"{"a":5,"m":null}"#),
        (4, r#"{"a":7,"m":"\u0078"}"#),
        (4, r#"{"a":9}"#),
    ];
    let mut aggregates = aggregates(&declared);
    let added = add_all(&mut aggregates, &batch(&records), None);
    let object = format!("{{{}}}", members(&mut aggregates, added.accumulators.get(0)));
    let object: serde_json::Value = serde_json::from_str(&object).expect("JSON");
    let expected = serde_json::json!({
        "var": 4.0, "var_sample": 32.0 / 7.0, "stddev": 2.0, "stddev_sample": (32.0_f64 / 7.0).sqrt(),
        "first": 1.0, "last": {"k": [1]}, "distinct": 3, "approx": 3, "least": 2.0, "most": 9.0,
        "top": [{"value": "x", "count": 3}, {"value": 1, "count": 2}],
        "all": [1.0, 1, "x", "x", "x", {"k": [1]}],
        "set": ["x", 1, {"k": [1]}],
    });
    assert_eq!(object, expected);
}

#[test]
fn nothing_has_results_too() {
    let declared = [
        ("a", "count()"),
        ("b", "sum(/x)"),
        ("c", "avg(/x)"),
        ("d", "min(/x)"),
        ("e", "var(/x)"),
        ("f", "last(/x)"),
        ("g", "distinct(/x)"),
        ("h", "approx_distinct(/x)"),
        ("i", "quantile(/x, 0.5)"),
        ("j", "top(/x, 3)"),
        ("k", "collect(/x)"),
    ];
    let empty = r#""a":0,"b":0,"c":null,"d":null,"e":null,"f":null,"g":0,"h":0,"i":null,"j":[],"k":[]"#;
    let mut aggregates = aggregates(&declared);
    assert_eq!(members(&mut aggregates, None), empty);
    let added = add_all(&mut aggregates, &batch(&[(0, "{}"), (0, r#"{"x":null}"#)]), None);
    assert_eq!(members(&mut aggregates, added.accumulators.get(0)), empty.replace(r#""a":0"#, r#""a":2"#));
}

#[test]
fn conditions_choose_records_and_expressions_make_values() {
    let declared = [
        ("card", r#"sum(/a) where /type == "card""#),
        ("cards", r#"count() where /type == "card""#),
        ("twice", "sum(/n * 2)"),
        ("float", "sum(float(/n))"),
        ("mixed", "sum(if(/n > 1, /n, /n / 2))"),
        ("mean", "avg(float(/n))"),
        ("money", "sum(decimal(/price))"),
        ("keys", "distinct(key())"),
        ("latest", "max(timestamp())"),
        ("low", "min(float(/a))"),
    ];
    let (members, failures) = over(
        &declared,
        &[
            r#"{"a":1.1,"type":"card","n":1,"price":"10.10"}"#,
            r#"{"a":2.2,"type":"cash","n":2,"price":"0.20"}"#,
            r#"{"a":3.3,"type":"card","n":4,"price":0.3}"#,
        ],
    );
    assert_eq!(failures, [""; 0]);
    let expected = r#""card":4.4,"cards":2,"twice":14,"float":7.0,"mixed":6.5,"mean":2.3333333333333335,"money":10.6,"keys":1,"latest":0,"low":1.1"#;
    assert_eq!(members, expected);
}

#[test]
fn records_fail_with_a_reason_and_count_nowhere() {
    let declared =
        [("n", "count()"), ("s", "sum(/a)"), ("v", "var(/b)"), ("p", "min(decimal(/c))"), ("t", "max(/d + 1)")];
    let values = [
        r#"{"a":"12"}"#,
        r#"{"a":1e40}"#,
        r#"{"a":[1]}"#,
        r#"{"b":true}"#,
        r#"{"b":1e999}"#,
        r#"{"c":"1,5"}"#,
        r#"{"c":{}}"#,
        r#"{"d":{}}"#,
        r#"{"a":1.2.3}"#,
        r#"{"a":1"#,
        r#"{"a":7}"#,
    ];
    let (members, failures) = over(&declared, &values);
    assert_eq!(members, r#""n":1,"s":7,"v":null,"p":null,"t":null"#);
    assert_eq!(
        failures,
        [
            "0: sum(/a) cannot take a string",
            "1: sum(/a) is exact to 38 digits and cannot take 1e40; float() rounds",
            "2: sum(/a) cannot take an array",
            "3: var(/b) cannot take a boolean",
            "4: var(/b) cannot take 1e999",
            "5: min(decimal(/c)) cannot read \"1,5\"",
            "6: min(decimal(/c)) cannot take an object",
            "7: `+` cannot take an object and a number",
            "8: sum(/a) cannot take 1.2.3",
            "9: the value is not JSON: unexpected end at byte 6",
        ]
    );
}

#[test]
fn what_does_not_fit_any_more_is_refused_and_nothing_else_changes() {
    let big = r#"{"a":90000000000000000000000000000000000000}"#;
    let declared =
        [("n", "count()"), ("v", "var(/b)"), ("s", "sum(/a)"), ("l", "collect(/m, 2)"), ("d", "distinct(/m, 1)")];
    let (members, failures) = over(
        &declared,
        &[
            big,
            // The variance could take this one.
            &big.replace('}', r#","b":1}"#),
            r#"{"b":1e200}"#,
            r#"{"b":-1e200}"#,
            r#"{"m":1}"#,
            r#"{"m":1}"#,
            r#"{"m":1}"#,
            r#"{"m":2}"#,
            r#"{"a":1}"#,
        ],
    );
    assert_eq!(members, r#""n":5,"v":0.0,"s":90000000000000000000000000000000000001,"l":[1,1],"d":1"#);
    assert_eq!(
        failures,
        [
            "1: sum(/a): the sum would have more than 38 digits; float() rounds it",
            "3: var(/b): the variance would be too large for a number",
            "6: collect(/m, 2): there are as many values as are kept: 2 or 1048576 bytes",
            "7: collect(/m, 2): there are as many values as are kept: 2 or 1048576 bytes",
        ]
    );
}

#[test]
fn a_record_that_fails_for_one_accumulator_counts_in_none() {
    let mut aggregates = aggregates(&[("n", "count()"), ("l", "collect(/m, 1)")]);
    let batch = batch(&[(0, r#"{"m":1}"#), (0, r#"{"m":2}"#), (0, r#"{"m":3}"#)]);
    let additions = Additions { batch: &batch, rows: &[0, 1, 1, 2], targets: &[2, 0, 2, 1] };
    let added = aggregates.add(&additions, &BytesColumn::nulls(4)).expect("added");
    assert_eq!(added.failures.iter().map(|failure| failure.record).collect::<Vec<_>>(), [1]);
    let all: Vec<_> =
        added.accumulators.iter().map(|bytes| bytes.map(|bytes| members(&mut aggregates, Some(bytes)))).collect();
    let expected = |value: u32| Some(format!(r#""n":1,"l":[{value}]"#));
    assert_eq!(all, [None, expected(3), expected(1), None]);
}

#[test]
fn what_outgrows_its_room_in_a_merge_is_null() {
    let declared = [
        ("s", "sum(/a)"),
        ("m", "avg(/a)"),
        ("v", "var(/b)"),
        ("l", "collect(/m, 1)"),
        ("d", "distinct(/m, 1)"),
        ("n", "count()"),
    ];
    let mut aggregates = aggregates(&declared);
    let mut part = |value: &str| add_all(&mut aggregates, &batch(&[(0, value)]), None).accumulators;
    let big = "9".repeat(38);
    let mut both = part(&format!(r#"{{"a":{big},"b":1e200,"m":1}}"#));
    both.extend_from(&part(&format!(r#"{{"a":{big},"b":-1e200,"m":2}}"#)));
    let merged = aggregates.merge(&both, &[0, 0], 1).expect("merged");
    let expected = r#""s":null,"m":null,"v":null,"l":null,"d":null,"n":2"#;
    assert_eq!(members(&mut aggregates, merged.get(0)), expected);
    // It stays so, and takes more records.
    let more = add_all(&mut aggregates, &batch(&[(0, r#"{"a":1,"b":1,"m":1}"#)]), merged.get(0));
    assert_eq!(more.failures, []);
    assert_eq!(members(&mut aggregates, more.accumulators.get(0)), expected.replace(r#""n":2"#, r#""n":3"#));
}

#[test]
fn results_have_the_key_and_the_window() {
    let declared = [("a \"b\"".to_owned(), "count()".to_owned())];
    let factory = AggregatesFactory::new(&declared, Some("user".into())).expect("right");
    let mut aggregates = factory.make().expect("an instance");
    let accumulators = add_all(&mut aggregates, &batch(&[(0, "{}")]), None).accumulators.take(&[0, 0]);
    let keys: BytesColumn = [Some("u\"1\n"), Some("u2")].into_iter().collect();
    let panes = Panes { keys: &keys, starts: &[-5, i64::MIN], ends: &[10, i64::MAX] };
    let results = aggregates.results(&accumulators, &panes).expect("results");
    let results: Vec<_> = results.iter().flatten().map(String::from_utf8_lossy).collect();
    assert_eq!(
        results,
        [r#"{"user":"u\"1\n","window_start":-5,"window_end":10,"a \"b\"":1}"#, r#"{"user":"u2","a \"b\"":1}"#]
    );
    let mut out = Vec::new();
    aggregates.write_members(None, "_5m", &mut out).expect("written");
    assert_eq!(String::from_utf8(out).expect("UTF-8"), r#""a \"b\"_5m":0"#);
}

#[test]
fn names_are_told_apart() {
    let refused = |names: &[&str]| {
        let declared: Vec<_> = names.iter().map(|name| (name.to_string(), "count()".to_owned())).collect();
        AggregatesFactory::new(&declared, Some("user".into())).expect_err("refused").to_string()
    };
    assert_eq!(
        refused(&["a", "a"]),
        "aggregate `a`: results have `a` from another aggregate already; choose another name"
    );
    assert_eq!(refused(&["user"]), "aggregate `user`: results have `user` from the key already; choose another name");
    let window = "aggregate `window_end`: results have `window_end` from the window already; choose another name";
    assert_eq!(refused(&["window_end"]), window);
    assert_eq!(refused(&[""]), "aggregate ``: its name is empty");
}
