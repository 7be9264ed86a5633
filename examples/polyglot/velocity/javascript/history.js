/** What is remembered of a user. */

const MINUTE_MS = 60_000;
/** Minutes of the short window. */
const SHORT = 5;
/** Minutes of the long window. */
const LONG = 60;
/** Minutes that are kept: those that a payment which comes out of order may still look back to. */
const KEPT = LONG + 5;

/** A user's payments of the last hour, counted by the minute. Stored as JSON, hence the short names. */
export class History {
  /** `m`: minutes in which something was paid, ascending: minutes since 1970, number, sum in cents. */
  constructor({ m = [], l = null, c = null } = {}) {
    this.m = m;
    /** The latest payment by its own time. */
    this.l = l;
    /** The country of that payment's card. */
    this.c = c;
  }

  /**
   * Counts a payment and says how things stand at its time. One that is later than what is kept is not counted, so that
   * a history never grows beyond it.
   */
  add(tsMs, cents, country) {
    const minute = Math.floor(tsMs / MINUTE_MS);
    const sinceLastMs = this.l === null ? null : Math.max(0, tsMs - this.l);
    const countryChanged = country !== undefined && this.c !== null && country !== this.c;
    if (this.l === null || tsMs >= this.l) {
      this.l = tsMs;
      if (country !== undefined) this.c = country;
      this.m = this.m.filter(([at]) => at > minute - KEPT);
    }
    if (minute > Math.floor(this.l / MINUTE_MS) - KEPT) this.count(minute, cents);
    let [count5m, spend5m, count1h, spend1h] = [0, 0, 0, 0];
    for (const [at, count, sum] of this.m) {
      if (at > minute || at <= minute - LONG) continue;
      count1h += count;
      spend1h += sum;
      if (at <= minute - SHORT) continue;
      count5m += count;
      spend5m += sum;
    }
    return {
      count_5m: count5m,
      spend_5m: spend5m / 100,
      count_1h: count1h,
      spend_1h: spend1h / 100,
      since_last_ms: String(sinceLastMs),
      country_changed: countryChanged,
    };
  }

  /** Adds to the slice of a minute, which is nearly always the last one. */
  count(minute, cents) {
    const after = this.m.findLastIndex(([at]) => at <= minute);
    if (this.m[after]?.[0] === minute) {
      this.m[after][1] += 1;
      this.m[after][2] += cents;
    } else {
      this.m.splice(after + 1, 0, [minute, 1, cents]);
    }
  }
}
