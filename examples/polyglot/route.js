/** Sends payments with cards from elsewhere to an output of their own: those of other countries than a step names. */

import { operator, same } from "millstream";

export default operator({
  outputs: ["main", "abroad"],
  configure({ home }) {
    if (!Array.isArray(home) || home.length === 0) throw new Error("`home` must list at least one country");
    return { home: new Set(home) };
  },
  process(record, ctx) {
    const { card_country: country } = record.json();
    ctx.emitTo(country === undefined || ctx.config.home.has(country) ? "main" : "abroad", same);
  },
});
