"""`sums` of the conformance suite: sums of integers, which can be taken out again."""

import millstream as ms

app = ms.Aggregator(int)


def integer(text: str) -> int:
    """A decimal 64-bit signed integer, or a failure."""
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not digits.isascii() or not digits.isdigit() or not -(2**63) <= int(text) < 2**63:
        raise ms.Failure(f"not an integer: `{text}`")
    return int(text)


@app.add
def add(total: int, text: str) -> int:
    return total + integer(text)


@app.retract
def retract(total: int, text: str) -> int:
    return total - integer(text)


@app.merge
def merge(total: int, other: int) -> int:
    return total + other


@app.result
def result(total: int) -> str:
    return str(total)
