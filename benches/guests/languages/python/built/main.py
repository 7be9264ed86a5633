"""The sum by user of JSON values, in a component of its own since it has a package of somebody else."""

import millstream as ms
import six

app = ms.Operator()
sums = app.value("sum", float)


@app.process
def add(record, ctx):
    payment = record.json()
    total = sums.get(0.0) + payment["amount"]
    sums.set(total)
    ctx.emit({"user": six.ensure_str(payment["user"]), "sum": total})
