"""`typed` of the conformance suite, by whole columns."""

from array import array
from typing import Optional

import millstream as ms


class Read(ms.Record):
    user: str
    amount: float
    n: Optional[int]
    flag: Optional[bool]
    #: JSON as it stands.
    extra: Optional[bytes]


class Written(ms.Record):
    user: str
    total: float
    n: Optional[int] = ms.field("/next/n")
    flag: Optional[bool] = ms.field("/next/flag")
    label: Optional[str]
    extra: Optional[bytes]


app = ms.Operator(writes=Written)
total = app.value("total", float)


@app.columns
def process(batch: ms.Batch[Read]) -> None:
    sums = total.load(0.0)
    totals = array("d")
    for row, (group, amount) in enumerate(zip(batch.groups, batch.amount.view)):
        if group == ms.NO_GROUP:
            batch.fail(row, "this record has no key, and state is kept by key")
            totals.append(0.0)
        else:
            sums[group] += amount
            totals.append(sums[group])
    following = []
    for row, n in enumerate(batch.n):
        if n == 2**63 - 1:
            batch.fail(row, "`n` + 1 does not fit into 64 bits")
            n = None
        following.append(None if n is None else n + 1)
    total.store(sums)
    batch.emit({
        "user": batch.user,
        "total": totals,
        "n": following,
        "flag": [None if flag is None else not flag for flag in batch.flag],
        "label": [None if n is None else f"n={n}" for n in batch.n],
        "extra": batch.extra,
    })
