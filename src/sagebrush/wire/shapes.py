"""Shapes compiled to closures: readers that check and convert, writers that select and convert.

A reader takes a tree (JSON or CBOR already parsed, or native values) and returns the value in
our own form, or raises `Refused` at the first thing that does not fit. It does not say what: that
is rare and slow and done by `violations`, so that good requests pay nothing for the wording.
Both are compiled once per shape and dialect and reused by every operation of the service.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sagebrush.wire.dialects import Dialect, Refused, read_float
from sagebrush.wire.late_binding import late
from sagebrush.wire.model import ServiceModel, Shape
from sagebrush.wire.patterns import matcher

Reader = Callable[[Any], Any]
Writer = Callable[[Any], Any]

INTEGER_LIMITS = {"integer": 2**31, "long": 2**63}


class Compiler:
    """Readers and writers of one service in one dialect."""

    def __init__(self, model: ServiceModel, dialect: Dialect) -> None:
        self._model = model
        self._dialect = dialect
        self._readers: dict[Any, Reader] = {}
        self._writers: dict[Any, Writer | None] = {}

    @classmethod
    def of(cls, model: ServiceModel, dialect: Dialect) -> Compiler:
        """Return the compiler of this service and dialect, made once."""
        compiler: Compiler | None = model.compiled.get(dialect.name)
        if compiler is None:
            compiler = model.compiled[dialect.name] = cls(model, dialect)
        return compiler

    def reader(self, shape: Shape) -> Reader:
        """Return the checking reader of a shape."""
        key = _key(shape)
        reader = self._readers.get(key)
        if reader is None:
            readers = self._readers
            # Stands in for a shape that contains itself until its own reader exists.
            readers[key] = late(readers, key)
            reader = readers[key] = self._build_reader(shape)
        return reader

    def members(self, shape: Shape, names: set[str] | None = None) -> dict[str, tuple[str, Reader]]:
        """Return (member name, reader) by wire name, for all or for the named members."""
        return {
            self.wire_name(name, member): (name, self.reader(member))
            for name, member in shape.members.items()
            if names is None or name in names
        }

    def wire_name(self, name: str, member: Shape) -> str:
        """Return the name a member has in the tree."""
        return (member.location_name or name) if self._dialect.renamed else name

    def _build_reader(self, shape: Shape) -> Reader:
        if shape.is_document:
            return _read_any
        if shape.type == "structure":
            return self._structure_reader(shape)
        if shape.type == "list":
            return _list_reader(shape, self.reader(shape.element))
        if shape.type == "map":
            return _map_reader(shape, self.reader(shape.key), self.reader(shape.value))
        if shape.type == "string":
            return _string_reader(shape)
        if shape.type in INTEGER_LIMITS:
            return _integer_reader(shape)
        if shape.type in ("float", "double"):
            return _float_reader(shape)
        if shape.type == "blob":
            return _blob_reader(shape, self._dialect.read_blob)
        return self._dialect.read_timestamp if shape.type == "timestamp" else _read_boolean

    def _structure_reader(self, shape: Shape) -> Reader:
        members = self.members(shape)
        required = frozenset(shape.required)
        union = bool(shape.traits.get("union"))

        def read(value: Any) -> dict[str, Any]:
            if type(value) is not dict:
                raise Refused
            result = {}
            for key, item in value.items():
                member = members.get(key)
                if member is not None and item is not None:
                    result[member[0]] = member[1](item)
            if required and not required <= result.keys():
                raise Refused
            if union and len(result) != 1:
                raise Refused
            return result

        return read

    def writer(self, shape: Shape) -> Writer | None:
        """Return the writer of a shape, or None when values are written as they are."""
        key = _key(shape)
        if key not in self._writers:
            writers = self._writers
            writers[key] = late(writers, key)
            writers[key] = self._build_writer(shape)
        return self._writers[key]

    def _build_writer(self, shape: Shape) -> Writer | None:
        if shape.is_document:
            return None
        if shape.type == "structure":
            return self.structure_writer(shape)
        if shape.type == "list":
            element = self.writer(shape.element)
            return None if element is None else _list_writer(element)
        if shape.type == "map":
            value = self.writer(shape.value)
            return None if value is None else _map_writer(value)
        if shape.type == "blob":
            return self._dialect.write_blob
        if shape.type in ("float", "double"):
            return self._dialect.write_float
        if shape.type == "timestamp":
            return self._dialect.write_timestamp(shape.traits.get("timestampFormat"))
        return None

    def structure_writer(self, shape: Shape, names: set[str] | None = None) -> Writer:
        """Return a writer that keeps known members that are set (all, or only the named)."""
        members = {
            name: (self.wire_name(name, member), self.writer(member))
            for name, member in shape.members.items()
            if names is None or name in names
        }

        def write(value: dict[str, Any]) -> dict[str, Any]:
            result = {}
            for name, item in value.items():
                if item is not None:
                    member = members.get(name)
                    if member is not None:
                        wire, convert = member
                        result[wire] = item if convert is None else convert(item)
            return result

        return write


def _key(shape: Shape) -> tuple[str, Any, bool]:
    """What distinguishes two uses of a shape as far as values are concerned."""
    return shape.name, shape.traits.get("timestampFormat"), shape.is_document


def _read_any(value: Any) -> Any:
    return value


def _read_boolean(value: Any) -> bool:
    if value is True or value is False:
        return value
    raise Refused


def _list_reader(shape: Shape, element: Reader) -> Reader:
    least, most = shape.traits.get("min", 0), shape.traits.get("max")
    sparse = bool(shape.traits.get("sparse"))

    def read(value: Any) -> list[Any]:
        if (
            type(value) is not list
            or len(value) < least
            or (most is not None and len(value) > most)
        ):
            raise Refused
        if sparse:
            return [None if item is None else element(item) for item in value]
        return [element(item) for item in value]

    return read


def _map_reader(shape: Shape, read_key: Reader, read_value: Reader) -> Reader:
    least, most = shape.traits.get("min", 0), shape.traits.get("max")
    sparse = bool(shape.traits.get("sparse"))

    def read(value: Any) -> dict[Any, Any]:
        if (
            type(value) is not dict
            or len(value) < least
            or (most is not None and len(value) > most)
        ):
            raise Refused
        if sparse:
            return {
                read_key(key): None if item is None else read_value(item)
                for key, item in value.items()
            }
        return {read_key(key): read_value(item) for key, item in value.items() if item is not None}

    return read


def _string_reader(shape: Shape) -> Reader:
    traits = shape.traits
    least, most = traits.get("min", 0), traits.get("max")
    pattern = traits.get("pattern")
    matches = matcher(pattern) if pattern else None
    if traits.get("enum"):
        return _enum_reader(frozenset(traits["enum"]))
    if matches is None and not least and most is None:
        return _read_string

    def read(value: Any) -> str:
        if type(value) is not str or len(value) < least or (most is not None and len(value) > most):
            raise Refused
        if matches is not None and not matches(value):
            raise Refused
        return value

    return read


def _read_string(value: Any) -> str:
    if type(value) is str:
        return value
    raise Refused


def _enum_reader(allowed: frozenset[str]) -> Reader:
    def read(value: Any) -> str:
        if type(value) is str and value in allowed:
            return value
        raise Refused

    return read


def _integer_reader(shape: Shape) -> Reader:
    limit = INTEGER_LIMITS[shape.type]
    least = max(-limit, shape.traits.get("min", -limit))
    most = min(limit - 1, shape.traits.get("max", limit - 1))

    def read(value: Any) -> int:
        if type(value) is not int:
            value = whole_number(value)
        if least <= value <= most:
            return int(value)
        raise Refused

    return read


def whole_number(value: Any) -> int:
    """Return the integer of a float without fraction (`5.0`); raises `Refused` otherwise."""
    if type(value) is float and value.is_integer():
        return int(value)
    raise Refused


def _float_reader(shape: Shape) -> Reader:
    least, most = shape.traits.get("min"), shape.traits.get("max")

    def read(value: Any) -> float:
        number = read_float(value)
        if (least is not None and number < least) or (most is not None and number > most):
            raise Refused
        return number

    return read


def _blob_reader(shape: Shape, decode: Callable[[Any], bytes]) -> Reader:
    least, most = shape.traits.get("min", 0), shape.traits.get("max")

    def read(value: Any) -> bytes:
        content = decode(value)
        if len(content) < least or (most is not None and len(content) > most):
            raise Refused
        return content

    return read


def _list_writer(element: Writer) -> Writer:
    return lambda value: [None if item is None else element(item) for item in value]


def _map_writer(write_value: Writer) -> Writer:
    return lambda value: {
        key: None if item is None else write_value(item) for key, item in value.items()
    }
