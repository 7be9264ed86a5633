"""Window assigners: which windows a record is in."""

from typing import Any, Dict, List, Optional, Type, TypeVar, Union

from .. import _columns
from .._failure import Failure
from .._part import F, Part
from ._contract import Assigned, AssignerDescription
from ._pane import Record, Window, argument, failed, failure_column, window_column

C = TypeVar("C")

#: What `@app.assign` returns: a window, several, or none.
Windows = Union[Window, List[Window], None]


class WindowAssigner(Part[C]):
    """Which windows a record is in. With `merges`, windows of one key that overlap or touch become one, as sessions do.

    It must answer by the record and its configuration: a record that is read again after a crash has to be in the same
    windows.
    """

    world = "window-assigner"

    def __init__(
        self, *, merges: bool = False, config: Optional[Type[C]] = None,
        config_schema: Union[str, Dict[str, Any], None] = None,
    ) -> None:
        super().__init__(config=config, config_schema=config_schema)
        self._merges = merges

    def assign(self, function: F) -> F:
        """Decorates `def assign(record)`, which returns the window that a record is in, or a list of them, or `None`
        to drop it. An exception fails the record."""
        return self._take("assign", function, 1, 1)

    def _check(self) -> None:
        self._need("assign")

    def _describe(self) -> AssignerDescription:
        return AssignerDescription(self._merges, self._config_schema())

    def _assign(self, records: Any, now: int) -> Assigned:
        assign = self._need("assign")
        read, record = argument(assign, 0), Record().at(records, now)
        failures: Dict[int, str] = {}
        rows: List[int] = []
        assigned: List[Window] = []
        for row in range(records.count):
            record.row = row
            try:
                found = _windows(assign(read(record)))
            except Exception as error:
                failed(failures, row, error)
                continue
            rows += [row] * len(found)
            assigned += found
        return Assigned(_columns.pack_u32s(rows), window_column(assigned), failure_column(failures))


def _windows(returned: Any) -> List[Window]:
    found: List[Window] = [returned] if isinstance(returned, Window) else list(returned or ())
    for window in found:
        if not window.start_ms < window.end_ms:
            raise Failure(f"a window that starts at {window.start_ms} and ends at {window.end_ms}")
    return list(dict.fromkeys(found))
