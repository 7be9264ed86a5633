"""`typed` of the conformance suite, by single records."""

from typing import Optional

import millstream as ms


class Read(ms.Record):
    user: str
    amount: float
    n: Optional[int]
    flag: Optional[bool]
    #: JSON as it stands.
    extra: Optional[bytes]


class Next(ms.Record):
    n: Optional[int]
    flag: Optional[bool]


class Written(ms.Record):
    user: str
    total: float
    next: Next
    label: Optional[str]
    extra: Optional[bytes]


app = ms.Operator(writes=Written)
total = app.value("total", float)


@app.process
def process(record: Read, ctx: ms.Context) -> Written:
    total.set(total.get(0.0) + record.amount)
    n = None if record.n is None else record.n + 1
    flag = None if record.flag is None else not record.flag
    label = None if record.n is None else f"n={record.n}"
    return Written(record.user, total.get(0.0), Next(n, flag), label, record.extra)
