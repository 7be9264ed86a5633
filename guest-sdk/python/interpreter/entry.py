"""The interpreter component: runs programs from their source. Built by `build`.

Only what is imported here exists at run time: there is no file system to import from.
"""

import importlib
import sys

from millstream._component import (
    Aggregation,
    Assignment,
    Firing,
    Loader,
    Processor,
    Watermarks,
    WindowFunction,
)
import millstream.testing  # noqa: F401  (programs may have their tests beside them)

with open("/0/modules.txt", encoding="utf-8") as _modules:
    for _line in _modules:
        if _line.strip() and not _line.startswith("#"):
            for _name in _line.split():
                importlib.import_module(_name)

# Where there are no files, nothing remembers which there were.
sys.path_importer_cache.clear()
sys.path.clear()

__all__ = ["Aggregation", "Assignment", "Firing", "Loader", "Processor", "Watermarks", "WindowFunction"]
