"""Why a request was refused, in AWS's words.

Runs only after a reader of `shapes` has refused: it walks the same tree again, slowly, and collects
everything that is wrong. Wrong types come first and alone, because AWS notices them while it
deserialises and checks constraints only afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sagebrush.wire.dialects import Dialect, Refused, read_float
from sagebrush.wire.model import Shape
from sagebrush.wire.patterns import matcher
from sagebrush.wire.shapes import INTEGER_LIMITS, whole_number

_NULL = "null"


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken constraint.

    `path` is dotted with lower first letters (`algorithmSpecification.trainingImage`), `kind` one
    of required, length, range, pattern, enum, element; `value` is as AWS prints it.
    """

    path: str
    kind: str
    constraint: str
    value: str | None

    def __str__(self) -> str:
        shown = "" if self.value is None else " null" if self.value is _NULL else f" '{self.value}'"
        return f"Value{shown} at '{self.path}' failed to satisfy constraint: {self.constraint}"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A value of the wrong type; `message` is the serialisation error's."""

    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Given:
    """A member of the request as it arrived: the tree and the dialect it is written in."""

    tree: Any
    dialect: Dialect


def message_of(violations: list[Violation]) -> str:
    """Return AWS's summary sentence."""
    count = len(violations)
    noun = "error" if count == 1 else "errors"
    return f"{count} validation {noun} detected: {'; '.join(map(str, violations))}"


def explain(
    shape: Shape, given: dict[str, Given], raw_payload: str | None = None
) -> Mismatch | list[Violation]:
    """Return the first wrong type, else all broken constraints, of an input's members.

    `raw_payload` names a member that is there but is a stream, and so not looked into.
    """
    walker = _Walker()
    walker.structure(shape, given, "", raw_payload)
    return walker.mismatches[0] if walker.mismatches else walker.violations


def tree_members(shape: Shape, tree: dict[str, Any], dialect: Dialect) -> dict[str, Given]:
    """Return the members of a structure that are in a tree, by member name."""
    given = {}
    for name, member in shape.members.items():
        wire = (member.location_name or name) if dialect.renamed else name
        if tree.get(wire) is not None:
            given[name] = Given(tree[wire], dialect)
    return given


class _Walker:
    def __init__(self) -> None:
        self.mismatches: list[Mismatch] = []
        self.violations: list[Violation] = []

    def structure(
        self, shape: Shape, given: dict[str, Given], path: str, raw_payload: str | None = None
    ) -> None:
        for name in shape.required:
            if name not in given and name != raw_payload:
                self._add(_join(path, name), "required", "Member must not be null", _NULL)
        if shape.traits.get("union") and len(given) != 1:
            self.mismatches.append(
                Mismatch(path, f"Union {shape.name} must have exactly one member set")
            )
        members = shape.members
        for name, member in given.items():
            self.value(members[name], member.tree, member.dialect, _join(path, name))

    def value(self, shape: Shape, tree: Any, dialect: Dialect, path: str) -> None:
        if shape.is_document or shape.is_json_header:
            return
        if shape.type == "structure":
            if self._is(dict, tree, path, "Unexpected field type: a structure is needed"):
                self.structure(shape, tree_members(shape, tree, dialect), path)
        elif shape.type == "list":
            if self._is(list, tree, path, "Unexpected field type: a list is needed"):
                self._list(shape, tree, dialect, path)
        elif shape.type == "map":
            if self._is(dict, tree, path, "Unexpected field type: a map is needed"):
                self._map(shape, tree, dialect, path)
        else:
            self._scalar(shape, tree, dialect, path)

    def _list(self, shape: Shape, items: list[Any], dialect: Dialect, path: str) -> None:
        self._size(shape, items, path)
        element = shape.element
        if element.type in ("structure", "list", "map"):
            for index, item in enumerate(items, 1):
                self.value(element, item, dialect, f"{path}.{index}.member")
            return
        if self._any_mismatched(element, items, dialect, path):
            return
        if any(_broken(element, item, dialect) for item in items):
            constraint = f"Member must satisfy constraint: {_all(element)}"
            self._add(path, "element", constraint, _shown(shape, items))

    def _map(self, shape: Shape, items: dict[Any, Any], dialect: Dialect, path: str) -> None:
        self._size(shape, items, path)
        items = {key: item for key, item in items.items() if item is not None}
        if any(_broken(shape.key, key, dialect) for key in items):
            constraint = f"Map keys must satisfy constraint: {_all(shape.key)}"
            self._add(path, "element", constraint, _shown(shape, items))
        value = shape.value
        if value.type in ("structure", "list", "map"):
            for key, item in items.items():
                self.value(value, item, dialect, f"{path}.{key}.member")
            return
        if self._any_mismatched(value, items.values(), dialect, path):
            return
        if any(_broken(value, item, dialect) for item in items.values()):
            constraint = f"Map value must satisfy constraint: {_all(value)}"
            self._add(path, "element", constraint, _shown(shape, items))

    def _scalar(self, shape: Shape, tree: Any, dialect: Dialect, path: str) -> None:
        if self._mismatched(shape, tree, dialect, path):
            return
        for kind, constraint in _broken(shape, tree, dialect):
            self._add(path, kind, constraint, _shown(shape, tree))

    def _size(self, shape: Shape, items: list[Any] | dict[Any, Any], path: str) -> None:
        for constraint in _broken_length(shape, len(items)):
            self._add(path, "length", constraint, _shown(shape, items))

    def _add(self, path: str, kind: str, constraint: str, shown: str | None) -> None:
        self.violations.append(Violation(path, kind, constraint, shown))

    def _is(self, kind: type, tree: Any, path: str, message: str) -> bool:
        if type(tree) is kind:
            return True
        self.mismatches.append(Mismatch(path, f"{message}, not {_token(tree)}"))
        return False

    def _any_mismatched(
        self, shape: Shape, items: Iterable[Any], dialect: Dialect, path: str
    ) -> bool:
        return any(self._mismatched(shape, item, dialect, path) for item in items)

    def _mismatched(self, shape: Shape, tree: Any, dialect: Dialect, path: str) -> bool:
        try:
            _convert(shape, tree, dialect)
        except Refused:
            wanted = _TYPE_NAMES[shape.type]
            self.mismatches.append(
                Mismatch(path, f"{_token(tree)} can not be converted to {wanted}")
            )
            return True
        return False


_TYPE_NAMES = {
    "string": "a String",
    "integer": "an Integer",
    "long": "a Long",
    "float": "a Float",
    "double": "a Double",
    "boolean": "a Boolean",
    "timestamp": "a Timestamp",
    "blob": "a Blob",
}


def _join(path: str, name: str) -> str:
    name = name[:1].lower() + name[1:]
    return f"{path}.{name}" if path else name


def _token(tree: Any) -> str:
    """Name a JSON value as AWS's deserialiser does."""
    if tree is True:
        return "TRUE_VALUE"
    if tree is False:
        return "FALSE_VALUE"
    if tree is None:
        return "NULL_VALUE"
    return _TOKENS.get(type(tree), "BLOB_VALUE")


_TOKENS: dict[type, str] = {
    dict: "START_OBJECT",
    float: "DECIMAL_VALUE",
    int: "NUMBER_VALUE",
    list: "START_ARRAY",
    str: "STRING_VALUE",
}


def _convert(shape: Shape, tree: Any, dialect: Dialect) -> Any:
    """Return the value in our own form; raises `Refused` only for a wrong type."""
    if shape.type == "string":
        if type(tree) is not str:
            raise Refused
        return tree
    if shape.type in INTEGER_LIMITS:
        number = tree if type(tree) is int else whole_number(tree)
        limit = INTEGER_LIMITS[shape.type]
        if not -limit <= number < limit:
            raise Refused
        return number
    if shape.type == "boolean":
        if type(tree) is not bool:
            raise Refused
        return tree
    if shape.type in ("float", "double"):
        return read_float(tree)
    return dialect.read_blob(tree) if shape.type == "blob" else dialect.read_timestamp(tree)


def _broken(shape: Shape, tree: Any, dialect: Dialect) -> list[tuple[str, str]]:
    """Return (kind, wording) of each constraint that a scalar of the right type breaks."""
    value = _convert(shape, tree, dialect)
    broken: list[tuple[str, str]] = []
    if shape.type in ("string", "blob"):
        if shape.traits.get("enum"):
            if value not in shape.traits["enum"]:
                broken.append(("enum", _enum_wording(shape)))
            return broken
        broken.extend(("length", text) for text in _broken_length(shape, len(value)))
        pattern = shape.traits.get("pattern")
        matches = matcher(pattern) if pattern else None
        if matches is not None and not broken and not matches(value):
            broken.append(("pattern", _pattern_wording(shape)))
    elif shape.type not in ("boolean", "timestamp"):
        most, least = shape.traits.get("max"), shape.traits.get("min")
        if most is not None and value > most:
            broken.append(("range", _range_wording("less", most)))
        if least is not None and value < least:
            broken.append(("range", _range_wording("greater", least)))
    return broken


def _broken_length(shape: Shape, size: int) -> Iterator[str]:
    most, least = shape.traits.get("max"), shape.traits.get("min")
    if most is not None and size > most:
        yield _length_wording("less", most)
    if least is not None and size < least:
        yield _length_wording("greater", least)


def _all(shape: Shape) -> str:
    """Return all constraints of a shape: what AWS lists for items of lists and maps."""
    traits = shape.traits
    if traits.get("enum"):
        return f"[{_enum_wording(shape)}]"
    word = _length_wording if shape.type in ("string", "blob") else _range_wording
    parts = []
    if traits.get("max") is not None:
        parts.append(word("less", traits["max"]))
    if traits.get("min") is not None:
        parts.append(word("greater", traits["min"]))
    if traits.get("pattern"):
        parts.append(_pattern_wording(shape))
    return f"[{', '.join(parts)}]"


def _length_wording(direction: str, bound: int) -> str:
    return f"Member must have length {direction} than or equal to {bound}"


def _range_wording(direction: str, bound: float) -> str:
    return f"Member must have value {direction} than or equal to {bound}"


def _pattern_wording(shape: Shape) -> str:
    return f"Member must satisfy regular expression pattern: {shape.traits['pattern']}"


def _enum_wording(shape: Shape) -> str:
    return f"Member must satisfy enum value set: [{', '.join(shape.traits['enum'])}]"


def _shown(shape: Shape, tree: Any) -> str | None:
    """Return a value as Java's toString prints it, or None for one that must not be repeated."""
    if shape.traits.get("sensitive"):
        return None
    return _java_text(shape, tree)


def _java_text(shape: Shape, tree: Any) -> str:
    if shape.traits.get("sensitive"):
        return "***"
    if shape.type == "structure":
        return shape.name
    if shape.type == "list" and type(tree) is list:
        return f"[{', '.join(_java_text(shape.element, item) for item in tree)}]"
    if shape.type == "map" and type(tree) is dict:
        key, value = shape.key, shape.value
        pairs = (f"{_java_text(key, k)}={_java_text(value, v)}" for k, v in tree.items())
        return f"{{{', '.join(pairs)}}}"
    return str(tree).lower() if type(tree) is bool else str(tree)
