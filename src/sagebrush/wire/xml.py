"""Shapes to and from XML elements, for rest-xml bodies and query responses.

Readers give native values (not yet checked against constraints), writers append text to a list.
Element prefixes are ignored: clients differ in them and the names alone are unambiguous.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from sagebrush.wire.dialects import encode_base64, float_text
from sagebrush.wire.late_binding import late
from sagebrush.wire.model import ServiceModel, Shape
from sagebrush.wire.scalars import ScalarError, scalar_reader
from sagebrush.wire.timestamps import text_formatter

ElementReader = Callable[[list[Element]], Any]
ElementWriter = Callable[[list[str], str, Any], None]

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


class XmlError(ValueError):
    """The document is not well-formed, or holds what no client sends (a document type)."""


def parse_xml(body: bytes) -> Element:
    """Return the root element; raises `XmlError`. Document types are refused: they only serve
    attacks by entity expansion."""
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse_document_type
    try:
        parser.Parse(body, True)
        root: Element = builder.close()
    except (expat.ExpatError, AssertionError, LookupError, ValueError) as error:
        raise XmlError(str(error)) from None
    return root


def _refuse_document_type(*_: Any) -> None:
    raise XmlError("a document type declaration is not allowed")


def escape(text: str) -> str:
    """Return text fit for element content and attribute values.

    Carriage returns are written as references because parsers turn bare ones into line feeds;
    control characters that XML cannot hold at all are written as references too, as S3 does.
    """
    if not _needs_escape(text):
        return text
    return text.translate(_ESCAPES)


_ESCAPES = {
    ord("&"): "&amp;",
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord('"'): "&quot;",
    **{code: f"&#x{code:x};" for code in range(32) if code not in (9, 10)},
}
_SPECIAL = frozenset(chr(code) for code in _ESCAPES)


def _needs_escape(text: str) -> bool:
    return not _SPECIAL.isdisjoint(text)


def local_name(tag: str) -> str:
    """Return a tag without its namespace prefix."""
    return tag.rpartition(":")[2]


class XmlCompiler:
    """Element readers and writers of one service, compiled once per shape."""

    def __init__(self) -> None:
        self._readers: dict[Any, ElementReader] = {}
        self._writers: dict[Any, ElementWriter] = {}

    @classmethod
    def of(cls, model: ServiceModel) -> XmlCompiler:
        """Return the compiler of this service, made once."""
        compiler: XmlCompiler | None = model.compiled.get("xml")
        if compiler is None:
            compiler = model.compiled["xml"] = cls()
        return compiler

    def reader(self, shape: Shape) -> ElementReader:
        """Return a reader that takes all elements of the member's name (one unless flattened)."""
        key = _key(shape)
        reader = self._readers.get(key)
        if reader is None:
            readers = self._readers
            readers[key] = late(readers, key)
            reader = readers[key] = self._build_reader(shape)
        return reader

    def _build_reader(self, shape: Shape) -> ElementReader:
        if shape.type == "structure":
            return self.structure_reader(shape)
        if shape.type == "list":
            return self._list_reader(shape)
        if shape.type == "map":
            return self._map_reader(shape)
        read = scalar_reader(shape)
        return lambda elements: read(elements[0].text or "")

    def structure_reader(self, shape: Shape, names: set[str] | None = None) -> ElementReader:
        """Return the reader of a structure's members (all, or only the named)."""
        members: dict[str, tuple[str, ElementReader]] = {}
        attributes: dict[str, str] = {}
        for name, member in shape.members.items():
            if names is not None and name not in names:
                continue
            if member.traits.get("xmlAttribute"):
                attributes[member.location_name or name] = name
            else:
                # Requests name flattened lists after the member, responses after the items.
                members.setdefault(member_tag(name, member), (name, self.reader(member)))
                members[member.location_name or name] = (name, self.reader(member))

        def read(elements: list[Element]) -> dict[str, Any]:
            element = elements[0]
            grouped: dict[str, list[Element]] = {}
            for child in element:
                grouped.setdefault(local_name(child.tag), []).append(child)
            result: dict[str, Any] = {
                name: element.attrib[wire]
                for wire, name in attributes.items()
                if wire in element.attrib
            }
            for tag, children in grouped.items():
                member = members.get(tag)
                if member is not None:
                    result[member[0]] = member[1](children)
            return result

        return read

    def _list_reader(self, shape: Shape) -> ElementReader:
        read = self.reader(shape.element)
        if shape.traits.get("flattened"):
            return lambda elements: [read([element]) for element in elements]
        return lambda elements: [read([child]) for child in elements[0]]

    def _map_reader(self, shape: Shape) -> ElementReader:
        key_tag, value_tag = _entry_tags(shape)
        read_key, read_value = self.reader(shape.key), self.reader(shape.value)
        flattened = bool(shape.traits.get("flattened"))

        def read(elements: list[Element]) -> dict[str, Any]:
            result = {}
            for entry in elements if flattened else elements[0]:
                parts = {local_name(child.tag): child for child in entry}
                if key_tag not in parts or value_tag not in parts:
                    raise ScalarError("a map entry needs a key and a value")
                result[read_key([parts[key_tag]])] = read_value([parts[value_tag]])
            return result

        return read

    def writer(self, shape: Shape) -> ElementWriter:
        """Return a writer called with the output list, the element's name and the value."""
        key = _key(shape)
        writer = self._writers.get(key)
        if writer is None:
            writers = self._writers
            writers[key] = late(writers, key)
            writer = writers[key] = self._build_writer(shape)
        return writer

    def _build_writer(self, shape: Shape) -> ElementWriter:
        if shape.type == "structure":
            return self._structure_writer(shape)
        if shape.type == "list":
            return self._list_writer(shape)
        if shape.type == "map":
            return self._map_writer(shape)
        text_of = scalar_writer(shape)

        def write(out: list[str], tag: str, value: Any) -> None:
            out.append(f"<{tag}>{text_of(value)}</{tag}>")

        return write

    def _structure_writer(self, shape: Shape) -> ElementWriter:
        content = self.content_writer(shape)
        attributes = [
            (name, member.location_name or name)
            for name, member in shape.members.items()
            if member.traits.get("xmlAttribute")
        ]
        namespace = namespace_attribute(shape)

        def write(out: list[str], tag: str, value: dict[str, Any]) -> None:
            opening = f"<{tag}{namespace}"
            for name, wire in attributes:
                if value.get(name) is not None:
                    opening += f' {wire}="{escape(value[name])}"'
            out.append(f"{opening}>")
            content(out, value)
            out.append(f"</{tag}>")

        return write

    def content_writer(
        self, shape: Shape, names: set[str] | None = None
    ) -> Callable[[list[str], dict[str, Any]], None]:
        """Return a writer of a structure's members without an element around them."""
        members = {
            name: (member_tag(name, member), self.writer(member))
            for name, member in shape.members.items()
            if (names is None or name in names) and not member.traits.get("xmlAttribute")
        }

        def write(out: list[str], value: dict[str, Any]) -> None:
            for name, item in value.items():
                if item is not None:
                    member = members.get(name)
                    if member is not None:
                        member[1](out, member[0], item)

        return write

    def _list_writer(self, shape: Shape) -> ElementWriter:
        write_element = self.writer(shape.element)
        if shape.traits.get("flattened"):

            def write_flat(out: list[str], tag: str, value: list[Any]) -> None:
                for item in value:
                    write_element(out, tag, item)

            return write_flat
        element_tag = shape.element.location_name or "member"

        def write(out: list[str], tag: str, value: list[Any]) -> None:
            out.append(f"<{tag}>")
            for item in value:
                write_element(out, element_tag, item)
            out.append(f"</{tag}>")

        return write

    def _map_writer(self, shape: Shape) -> ElementWriter:
        key_tag, value_tag = _entry_tags(shape)
        write_key, write_value = self.writer(shape.key), self.writer(shape.value)
        flattened = bool(shape.traits.get("flattened"))

        def write(out: list[str], tag: str, value: dict[str, Any]) -> None:
            entry_tag = tag if flattened else "entry"
            if not flattened:
                out.append(f"<{tag}>")
            for key, item in value.items():
                out.append(f"<{entry_tag}>")
                write_key(out, key_tag, key)
                write_value(out, value_tag, item)
                out.append(f"</{entry_tag}>")
            if not flattened:
                out.append(f"</{tag}>")

        return write


def member_tag(name: str, member: Shape) -> str:
    """Return the element name of a member; a flattened list has its items' if they have one."""
    if member.type == "list" and member.traits.get("flattened"):
        item_name = member.element.location_name
        if item_name is not None:
            return item_name
    return member.location_name or name


def namespace_attribute(shape: Shape) -> str:
    """Return ` xmlns="..."` (with its prefix) when the shape has a namespace, else nothing."""
    namespace = shape.traits.get("xmlNamespace")
    if not namespace:
        return ""
    if isinstance(namespace, str):
        return f' xmlns="{escape(namespace)}"'
    prefix = f":{namespace['prefix']}" if namespace.get("prefix") else ""
    return f' xmlns{prefix}="{escape(namespace["uri"])}"'


def scalar_writer(shape: Shape) -> Callable[[Any], str]:
    """Return the function that writes a scalar as element text."""
    if shape.type == "string":
        return escape
    if shape.type == "blob":
        return encode_base64
    if shape.type == "boolean":
        return lambda value: "true" if value else "false"
    if shape.type == "timestamp":
        return text_formatter(shape.traits.get("timestampFormat", "iso8601"))
    if shape.type in ("float", "double"):
        return lambda value: str(float_text(float(value)))
    return str


def _entry_tags(shape: Shape) -> tuple[str, str]:
    return shape.key.location_name or "key", shape.value.location_name or "value"


def _key(shape: Shape) -> tuple[Any, ...]:
    traits = shape.traits
    return shape.name, bool(traits.get("flattened")), str(traits.get("xmlNamespace"))
