"""Why a record fails, as text that names the place in the program."""

import os
import traceback
from types import TracebackType
from typing import Any, Dict, List, Optional, Tuple

_HERE = os.path.dirname(os.path.abspath(__file__))


class Failure(Exception):
    """The record in hand fails for this reason, a lower-case clause without a full stop.

    What it emitted and what it changed in the state is undone. Any other exception does the same; its reason is then
    the exception with the lines of the program that it came through.
    """


class BatchError(Exception):
    """The batch in hand fails as a whole, for what is no record's fault. The host then tries smaller ones."""


class ProgramError(Exception):
    """The program is not one that a host could run. Says what is wrong with it."""


NO_KEY = "this record has no key, and state is kept by key"

_traces: Dict[Tuple[Any, ...], str] = {}


def reason(error: BaseException) -> str:
    """What the host is told of an exception: the message, then the lines of the program, innermost last."""
    if isinstance(error, (Failure, BatchError, ProgramError)):
        return str(error)
    head = "".join(traceback.format_exception_only(type(error), error)).strip()
    trace = _trace(error.__traceback__)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and not isinstance(cause, (StopIteration, Failure)):
        trace += f"\ncaused by {reason(cause)}"
    return head + trace


def _trace(trace: Optional[TracebackType]) -> str:
    """The frames of the program, without those of the SDK. Formatted once for each path through the program."""
    entries: List[Tuple[Any, int]] = []
    path: List[Any] = []
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith((_HERE, "<millstream")):
            entries.append((trace.tb_frame, trace.tb_lineno))
            path += (code, trace.tb_lasti)
        trace = trace.tb_next
    known = _traces.get(tuple(path))
    if known is None:
        if len(_traces) > 256:
            _traces.clear()
        lines = traceback.StackSummary.extract(iter(entries)).format()
        known = _traces[tuple(path)] = "".join("\n" + line.rstrip("\n") for line in lines)
    return known
