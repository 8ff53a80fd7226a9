"""The query protocol (form in, XML out) and its EC2 variant.

A form's dotted keys are folded into a tree, the tree is read by shape. EC2 differs in three
ways: names are capitalised or `queryName`, all lists are flattened, the response is not wrapped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.wire import violations
from sagebrush.wire.dialects import NATIVE, Refused
from sagebrush.wire.late_binding import late
from sagebrush.wire.messages import Request, Response
from sagebrush.wire.model import Operation, ServiceModel, Shape
from sagebrush.wire.querystring import parse_query
from sagebrush.wire.refusals import malformed, refusal
from sagebrush.wire.scalars import ScalarError, scalar_reader
from sagebrush.wire.shapes import Compiler
from sagebrush.wire.xml import XmlCompiler

# A node of the form's tree: children by key part, and the node's own text under the empty key.
Node = dict[str, Any]
NodeReader = Callable[[Node], Any]

_OWN_TEXT = ""
_XML_TYPE = "text/xml"
_NOT_A_NUMBER = "a list index is no number"


class QueryCodec:
    """Parses requests and serialises responses of one query operation."""

    is_ec2 = False

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._input = operation.input
        service = operation.service
        forms = FormCompiler.of(service, is_ec2=self.is_ec2)
        self._read = forms.structure_reader(operation.input) if operation.input else None
        self._check = Compiler.of(service, NATIVE).reader(operation.input or _nothing(service))
        self._write = None
        self._wrapper: str | None = None
        if operation.output is not None:
            self._write = XmlCompiler.of(service).content_writer(operation.output)
            self._wrapper = operation.output.traits.get("resultWrapper")
        self._namespace = service.info.xml_namespace or ""

    def parse(self, request: Request, labels: dict[str, str]) -> dict[str, Any]:
        """Return the validated input; raises `ApiError`."""
        del labels
        if self._read is None or self._input is None:
            return {}
        native: dict[str, Any] = {}
        try:
            native = self._read(fold(form_parameters(request)))
            result: dict[str, Any] = self._check(native)
        except (ScalarError, UnicodeDecodeError) as error:
            raise malformed(self._operation, str(error)) from None
        except Refused:
            raise self._refusal(self._input, native) from None
        except RecursionError:
            raise malformed(self._operation, "The request is nested too deeply") from None
        return result

    def _refusal(self, shape: Shape, native: dict[str, Any]) -> ApiError:
        given = violations.tree_members(shape, native, NATIVE)
        return refusal(self._operation, violations.explain(shape, given))

    def serialise(self, result: dict[str, Any], request_id: str) -> Response:
        """Return the success response."""
        name = self._operation.wire_name
        out = [f'<{name}Response xmlns="{self._namespace}">']
        if self._write is not None:
            if self._wrapper:
                out.append(f"<{self._wrapper}>")
            self._write(out, result)
            if self._wrapper:
                out.append(f"</{self._wrapper}>")
        out.append(f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>")
        out.append(f"</{name}Response>")
        return Response(200, {"content-type": _XML_TYPE}, "".join(out).encode())


class Ec2Codec(QueryCodec):
    """Parses requests and serialises responses of one EC2 operation."""

    is_ec2 = True

    def serialise(self, result: dict[str, Any], request_id: str) -> Response:
        """Return the success response."""
        name = self._operation.wire_name
        out = [
            '<?xml version="1.0" encoding="UTF-8"?>\n',
            f'<{name}Response xmlns="{self._namespace}"><requestId>{request_id}</requestId>',
        ]
        if self._write is not None:
            self._write(out, result)
        out.append(f"</{name}Response>")
        return Response(200, {"content-type": _XML_TYPE}, "".join(out).encode())


def form_parameters(request: Request) -> dict[str, list[str]]:
    """Return the parameters of a query request, which may be in the body and in the URL."""
    parameters = parse_query(request.query) if request.query else {}
    if request.body:
        parameters |= parse_query(request.body.decode())
    return parameters


def fold(parameters: dict[str, list[str]]) -> Node:
    """Return the tree of dotted keys."""
    root: Node = {}
    for key, values in parameters.items():
        node = root
        for part in key.split("."):
            node = node.setdefault(part, {})
        node[_OWN_TEXT] = values[-1]
    return root


def _nothing(service: ServiceModel) -> Shape:
    return Shape(service, "", {"type": "structure", "members": {}})


class FormCompiler:
    """Readers of form trees, compiled once per shape of a service."""

    def __init__(self, *, is_ec2: bool) -> None:
        self._is_ec2 = is_ec2
        self._readers: dict[Any, NodeReader] = {}

    @classmethod
    def of(cls, model: ServiceModel, *, is_ec2: bool) -> FormCompiler:
        """Return the compiler of this service, made once."""
        compiler: FormCompiler | None = model.compiled.get("form")
        if compiler is None:
            compiler = model.compiled["form"] = cls(is_ec2=is_ec2)
        return compiler

    def reader(self, shape: Shape) -> NodeReader:
        """Return the reader of one shape's node."""
        key = (shape.name, bool(shape.traits.get("flattened")))
        reader = self._readers.get(key)
        if reader is None:
            readers = self._readers
            readers[key] = late(readers, key)
            reader = readers[key] = self._build(shape)
        return reader

    def _build(self, shape: Shape) -> NodeReader:
        if shape.type == "structure":
            return self.structure_reader(shape)
        if shape.type == "list":
            return self._list_reader(shape)
        if shape.type == "map":
            return self._map_reader(shape)
        read = scalar_reader(shape)

        def read_scalar(node: Node) -> Any:
            if _OWN_TEXT not in node:
                raise ScalarError("a structure was given where a value is needed")
            return read(node[_OWN_TEXT])

        return read_scalar

    def structure_reader(self, shape: Shape) -> NodeReader:
        """Return the reader of a structure."""
        members = {
            self._member_key(name, member): (name, self.reader(member))
            for name, member in shape.members.items()
        }

        def read(node: Node) -> dict[str, Any]:
            result = {}
            for key, child in node.items():
                member = members.get(key)
                if member is not None:
                    result[member[0]] = member[1](child)
            return result

        return read

    def _member_key(self, name: str, member: Shape) -> str:
        if self._is_ec2:
            wire = member.traits.get("queryName")
            if wire is not None:
                return str(wire)
            located = member.location_name
            return located[0].upper() + located[1:] if located else name
        if member.type == "list" and member.traits.get("flattened"):
            return member.element.location_name or member.location_name or name
        return member.location_name or name

    def _list_reader(self, shape: Shape) -> NodeReader:
        read = self.reader(shape.element)
        wrapper = None
        if not self._is_ec2 and not shape.traits.get("flattened"):
            wrapper = shape.element.location_name or "member"

        def read_list(node: Node) -> list[Any]:
            items = node
            if wrapper is not None:
                items = node.get(wrapper, {})
            return [read(child) for _, child in _numbered(items)]

        return read_list

    def _map_reader(self, shape: Shape) -> NodeReader:
        key_name = shape.key.location_name or "key"
        value_name = shape.value.location_name or "value"
        read_key, read_value = self.reader(shape.key), self.reader(shape.value)
        flattened = bool(shape.traits.get("flattened"))

        def read(node: Node) -> dict[str, Any]:
            result = {}
            for _, entry in _numbered(node if flattened else node.get("entry", {})):
                if key_name not in entry or value_name not in entry:
                    raise ScalarError("a map entry needs a key and a value")
                result[read_key(entry[key_name])] = read_value(entry[value_name])
            return result

        return read


def _numbered(node: Node) -> list[tuple[int, Node]]:
    """Return the children under numbers, in the order of the numbers."""
    numbered = []
    for key, child in node.items():
        if key != _OWN_TEXT:
            if not key.isascii() or not key.isdigit() or len(key) > 9:
                raise ScalarError(_NOT_A_NUMBER)
            numbered.append((int(key), child))
    numbered.sort(key=lambda pair: pair[0])
    return numbered
