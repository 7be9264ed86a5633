"""The sum by user over typed fields, record by record."""

import millstream as ms


class Payment(ms.Record):
    user: str
    amount: float


class Total(ms.Record):
    user: str
    sum: float


app = ms.Operator(writes=Total)
sums = app.value("sum", float)


@app.process
def add(payment: Payment, ctx: ms.Context) -> Total:
    total = sums.get(0.0) + payment.amount
    sums.set(total)
    return Total(payment.user, total)
