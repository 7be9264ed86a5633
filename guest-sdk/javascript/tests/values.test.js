import assert from "node:assert/strict";
import { test } from "node:test";

import { float, formatFloat, parseExact, stringify } from "millstream";
import { Column, columnOf, isWhole, wholeBytes, wholeNumbers } from "../src/column.js";
import { allJson } from "../src/json_batch.js";
import { int32, int64, decodeField, encodeField, uint16, utf8, float64, boolean, integer, json } from "../src/types.js";

test("floats are written as other languages write them", () => {
  const written = [1, -0, 0.1, 1e15, 1e16, 1e21, 123456789.125, 1e-5, 0.000001, 1.5e-7, 5e-324, 1.7976931348623157e308, NaN];
  const expected = "1.0 -0.0 0.1 1000000000000000.0 1e+16 1e+21 123456789.125 0.00001 1e-6 1.5e-7 5e-324 1.7976931348623157e+308 null";
  assert.equal(written.map(formatFloat).join(" "), expected);
  assert.equal(stringify({ a: float(1), b: [float(0.5), 1], c: 10n ** 20n }), '{"a":1.0,"b":[0.5,1],"c":100000000000000000000}');
});

test("JSON is exact", () => {
  const text = '{"a":9007199254740993,"b":[-9223372036854775808,1.5,1e20,"9007199254740993"],"\\u0001":"\\u00010:5","c":12345678901234567}';
  const value = parseExact(text);
  assert.deepEqual(value.b, [-9223372036854775808n, 1.5, 1e20, "9007199254740993"]);
  assert.deepEqual([value.a, value["\u0001"], value.c], [9007199254740993n, "\u00010:5", 12345678901234567n]);
  assert.equal(stringify(value.a), "9007199254740993");
  assert.equal(stringify({ n: 1n, text: "\u00010:1" }), '{"n":1,"text":"\\u00010:1"}');
  assert.throws(() => parseExact('{"a":01234567890123456789}'), SyntaxError);
  assert.throws(() => parseExact("12345678901234567890 x"), SyntaxError);
});

test("columns hold texts, bytes and nulls of any characters", () => {
  const rows = ["a", null, "", "näh 🦀", Uint8Array.of(0xff), "b"];
  for (let from = 0; from < rows.length; from++) {
    const column = new Column(columnOf(rows.slice(from)));
    const found = [...column].map((bytes) => bytes && Buffer.from(bytes).toString("hex"));
    const expected = rows.slice(from).map((row) => row === null ? null : Buffer.from(row).toString("hex"));
    assert.deepEqual(found, expected);
  }
  // Halves of a surrogate pair in two rows do not become one character.
  const split = new Column(columnOf(["\ud83e", "\udd80", "ä"]));
  assert.deepEqual([...split].map((bytes) => bytes.length), [3, 3, 2]);
});

test("values are stored as in every language", () => {
  const hex = (type, value) => Buffer.from(type.encode(value)).toString("hex");
  assert.deepEqual(
    [hex(int64, 258n), hex(int32, -2), hex(float64, 1), hex(boolean, true), hex(integer, -1), hex(utf8, "ä"), hex(json(), { a: [1] })],
    ["0201000000000000", "feffffff", "000000000000f03f", "01", "ffffffffffffffff", "c3a4", Buffer.from('{"a":[1]}').toString("hex")],
  );
  assert.throws(() => int64.decode(Uint8Array.of(1)), /a int64 takes 8 bytes, not 1/);
  assert.throws(() => boolean.decode(Uint8Array.of(2)), /must be one byte/);
});

test("fields sort as their bytes do", () => {
  const numbers = [-(2n ** 63n), -300n, -1n, 0n, 1n, 255n, 256n, 2n ** 63n - 1n];
  const bytes = numbers.map((number) => Buffer.from(encodeField(int64, number)));
  assert.deepEqual(bytes.toSorted(Buffer.compare), bytes);
  assert.deepEqual(bytes.map((one) => decodeField(int64, one)), numbers);
  assert.deepEqual([...encodeField(uint16, 258)], [1, 2]);
  assert.equal(decodeField(int32, encodeField(int32, -5)), -5);
});

test("a batch is read as JSON at once just as it is read record by record", () => {
  const batch = (...texts) => new Column(columnOf(texts));
  const values = (column) => allJson(column)?.filter((_, at) => at % 2 === 0);
  const plain = ['{"a":1}', '{"b":"}, {"}', '{"c":[{}]}'];
  assert.deepEqual(values(batch(...plain)), plain.map((text) => JSON.parse(text)));
  // Together they would be JSON, and some are not alone.
  const refused = [
    ['{"a":[{}', '{}]}'],
    ['{"a":1', '2}', "{}{}"],
    ['{"a":[{}', "{}]}", "{},{}"],
    ['{"a":[[{}', "{}]]}", '{}],"~millstream~",[{}'],
    ['{"a":[[{}', "{}]]}", '{}],"~mill\\u0073tream~",[{}'],
    ['{"a":"}', '{"}', '{}],"",[{}'],
    ['{"a":"}{"}', ",{}"],
    ['{"a":"}{"}', '{"b":1}'],
    ['{"a":1} ', '{"b":1}'],
    ['{"a":[{}{}]}', '{"b":1}'],
    ['{"a":[[{}{}]]}', '{"b":1}'],
    ['{"a":1', ',"b":{}}{"c":1}'],
    ["{}", "1"],
    ["{}", null],
    ["{},{}", "{}"],
    ["{", "}"],
  ];
  for (const texts of refused) assert.equal(values(batch(...texts)), undefined, texts.join(" | "));
});

test("whole numbers are those that are safe integers, and cross as they are", () => {
  const odd = [0, -0, 1, -1, 0.5, 2 ** 31, -(2 ** 31) - 1, 2 ** 32 + 5, 2 ** 53 - 1, 2 ** 53, -(2 ** 53) + 1, -(2 ** 53), NaN, Infinity, -Infinity, "1", 1n, null, undefined];
  assert.deepEqual(odd.map(isWhole), odd.map(Number.isSafeInteger));
  const whole = odd.filter(isWhole).map((number) => number + 0);
  const stored = wholeBytes(new Float64Array(whole));
  assert.deepEqual([...new BigInt64Array(stored.buffer)], whole.map(BigInt));
  assert.deepEqual([...wholeNumbers(stored)], whole);
  assert.equal(wholeNumbers(new Uint8Array(BigInt64Array.of(1n, 2n ** 53n).buffer)), undefined);
});
