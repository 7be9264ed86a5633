"""What is remembered of a user."""

from dataclasses import dataclass, field
from typing import List, Optional

MINUTE_MS = 60_000
#: Minutes of the short window, and of the long one.
SHORT, LONG = 5, 60
#: Minutes that are kept: those that a payment which comes out of order may still look back to.
KEPT = LONG + 5


@dataclass
class Features:
    """What a user did up to a payment."""

    #: Payments in the last 5 minutes, and their sum.
    count_5m: int
    spend_5m: float
    #: The same of the last hour.
    count_1h: int
    spend_1h: float
    #: Milliseconds since the user's latest payment before; 0 for one that comes out of order.
    since_last_ms: Optional[int]
    #: The card is of another country than at the latest payment before.
    country_changed: bool


@dataclass
class History:
    """A user's payments of the last hour, counted by the minute. Stored as JSON, hence the short names."""

    #: Minutes in which something was paid, ascending: minutes since 1970, number, sum in cents.
    m: List[List[int]] = field(default_factory=list)
    #: The latest payment by its own time.
    l: Optional[int] = None  # noqa: E741
    #: The country of that payment's card.
    c: Optional[str] = None

    def add(self, ts_ms: int, cents: int, country: Optional[str]) -> Features:
        """Counts a payment and says how things stand at its time. One that is later than what is kept is not counted,
        so that a history never grows beyond it."""
        minute = ts_ms // MINUTE_MS
        since_last_ms = None if self.l is None else max(ts_ms - self.l, 0)
        country_changed = country is not None and self.c is not None and country != self.c
        if self.l is None or ts_ms >= self.l:
            self.l = ts_ms
            if country is not None:
                self.c = country
            self.m = [minute_of for minute_of in self.m if minute_of[0] > minute - KEPT]
        if minute > self.l // MINUTE_MS - KEPT:
            self._count(minute, cents)
        count_5m = spend_5m = count_1h = spend_1h = 0
        for at, count, total in self.m:
            if minute - LONG < at <= minute:
                count_1h += count
                spend_1h += total
                if at > minute - SHORT:
                    count_5m += count
                    spend_5m += total
        return Features(count_5m, spend_5m / 100, count_1h, spend_1h / 100, since_last_ms, country_changed)

    def _count(self, minute: int, cents: int) -> None:
        """Adds to the slice of a minute, which is nearly always the last one."""
        at = len(self.m)
        while at > 0 and self.m[at - 1][0] > minute:
            at -= 1
        if at > 0 and self.m[at - 1][0] == minute:
            self.m[at - 1][1] += 1
            self.m[at - 1][2] += cents
        else:
            self.m.insert(at, [minute, 1, cents])
