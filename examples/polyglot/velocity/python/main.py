"""Adds to each payment how often and how much its user has paid lately.

Payments are counted in slices of a minute of their own time, so that what comes out of order is counted where it
belongs. A payment's features are those of the minutes up to its own, its own included.
"""

import json
from typing import Optional

import millstream as ms
from history import Features, History


class Payment(ms.Record):
    """A payment as `parse-payment` emits it."""

    #: JSON as it stands: a number or a text.
    payment_id: bytes
    user_id: str
    merchant_id: str
    amount: float
    currency: str
    card_country: Optional[str]
    ts: int


class Lately(ms.Record):
    """`Features` as they go out."""

    count_5m: int
    spend_5m: float
    count_1h: int
    spend_1h: float
    #: JSON, since it is there also where it is `null`.
    since_last_ms: bytes
    country_changed: bool


class Enriched(ms.Record):
    payment_id: bytes
    user_id: str
    merchant_id: str
    amount: float
    currency: str
    card_country: Optional[str]
    ts: int
    features: Lately


app = ms.Operator(writes=Enriched)
# Nothing in it matters two hours after the last payment.
histories = app.value("history", History, ttl="2h")


def rounded(number: float) -> int:
    """The nearest integer, halves away from zero."""
    whole = int(number)
    return whole + (1 if number > 0 else -1) if abs(number - whole) >= 0.5 else whole


def lately(features: Features) -> Lately:
    since_last_ms = json.dumps(features.since_last_ms).encode()
    return Lately(
        features.count_5m, features.spend_5m, features.count_1h, features.spend_1h, since_last_ms,
        features.country_changed,
    )


@app.process
def enrich(payment: Payment, ctx: ms.Context) -> Enriched:
    history = histories.get() or History()
    features = history.add(payment.ts, rounded(payment.amount * 100), payment.card_country)
    histories.set(history)
    return Enriched(
        payment.payment_id, payment.user_id, payment.merchant_id, payment.amount, payment.currency,
        payment.card_country, payment.ts, lately(features),
    )
