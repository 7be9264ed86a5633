"""The sum by user over whole columns."""

from array import array

import millstream as ms


class Payment(ms.Record):
    user: str
    amount: float


class Total(ms.Record):
    user: str
    sum: float


app = ms.Operator(writes=Total)
sums = app.value("sum", float)


@app.columns
def add(batch: ms.Batch[Payment]) -> None:
    totals = sums.load(0.0)
    after = array("d", bytes(8 * len(batch)))
    for row, (group, amount) in enumerate(zip(batch.groups, batch.amount.view)):
        after[row] = totals[group] = totals[group] + amount
    sums.store(totals)
    batch.emit({"user": batch.user, "sum": after})
