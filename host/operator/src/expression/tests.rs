//! What expressions are worth, and what is said about those that are none.

use millstream_types::RecordRef;
use proptest::prelude::*;

use super::*;

const RECORD: &str = r#"{"amount":120.5,"n":7,"big":9007199254740993,"currency":"EUR","user":{"id":"u1","tags":["a","b"]},
    "ok":true,"none":null,"odd name":1,"a-b":3,"esc":"q\"\u00e9","0":"zero","text":"12"}"#;

fn evaluate(text: &str) -> Result<String, String> {
    let mut fields = FieldSet::default();
    let expression = Expression::parse(text, &mut fields).map_err(|error| error.to_string())?;
    let mut found = Extraction::default();
    fields.extract(RECORD.as_bytes(), &mut found).map_err(|error| error.to_string())?;
    let record = RecordRef { key: Some(b"k1"), value: Some(RECORD.as_bytes()), timestamp_ms: 1700 };
    let value = expression.evaluate(&Subject { record, fields: &found })?;
    let mut json = Vec::new();
    value.write_json(&mut json);
    Ok(if value == Value::Missing { "missing".into() } else { String::from_utf8(json).expect("UTF-8") })
}

#[test]
fn expressions_have_these_values() {
    for (text, value) in [
        ("/amount > 100 and /currency == \"EUR\"", "true"),
        ("/amount>100 and/currency=='USD'", "false"),
        ("/amount < 100 or not /ok", "false"),
        ("not (/ok and /n == 8)", "true"),
        ("not not /ok", "true"),
        ("1 + 2 * 3 - 4 / 2", "5.0"),
        ("(1 + 2) * -3", "-9"),
        ("- /n + 1", "-6"),
        ("/n * 100", "700"),
        ("/amount*2", "241.0"),
        ("/big", "9007199254740993"),
        ("/big + 0 == 9007199254740993", "true"),
        ("9223372036854775807 + 1", "9.223372036854776e+18"),
        ("/n / 2", "3.5"),
        ("/a-b - 1", "2"),
        ("/user/tags/1", "\"b\""),
        ("/user/tags", "[\"a\",\"b\"]"),
        ("/user/tags/2", "missing"),
        ("/0", "\"zero\""),
        ("/esc == 'q\"\u{e9}'", "true"),
        ("field(\"/odd name\") == 1", "true"),
        ("/currency + '/' + /user/id", "\"EUR/u1\""),
        ("/currency in ('USD', 'EUR')", "true"),
        ("/currency in ('USD', 1, null)", "false"),
        ("not /currency in ('USD')", "true"),
        ("key() == \"k1\" and timestamp() == 1700", "true"),
        // missing and null
        ("/nope > 1 or /nope <= 1 or /nope != 1 or /nope == null", "false"),
        ("/nope in (1)", "false"),
        ("not /nope", "true"),
        ("/nope + 1", "missing"),
        ("-/nope", "missing"),
        ("/nope", "missing"),
        ("exists(/none) and not exists(/nope)", "true"),
        ("/none == null", "true"),
        ("/n != null", "true"),
        ("/none < 1", "false"),
        ("/none + 1", "missing"),
        ("coalesce(/nope, /none, 5)", "5"),
        ("coalesce(/nope)", "missing"),
        // types
        ("/text == 12", "false"),
        ("/text != 12", "true"),
        ("/text > 1", "false"),
        ("number(/text) == 12", "true"),
        ("string(/n) == '7'", "true"),
        ("float(/n)", "7.0"),
        ("float('1e3')", "1000.0"),
        ("float(/text) + 1", "13.0"),
        ("/user == /user", "true"),
        ("'b' > 'a'", "true"),
        // functions
        ("round(2.5)", "3"),
        ("round(1.2345, 2)", "1.23"),
        ("floor(-1.5)", "-2"),
        ("abs(-3)", "3"),
        ("lower('AB') + upper('ab')", "\"abAB\""),
        ("length(/esc)", "3"),
        ("length(/user/tags)", "2"),
        ("contains(/currency, 'U') and starts_with(/currency, 'E') and ends_with(/currency, 'R')", "true"),
        ("concat(/user/id, '-', /n, '-', /ok)", "\"u1-7-true\""),
        ("if(/n > 5, 'many', 'few')", "\"many\""),
        ("1e3", "1000.0"),
        ("\"a\\n\\\"\"", "\"a\\n\\\"\""),
    ] {
        assert_eq!(evaluate(text), Ok(value.into()), "{text}");
    }
}

#[test]
fn records_fail_with_a_reason() {
    for (text, reason) in [
        ("/n / 0", "division by zero"),
        ("/currency * 2", "`*` cannot take a string and a number"),
        ("-/currency", "`-` cannot take a string"),
        ("/n and true", "the condition is a number where true or false is needed"),
        ("if(/currency, 1, 2)", "the condition is a string where true or false is needed"),
        ("1e308 * 10", "the result of `*` is too large for a number"),
        ("float(/currency)", "float() cannot read \"EUR\""),
        ("float(/ok)", "float() cannot take a boolean"),
        ("number(/currency)", "number() cannot read \"EUR\""),
        ("lower(/n)", "lower() cannot take a number"),
        ("contains(/n, 'a')", "contains() cannot take a number and a string"),
        ("round(1.5, 99)", "round() takes 0 to 15 decimals"),
        ("concat(/user)", "concat() cannot take an object"),
    ] {
        assert_eq!(evaluate(text), Err(reason.into()), "{text}");
    }
}

#[test]
fn errors_say_what_and_where() {
    for (text, message) in [
        ("", "expected a value, found the end, at character 1 of ``"),
        ("/a >", "expected a value, found the end, at character 5 of `/a >`"),
        ("/a = 1", "`=` is written `==`, at character 4 of `/a = 1`"),
        ("/a && /b", "`&&` is written `and`, at character 4 of `/a && /b`"),
        ("!/a", "`!` is written `not`, at character 1 of `!/a`"),
        ("/a <> 1", "`<>` is written `!=`, at character 4 of `/a <> 1`"),
        ("amount > 1", "`amount` is no value; a field is written `/amount`, at character 1 of `amount > 1`"),
        ("/a 1", "expected an operator or the end, found `1`, at character 4 of `/a 1`"),
        ("(/a", "expected `)`, found the end, at character 4 of `(/a`"),
        ("/a)", "there is no `(` for this `)`, at character 3 of `/a)`"),
        ("'abc", "the string is not closed, at character 1 of `'abc`"),
        ("1 < 2 < 3", "comparisons do not chain; join them by `and`, at character 7 of `1 < 2 < 3`"),
        ("/a/ 2", "the field path `/a/` ends with a slash; put spaces around a division, at character 1 of `/a/ 2`"),
        ("12abc", "`12abc` is not a number, at character 1 of `12abc`"),
        ("exists(1)", "exists() takes one field path, for instance exists(/amount), at character 1 of `exists(1)`"),
        ("round()", "round() takes 1 to 2 arguments, not 0, at character 1 of `round()`"),
        ("/a # 1", "unexpected '#', at character 4 of `/a # 1`"),
        ("/a in ()", "there is nothing in the brackets after `in`, at character 9 of `/a in ()`"),
        ("\u{e9} > 1", "`\u{e9}` is no value; a field is written `/\u{e9}`, at character 1 of `\u{e9} > 1`"),
    ] {
        let error = Expression::check(text).expect_err(text);
        assert_eq!(error.to_string(), message);
    }
    let unknown = Expression::check("sqrt(/a)").expect_err("unknown").to_string();
    assert!(unknown.starts_with("there is no function `sqrt`; there are exists, field, key,"), "{unknown}");
}

#[test]
fn expressions_are_bounded() {
    for text in
        ["(".repeat(60_000), "not ".repeat(10_000), "-".repeat(60_000), "1+".repeat(20_000), "if(".repeat(20_000)]
    {
        assert!(Expression::check(&text).is_err());
    }
    assert!(Expression::check(&"1 ".repeat(40_000)).is_err_and(|error| error.message.contains("longer than")));
    assert!(Expression::check(&vec!["/a"; 200].join(" + ")).is_ok());
}

proptest! {
    #[test]
    fn no_text_panics(text in "[-/a-c0-9 ()\"'+*<>=!.,\\\\éndotri]{0,40}") {
        let _ = evaluate(&text);
    }
}
