/** The modes that take commands. */

import { fail } from "millstream";

import { integerIn } from "./integers.js";

const unknown = (text) => fail(`unknown command \`${text}\``);
const joined = (entries) => Array.from(entries, ([field, number]) => `${field}=${number}`).join(",");

export const commands = {
  fields(record, ctx) {
    const { fields } = ctx.state;
    const text = record.text();
    const [command, first, second, ...more] = text.split(" ");
    const given = more.length > 0 ? -1 : [first, second].filter((argument) => argument !== undefined).length;
    switch (`${command} ${given}`) {
      case "set 2":
        return fields.set(first, integerIn(second) ?? unknown(text));
      case "remove 1":
        return fields.delete(first);
      case "clear 0":
        return fields.clear();
      case "get 1":
        return ctx.emit(`${fields.get(first) ?? "none"}`);
      case "list 0":
        return ctx.emit(joined(fields));
      case "range 2":
        return ctx.emit(joined(fields.entries({ from: first, to: second })));
      default:
        return unknown(text);
    }
  },

  items(record, ctx) {
    const { items } = ctx.state;
    const text = record.text();
    if (text.startsWith("push ")) return items.push(text.slice("push ".length));
    switch (text) {
      case "clear":
        return items.clear();
      case "length":
        return ctx.emit(`${items.length}`);
      case "list":
        return ctx.emit([...items].join(","));
      default:
        return unknown(text);
    }
  },

  timers(record, ctx) {
    const text = record.text();
    const [command, name, time, ...more] = text.split(" ");
    if (name === undefined || more.length > 0) return unknown(text);
    switch (command) {
      case "event":
        return ctx.setEventTimer(name, integerIn(time ?? "") ?? unknown(text));
      case "processing":
        return ctx.setProcessingTimer(name, integerIn(time ?? "") ?? unknown(text));
      case "delete-event":
        return time === undefined ? ctx.deleteEventTimer(name) : unknown(text);
      case "delete-processing":
        return time === undefined ? ctx.deleteProcessingTimer(name) : unknown(text);
      default:
        return unknown(text);
    }
  },
};
