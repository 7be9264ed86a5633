"""`Value.set` of numbers, which nearly every record calls."""

from typing import Any, Callable, List


class QuickSet:
    """Sets values of numbers. Since a record has one key, what it replaced is one value."""

    def __init__(self, state: Any) -> None:
        self._state = state
        #: The groups that were set, in order.
        self.groups: List[int] = []
        self.undo: Callable[[int], None] = lambda row: None
        self._forget: Callable[[], None] = lambda: None

    def begin(self) -> None:
        """A batch begins."""
        self.groups.clear()
        self._forget()

    def made(self, kind: type) -> Any:
        """The function for numbers of a type."""
        state, at, groups = self._state, self._state._at, self.groups
        check, changed = state._check, self.groups.append
        is_float = kind is float
        last_row, before, mark = -1, None, 0

        def set(value: Any) -> None:
            nonlocal last_row, before, mark
            if type(value) is not kind:
                value = None if value is None else check(value)
            elif not (is_float or -0x8000000000000000 <= value <= 0x7FFFFFFFFFFFFFFF):  # type: ignore[operator]
                check(value)
            group, values = at.group, state._values
            if at.row != last_row:
                try:
                    before = values[group]
                except IndexError:
                    raise state._no_key() from None
                last_row, mark = at.row, len(groups)
            values[group] = value
            changed(group)

        def undo(row: int) -> None:
            nonlocal last_row
            if row == last_row:
                state._values[at.group] = before
                del groups[mark:]
                last_row = -1

        def forget() -> None:
            nonlocal last_row
            last_row = -1

        self.undo, self._forget = undo, forget
        return set
