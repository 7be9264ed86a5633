"""Window functions: what becomes of all records of a window at once."""

from typing import Any, Callable, Dict, List, Optional, Tuple, Type, TypeVar, Union

from .. import _columns
from .._contract import NO_TIME
from .._failure import BatchError
from .._part import F, Part
from ._contract import FunctionDescription
from ._pane import Pane, Record, Window, argument, value

C = TypeVar("C")


class FiredPane(Pane):
    """A window of a key that has fired, and what is emitted of it."""

    __slots__ = ("elements", "now_ms", "_watermark", "_values")

    def __init__(self, pane: Any) -> None:
        super().__init__(pane.key, Window(pane.start, pane.end))
        #: How many records it has.
        self.elements: int = pane.elements
        #: Processing time in milliseconds, as the host gives it.
        self.now_ms: int = pane.now
        self._watermark = pane.watermark
        self._values: List[Any] = []

    @property
    def watermark_ms(self) -> Optional[int]:
        """The event time that the input has reached, if it is known."""
        return None if self._watermark == NO_TIME else self._watermark

    def emit(self, emitted: Any) -> None:
        """Emits a record with this value. Its key is the pane's, its timestamp the last moment of the window."""
        self._values.append(value(emitted))

    def _drain(self) -> Any:
        values, self._values = self._values, []
        return _columns.write(values)


class WindowFunction(Part[C]):
    """What becomes of all records of a window at once, which the host keeps until it fires.

    For what an `Aggregator` cannot do: everything that it can do costs less there. `gathered` makes what is gathered of
    a pane, in memory, from its first record to its last.
    """

    world = "process-window"

    def __init__(
        self, gathered: Callable[[], Any] = list, *, config: Optional[Type[C]] = None,
        config_schema: Union[str, Dict[str, Any], None] = None,
    ) -> None:
        super().__init__(config=config, config_schema=config_schema)
        self._gathered = gathered
        self._in_hand: Optional[Tuple[FiredPane, Any]] = None

    def element(self, function: F) -> F:
        """Decorates `def element(gathered, record, pane)`, which is called for each record in order of arrival; what
        it returns, unless it is `None`, is what is gathered from there on."""
        return self._take("element", function, 2, 3)

    def end(self, function: F) -> F:
        """Decorates `def end(gathered, pane)`, which is called when there are no more records."""
        return self._take("end", function, 2, 2)

    def _check(self) -> None:
        self._need("element")

    def _describe(self) -> FunctionDescription:
        return FunctionDescription(self._config_schema())

    def _begin(self, pane: Any) -> None:
        self._in_hand = None
        self._in_hand = FiredPane(pane), self._gathered()

    def _elements(self, page: Any) -> Any:
        pane, gathered = self._pane()
        element = self._need("element")
        read, record = argument(element, 1), Record().at(page, pane.now_ms, pane._watermark)
        last = (pane,) if element.__code__.co_argcount > 2 else ()
        for row in range(page.count):
            record.row = row
            returned = element(gathered, read(record), *last)
            gathered = gathered if returned is None else returned
        self._in_hand = pane, gathered
        return pane._drain()

    def _end(self) -> Any:
        pane, gathered = self._pane()
        self._in_hand = None
        if "end" in self._functions:
            self._functions["end"](gathered, pane)
        return pane._drain()

    def _pane(self) -> Tuple[FiredPane, Any]:
        if self._in_hand is None:
            raise BatchError("the host has not begun a pane")
        return self._in_hand
