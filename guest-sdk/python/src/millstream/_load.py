"""Loads a program from its source files, without a file system."""

import importlib.abc
import importlib.machinery
import importlib.util
import linecache
import sys
import traceback
import types
from typing import Any, Dict, List, Optional, Sequence

from ._failure import ProgramError, _trace
from ._part import Part


class SourceFinder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds the modules of a program among its files."""

    def __init__(self, files: Dict[str, bytes]) -> None:
        self._files = files

    def path_of(self, name: str) -> Optional[str]:
        """The file of a module."""
        base = name.replace(".", "/")
        for prefix in ("", "src/"):
            for path in (f"{prefix}{base}.py", f"{prefix}{base}/__init__.py"):
                if path in self._files:
                    return path
        return None

    def find_spec(self, name: str, path: Optional[Sequence[str]], target: Any = None) -> Any:
        found = self.path_of(name)
        if found is not None:
            is_package = found.endswith("/__init__.py")
            return importlib.machinery.ModuleSpec(name, self, origin=found, is_package=is_package)
        directories = {f"{prefix}{name.replace('.', '/')}/" for prefix in ("", "src/")}
        if any(file.endswith(".py") and file.startswith(tuple(directories)) for file in self._files):
            return importlib.machinery.ModuleSpec(name, None, is_package=True)
        return None

    def is_package(self, name: str) -> bool:
        return (self.path_of(name) or "").endswith("/__init__.py")

    def get_source(self, name: str) -> Optional[str]:
        path = self.path_of(name)
        return None if path is None else self._files[path].decode()

    def exec_module(self, module: types.ModuleType) -> None:
        path = self.path_of(module.__name__)
        assert path is not None
        run(module, path, self._files[path])


def run(module: types.ModuleType, path: str, content: bytes) -> None:
    """Runs the source of a module."""
    try:
        source = importlib.util.decode_source(content)
    except (SyntaxError, UnicodeDecodeError) as error:
        raise SyntaxError(f"{path} is not UTF-8: {error}") from None
    # Tracebacks show the lines of the source.
    linecache.cache[path] = len(source), None, source.splitlines(keepends=True), path
    module.__file__ = path
    exec(compile(source, path, "exec"), module.__dict__)


def load(files: Dict[str, bytes], main: str) -> Part[Any]:
    """Runs a program and takes the operator, or the part, that it makes. Raises `ProgramError`."""
    if main not in files:
        raise ProgramError(f"there is no file `{main}`: there are {', '.join(sorted(files)) or 'none'}")
    sys.meta_path.insert(0, SourceFinder(files))
    name = main.removesuffix(".py").replace("/", ".").removeprefix("src.")
    # `operator.py` must not stand for the module of the standard library, nor another such file for its.
    name = "__program__" if name in sys.modules else name
    module = types.ModuleType(name)
    # A file beside it that imports it is given this one.
    sys.modules[name] = module
    return made(module, main, files[main])


def made(module: types.ModuleType, main: str, content: bytes) -> Part[Any]:
    """Runs the main file of a program and takes what it makes. Raises `ProgramError`."""
    try:
        run(module, main, content)
    except ModuleNotFoundError as error:
        raise ProgramError(_missing(error)) from None
    except ProgramError as error:
        raise ProgramError(f"{error}{_trace(error.__traceback__)}") from None
    except Exception as error:
        head = "".join(traceback.format_exception_only(type(error), error)).strip()
        raise ProgramError(f"the program does not load: {head}{_trace(error.__traceback__)}") from None
    except SystemExit:
        raise ProgramError(f"`{main}` ends the interpreter when it is loaded") from None
    return program_of(module, f"`{main}`")


def program_of(module: types.ModuleType, where: str) -> Part[Any]:
    """The one operator, or part, that a module makes."""
    found: List[Any] = []
    for value in vars(module).values():
        if isinstance(value, Part) and not any(value is other for other in found):
            found.append(value)
    if not found:
        raise ProgramError(f"{where} makes no operator: `app = ms.Operator()` at the top makes one")
    if len(found) > 1:
        kinds = ", ".join(type(part).__name__ for part in found)
        raise ProgramError(f"{where} makes {len(found)} of them ({kinds}), and a program is one: put each into a file of its own")
    try:
        found[0]._check()
    except ProgramError as error:
        raise ProgramError(f"{where}: {error}") from None
    return found[0]  # type: ignore[no-any-return]


def _missing(error: ModuleNotFoundError) -> str:
    name = error.name or "?"
    top = name.partition(".")[0]
    if top in getattr(sys, "stdlib_module_names", ()):
        why = "it is of the standard library, but needs what there is not in here, such as threads, sockets or files"
    else:
        why = (
            "it is neither of the standard library nor a file of the program. A third-party package goes into "
            "`dependencies` of pyproject.toml: `millstream plugin build` then makes a component with it"
        )
    return f"there is no module `{name}` to import: {why}{_trace(error.__traceback__)}"
