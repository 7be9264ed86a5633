"""How a batch is handed to a program's function: a loop that is written for the parameters that it declares."""

import inspect
import typing
from typing import Any, Callable, Dict, List, Tuple

from ._batch import Batch
from ._context import Context, Timer
from ._failure import BatchError, ProgramError
from ._fields import Spec, construct, is_typed, specs
from ._message import Message
from ._part import annotation, parameters
from ._typed import read_typed

_LOOP = """\
def run(operator, ctx, batch, groups, fail, *columns):
    main = operator._builders[0]
    {unpack}for ctx.row, ctx.group{variables} in zip(range(batch.count), groups{columns}):
        try:
            {call}
        except Exception as error:
            fail(error)
"""


class RowCall:
    """The loop over a batch, and the fields that the host reads for it."""

    def __init__(self, run: Callable[..., None], reads: List[Spec]) -> None:
        self._run = run
        self.reads = reads

    def run(self, operator: Any, ctx: Context, batch: Any, groups: Any, fail: Any, *more: Any) -> None:
        """Calls the program for each record. Exceptions go to `fail`."""
        if self.reads and not more:
            if len(batch.columns) != len(self.reads):
                raise BatchError("the host did not pass the fields that the operator reads")
            more = tuple(read_typed(spec, column) for spec, column in zip(self.reads, batch.columns))
        self._run(operator, ctx, batch, groups, fail, *more)


def input_type(function: Callable[..., Any]) -> Any:
    """What `@process` gives to a function."""
    kind = annotation(function, 0)
    return Message if kind is None else kind


def record_call(function: Callable[..., Any], writes: Any) -> RowCall:
    """The loop for a function of single records."""
    kind = input_type(function)
    made: Dict[str, Any] = {}
    reads: List[Spec] = []
    if is_typed(kind):
        reads = specs(kind)
        names = {spec.attributes: f"v{at}" for at, spec in enumerate(reads)}
        argument = construct(kind, names, made)
    else:
        argument = _argument(kind, function)
    return RowCall(_loop(function, argument, made, len(reads), writes), reads)


def _argument(kind: Any, function: Callable[..., Any]) -> str:
    plain = typing.get_origin(kind) or kind
    if plain in (Message, Context):
        return "ctx"
    if plain in (dict, list, Any):
        return "ctx.json()"
    if plain is str:
        return "ctx.text"
    if plain is bytes:
        return "ctx.bytes"
    name = parameters(function)[0].name
    raise ProgramError(
        f"`{name}: {getattr(kind, '__name__', kind)}`: a record is a class of typed records, `ms.Message`, "
        "`dict`, `list`, `Any`, `str` or `bytes`"
    )


def timer_call(function: Callable[..., Any], writes: Any) -> RowCall:
    """The loop for a function of timers."""
    inner = _loop(function, "timer", {}, 0, writes)

    def run(operator: Any, ctx: Context, batch: Any, groups: Any, fail: Any, names: Any, domain: Any) -> None:
        inner.__globals__["timer"] = Timer(ctx, names, domain)
        inner(operator, ctx, batch, groups, fail)

    return RowCall(run, [])


def _loop(function: Callable[..., Any], argument: str, made: Dict[str, Any], columns: int, writes: Any) -> Any:
    call = f"call({argument}{', ctx' if len(parameters(function)) > 1 else ''})"
    if inspect.isgeneratorfunction(function):
        call = f"for result in {call}: main.push(result)"
    else:
        call = f"result = {call}\n            "
        if writes is not None:
            # What nearly every record does, without the detour.
            call += "if type(result) is writes: main.push_row(result)\n            el"
        call += "if result is not None: main.push(result)"
    names = [f"v{at}" for at in range(columns)]
    source = _LOOP.format(
        unpack=f"{', '.join('c' + name for name in names)}, = columns\n    " if names else "",
        variables="".join(f", {name}" for name in names),
        columns="".join(f", c{name}" for name in names),
        call=call,
    )
    made.update(call=function, writes=writes)
    exec(compile(source, "<millstream loop>", "exec"), made)
    return made["run"]


def batch_call(function: Callable[..., Any]) -> RowCall:
    """The call of a function of whole batches."""
    kind = annotation(function, 0)
    if kind is not None and typing.get_origin(kind) is not Batch and kind is not Batch:
        raise ProgramError("`@columns` gives a batch: annotate the parameter as `ms.Batch[Payment]`, or as `ms.Batch`")
    arguments: Tuple[Any, ...] = typing.get_args(kind)
    reads = specs(arguments[0]) if arguments and is_typed(arguments[0]) else []
    takes_context = len(parameters(function)) > 1

    def run(operator: Any, ctx: Context, batch: Any, groups: Any, fail: Any, *columns: Any) -> None:
        whole: Batch[Any] = Batch(operator, ctx, batch, groups, reads)
        if takes_context:
            function(whole, ctx)
        else:
            function(whole)
        whole._finish()

    return _BatchCall(run, reads)


class _BatchCall(RowCall):
    def run(self, operator: Any, ctx: Context, batch: Any, groups: Any, fail: Any, *more: Any) -> None:
        if self.reads and len(batch.columns) != len(self.reads):
            raise BatchError("the host did not pass the fields that the operator reads")
        self._run(operator, ctx, batch, groups, fail)
