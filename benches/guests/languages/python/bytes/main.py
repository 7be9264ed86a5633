"""The sum by user of JSON values, parsed and written here."""

import millstream as ms

app = ms.Operator()
sums = app.value("sum", float)


@app.process
def add(record, ctx):
    payment = record.json()
    total = sums.get(0.0) + payment["amount"]
    sums.set(total)
    ctx.emit({"user": payment["user"], "sum": total})
