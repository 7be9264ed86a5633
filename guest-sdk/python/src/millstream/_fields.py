"""Typed records: classes whose annotated fields the host reads from the records and writes into them."""

import dataclasses
import sys
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple, Type, get_origin

from . import _json
from ._contract import ColumnType, FieldDeclaration
from ._convert import hints_of, split_optional
from ._failure import ProgramError

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
elif sys.version_info >= (3, 11):
    from typing import dataclass_transform
else:
    def dataclass_transform(**_: Any) -> Any:
        return lambda decorated: decorated

_KINDS = {
    str: ColumnType.UTF8, int: ColumnType.INT64, float: ColumnType.FLOAT64, bool: ColumnType.BOOLEAN,
    bytes: ColumnType.BYTES, dict: ColumnType.BYTES, list: ColumnType.BYTES, Any: ColumnType.BYTES,
}


def field(path: Optional[str] = None, **options: Any) -> Any:
    """A field of a record that is not where its name says: `id: str = ms.field("/user/id")`.

    `path` is a JSON Pointer. The rest is as in `dataclasses.field`.
    """
    if path is not None and not path.startswith("/"):
        raise ProgramError(f"the path of a field begins with `/`, and is {path!r}")
    return dataclasses.field(metadata={"path": path}, **options)


@dataclass_transform(field_specifiers=(field, dataclasses.field))
class Record:
    """A record with typed fields.

    As the parameter of `@app.process` or `@app.columns` its fields are what the host reads; as `writes=` of an
    operator they are what it writes. `str`, `int`, `float` and `bool` are the types of JSON, `Optional` ones may be
    missing, `dict`, `list` and `Any` are any JSON, `bytes` is the text of any JSON as it stands, and another record
    is an object within. Subclasses are dataclasses.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclasses.dataclass(cls)

    def _to_json(self) -> Dict[str, Any]:
        """As the host writes it: nested by path, without fields that are missing."""
        into: Dict[str, Any] = {}
        for spec in specs(type(self)):
            value = spec.get(self)
            if value is not None or not spec.optional:
                if spec.raw and value is not None:
                    value = _json.loads(value.decode())
                _json.put(into, spec.steps, value)
        return into


class Spec:
    """A declared field."""

    __slots__ = ("path", "kind", "optional", "attributes", "raw", "steps")

    def __init__(self, path: str, kind: ColumnType, optional: bool, attributes: Tuple[str, ...], raw: bool) -> None:
        self.path = path
        self.kind = kind
        self.optional = optional
        #: How it is reached in Python.
        self.attributes = attributes
        #: The text of JSON, not what it says.
        self.raw = raw
        self.steps = tuple(step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/"))

    @property
    def name(self) -> str:
        return ".".join(self.attributes)

    def get(self, record: Any) -> Any:
        for attribute in self.attributes:
            record = getattr(record, attribute)
        return record

    def declaration(self) -> FieldDeclaration:
        return FieldDeclaration(self.path, self.kind, self.optional)


_known: Dict[type, List[Spec]] = {}


def is_typed(kind: Any) -> bool:
    """Whether it is a class of typed records."""
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)


def specs(kind: Type[Any]) -> List[Spec]:
    """The fields of a class of typed records, in order of declaration."""
    found = _known.get(kind)
    if found is None:
        found = _known[kind] = _specs(kind, "", ())
        if not found:
            raise ProgramError(f"`{kind.__qualname__}` has no fields")
        paths = [spec.path for spec in found]
        for path in paths:
            if paths.count(path) > 1:
                raise ProgramError(f"`{kind.__qualname__}` has two fields at `{path}`")
    return found


def _specs(kind: Type[Any], prefix: str, attributes: Tuple[str, ...]) -> List[Spec]:
    found: List[Spec] = []
    hints = hints_of(kind)
    for declared in dataclasses.fields(kind):
        name = f"{kind.__qualname__}.{declared.name}"
        own = declared.metadata.get("path") or "/" + declared.name.replace("~", "~0").replace("/", "~1")
        inner, optional = split_optional(hints[declared.name])
        reached = (*attributes, declared.name)
        if is_typed(inner):
            if optional:
                raise ProgramError(f"`{name}` is an optional record: make its fields optional instead")
            found += _specs(inner, prefix + own, reached)
            continue
        plain = get_origin(inner) or inner
        if plain not in _KINDS:
            raise ProgramError(
                f"`{name}` is of type {inner!r}, which is no field's: "
                "str, int, float, bool, bytes, dict, list, Any, or a class of records"
            )
        found.append(Spec(prefix + own, _KINDS[plain], optional, reached, plain is bytes))
    return found


def construct(kind: Type[Any], names: Dict[Tuple[str, ...], str], made: Dict[str, Any], at: Tuple[str, ...] = ()) -> str:
    """Source text of an expression that makes a record of variables; what it refers to is put into `made`."""
    label = f"make{len(made)}"
    made[label] = kind
    hints = hints_of(kind)
    arguments = []
    for declared in dataclasses.fields(kind):
        reached = (*at, declared.name)
        inner, _ = split_optional(hints[declared.name])
        value = construct(inner, names, made, reached) if is_typed(inner) else names[reached]
        arguments.append(value if declared.init and not getattr(declared, "kw_only", False) else f"{declared.name}={value}")
    return f"{label}({', '.join(arguments)})"
