/**
 * The records that a batch emits.
 *
 * Most operators hand on the key, the event time and often the value of what they are given. Nothing is kept of that
 * row by row: a column that only repeats the input is the input's, and what differs is written when the batch is done.
 */

import { EMPTY, NO_COLUMN, bytesIn, columnOf, i64Bytes, isWhole, numbersTo, textsColumn, u32Bytes } from "./column.js";
import { Failure } from "./errors.js";
import { stringify } from "./json.js";
import { TypedRows } from "./typed_output.js";
import { bytesOf, nameOf } from "./text.js";

/** The input's value, untouched: `ctx.emit(same)`. */
export const same = Symbol("same");
/** A row whose value is in typed columns. */
const TYPED = Symbol("typed");
const OPTIONS = new Set(["key", "timestampMs", "headers", "keepHeaders"]);

const { stringify: written } = JSON;

/**
 * Gathers the records of one output, batch by batch.
 *
 * One function with others in it, as states are: what is called for each record touches variables and no properties.
 */
export function output(index, writes) {
  const typed = writes.length > 0 ? new TypedRows(writes) : undefined;
  const { names: [name0, name1, name2] = [], kinds: [kind0, kind1, kind2] = [], wholes: [whole0, whole1, whole2] = [] } =
    typed ?? {};
  const isNarrow = writes.length <= 3;
  let frame;
  let rows = 0;
  /** The record that a row came of; not kept as long as it is the one of the same number. */
  let sources = [];
  let hasGaps = false;
  /** Texts, bytes and signs; not kept as long as all rows are in typed columns. */
  let values = [];
  let hasValues = typed === undefined;
  let onlyTexts = true;
  /** Of what is rare, per row: `undefined` is as in the input. None at all until a row differs. */
  let keys;
  let times;
  let headers;
  let differs = false;
  let column0;
  let column1;
  let column2;

  function begin(next) {
    frame = next;
    rows = 0;
    sources = [];
    hasGaps = false;
    values = [];
    hasValues = typed === undefined;
    onlyTexts = true;
    keys = times = headers = undefined;
    differs = false;
    if (typed !== undefined) [column0, column1, column2] = typed.begin();
  }

  /** Appends a record that came of the record in hand. */
  function push(value, options) {
    const row = rows;
    let text = value;
    if (typeof value !== "string") {
      if (typed !== undefined) {
        // Bytes and what else is no record of fields lack them.
        let isPlain = typeof value === "object" && value !== null;
        if (!isPlain) {
          // Null, or no object.
        } else if (isNarrow) {
          // Written out: a loop, or a call, costs more than all that is done.
          const field = value[name0];
          isPlain = typeof field === kind0 && (!whole0 || isWhole(field));
          column0[row] = field;
          if (isPlain && name1 !== undefined) {
            const second = value[name1];
            isPlain = typeof second === kind1 && (!whole1 || isWhole(second));
            column1[row] = second;
            if (isPlain && name2 !== undefined) {
              const third = value[name2];
              isPlain = typeof third === kind2 && (!whole2 || isWhole(third));
              column2[row] = third;
            }
          }
        } else {
          isPlain = typed.setPlain(row, value);
        }
        text = isPlain ? TYPED : valueOf(value, row);
        if (text !== TYPED && !hasValues) keepValues(row);
      } else if (typeof value === "object" && value !== null && value.constructor === Object) {
        try {
          text = written(value);
        } catch {
          text = undefined;
        }
        text ??= valueOf(value, row);
      } else {
        text = valueOf(value, row);
      }
      if (typeof text !== "string") onlyTexts = false;
    } else if (!hasValues) {
      keepValues(row);
    }
    if (options !== undefined) differ(row, options);
    else if (differs) inherit(row);
    if (hasValues) values[row] = text;
    const source = frame.row;
    if (hasGaps) sources[row] = source;
    else if (source !== row) keepSources(row, source);
    rows = row + 1;
  }

  /** Keeps values from this row on; those before are in typed columns. */
  function keepValues(row) {
    hasValues = true;
    for (let before = 0; before < row; before++) values[before] = TYPED;
    if (row > 0) onlyTexts = false;
  }

  function keepSources(row, source) {
    hasGaps = true;
    for (let before = 0; before < row; before++) sources[before] = before;
    sources[row] = source;
  }

  /** What is kept of a value until the batch is done: the text, bytes, or a sign. It is read now, not later. */
  function valueOf(value, row) {
    if (value === same || value === null) return value;
    if (value instanceof Uint8Array) {
      return value.buffer === frame.batch.values.data.buffer ? value : value.slice();
    }
    if (typed !== undefined && typeof value === "object") {
      typed.set(row, value);
      return TYPED;
    }
    const text = stringify(value);
    if (text === undefined) throw new Failure(`${nameOf(value)} cannot be emitted: it has no JSON`);
    return text;
  }

  function inherit(row) {
    if (keys !== undefined) keys[row] = undefined;
    if (times !== undefined) times[row] = undefined;
    if (headers !== undefined) headers[row] = undefined;
  }

  function differ(row, options) {
    for (const name in options) {
      if (!OPTIONS.has(name)) throw new Failure(`\`${name}\` is no option of an emitted record: ${[...OPTIONS].join(", ")}`);
    }
    const { key, timestampMs, headers: added, keepHeaders = true } = options;
    const keyBytes = key === undefined || key === null ? key : bytesOf(key, "the key of an emitted record");
    const own = added === undefined ? [] : headersOf(added);
    inherit(row);
    if (key !== undefined) (keys ??= [])[row] = keyBytes;
    if (timestampMs !== undefined) (times ??= [])[row] = timeOf(timestampMs);
    if (own.length > 0 || !keepHeaders) (headers ??= [])[row] = { own, keepHeaders };
    differs = keys !== undefined || times !== undefined || headers !== undefined;
  }

  /** Takes back what came of record `source`, which must be the last one. */
  function undo(source) {
    while (rows > 0 && (hasGaps ? sources[rows - 1] : rows - 1) === source) rows -= 1;
  }

  /** The finished records; `undefined` where there are none. */
  function finish() {
    if (rows === 0) return undefined;
    const isWhole = !hasGaps && rows === frame.count;
    if (hasGaps) sources.length = rows;
    else sources = numbersTo(rows);
    const batch = { count: rows, columns: [] };
    batch.keys = inherited(isWhole);
    batch.values = valueColumn(isWhole, batch);
    batch.timestamps = timestamps(isWhole);
    batch.headers = headerColumn(isWhole);
    const made = { output: index, sources: hasGaps ? u32Bytes(sources) : bytesIn(sources), batch };
    frame = undefined;
    return made;
  }

  function inherited(isWhole) {
    const column = frame.keys;
    if (keys === undefined && isWhole) return column.raw;
    const found = new Array(rows);
    for (let row = 0; row < rows; row++) found[row] = keys?.[row] === undefined ? column.get(sources[row]) : keys[row];
    return columnOf(found);
  }

  function valueColumn(isWhole, batch) {
    if (!hasValues) {
      batch.columns = typed.columns(rows);
      return NO_COLUMN;
    }
    values.length = rows;
    if (onlyTexts) return textsColumn(values);
    if (typed !== undefined) {
      if (isAll(values, TYPED)) {
        batch.columns = typed.columns(rows);
        return NO_COLUMN;
      }
      // Typed rows among others: written here as the host would.
      for (let row = 0; row < rows; row++) if (values[row] === TYPED) values[row] = typed.json(row);
    }
    if (isWhole && isAll(values, same)) return frame.batch.values;
    for (let row = 0; row < rows; row++) if (values[row] === same) values[row] = frame.values.get(sources[row]);
    return columnOf(values);
  }

  function timestamps(isWhole) {
    if (times === undefined && isWhole) return frame.batch.timestamps;
    const words = frame.times;
    const found = new Int32Array(2 * rows);
    for (let row = 0; row < rows; row++) {
      const source = sources[row];
      found[2 * row] = words[2 * source];
      found[2 * row + 1] = words[2 * source + 1];
    }
    const bytes = bytesIn(found);
    times?.forEach((time, row) => {
      if (time !== undefined && row < rows) bytes.set(i64Bytes([time]), 8 * row);
    });
    return bytes;
  }

  function headerColumn(isWhole) {
    const input = frame.batch.headers;
    const none = { offsets: EMPTY, names: NO_COLUMN, values: NO_COLUMN };
    if (headers === undefined && (isWhole || input.offsets.length === 0)) return input.offsets.length ? input : none;
    const [offsets, names, texts] = [[0], [], []];
    for (let row = 0; row < rows; row++) {
      const { own, keepHeaders } = headers?.[row] ?? { own: [], keepHeaders: true };
      for (const [name, text] of [...(keepHeaders ? frame.headers(sources[row]) : []), ...own]) {
        names.push(name);
        texts.push(text);
      }
      offsets.push(names.length);
    }
    if (names.length === 0) return none;
    return { offsets: u32Bytes(offsets), names: columnOf(names), values: columnOf(texts) };
  }

  return { begin, push, undo, finish };
}

function isAll(values, one) {
  for (let row = 0; row < values.length; row++) if (values[row] !== one) return false;
  return true;
}

function timeOf(timestampMs) {
  if (typeof timestampMs === "bigint" || Number.isSafeInteger(timestampMs)) return timestampMs;
  throw new Failure(`the time of an emitted record must be whole milliseconds, and is ${nameOf(timestampMs)}`);
}

/** Headers as pairs, whether they come as pairs or as an object. */
function headersOf(headers) {
  const pairs = typeof headers[Symbol.iterator] === "function" ? [...headers] : Object.entries(headers);
  return pairs.map(([name, value]) => [String(name), value === null ? null : bytesOf(value, `the header \`${name}\``)]);
}
