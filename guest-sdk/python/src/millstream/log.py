"""The operator's log.

Lines go to the host, which limits their rate and says how many it dropped. What the standard module `logging` is
given goes there too, and so does what is printed.
"""

import logging
from typing import Dict

from . import _host

#: Levels, in order.
TRACE, DEBUG, INFO, WARN, ERROR = range(5)
NAMES = ("trace", "debug", "info", "warn", "error")

# Which levels the host keeps, asked for once a batch.
_kept: Dict[int, bool] = {}


def forget_levels() -> None:
    """Has the host asked again."""
    _kept.clear()


def enabled(level: int) -> bool:
    """Whether lines of this level are kept."""
    kept = _kept.get(level)
    if kept is None:
        kept = _kept[level] = _host.log_enabled(level)
    return kept


def _write(level: int, message: object, arguments: object) -> None:
    if enabled(level):
        _host.log_write(level, str(message) % arguments if arguments else str(message))


def trace(message: object, *arguments: object) -> None:
    """Logs detail for one record."""
    _write(TRACE, message, arguments)


def debug(message: object, *arguments: object) -> None:
    """Logs detail for whoever debugs the operator."""
    _write(DEBUG, message, arguments)


def info(message: object, *arguments: object) -> None:
    """Logs what whoever runs the pipeline may want to know."""
    _write(INFO, message, arguments)


def warn(message: object, *arguments: object) -> None:
    """Logs that something is off and was handled."""
    _write(WARN, message, arguments)


def error(message: object, *arguments: object) -> None:
    """Logs that something failed."""
    _write(ERROR, message, arguments)


class Handler(logging.Handler):
    """Hands what the standard module `logging` is given to the host. Components have it installed."""

    def emit(self, record: logging.LogRecord) -> None:
        level = (record.levelno >= 10) + (record.levelno >= 20) + (record.levelno >= 30) + (record.levelno >= 40)
        if enabled(level):
            _host.log_write(level, self.format(record))
