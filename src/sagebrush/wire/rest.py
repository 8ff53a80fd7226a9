"""What rest-json and rest-xml have in common: labels, query parameters, headers, status, payload.

Bodies are left to the two protocols, which subclass `RestCodec`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.wire import violations
from sagebrush.wire.dialects import NATIVE, Refused
from sagebrush.wire.events import event_writer
from sagebrush.wire.eventstream import CONTENT_TYPE
from sagebrush.wire.header_text import header_reader, header_writer
from sagebrush.wire.messages import Request, Response
from sagebrush.wire.model import Operation, Shape
from sagebrush.wire.querystring import parse_query
from sagebrush.wire.refusals import malformed, refusal, unreadable
from sagebrush.wire.scalars import ScalarError, scalar_reader
from sagebrush.wire.shapes import Compiler, Reader
from sagebrush.wire.violations import Given

# A bound member: its name, its name on the wire, text to native value, check of the native value.
Binding = tuple[str, str, Callable[[Any], Any], Reader]
_BODILESS_STATUSES = frozenset({204, 304})


class RestCodec(ABC):
    """Parses requests and serialises responses of one operation of a REST service."""

    protocol: str

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._shape = operation.input
        self._payload = operation.input.traits.get("payload") if operation.input else None
        self._raw_payload = operation.streaming_input
        self._required = frozenset(operation.input.required if operation.input else ())
        self._compiler = Compiler.of(operation.service, NATIVE)
        self._labels = self._bindings("uri", _text_reader)
        self._parameters = self._bindings("querystring", _parameter_reader)
        self._template_parameters = set(parse_query(operation.request_uri.partition("?")[2]))
        self._headers = self._bindings("header", header_reader)
        self._keyed_headers = [(binding[1].lower(), binding) for binding in self._headers]
        self._prefixes = self._bindings("headers", lambda _: dict)
        self._body_members = {
            name
            for name, member in (self._shape.members if self._shape else {}).items()
            if member.traits.get("location") not in _REQUEST_LOCATIONS
        }
        self._output = OutputBinding(operation)
        self._events = event_writer(operation, self.protocol)

    def _bindings(
        self, location: str, text_reader: Callable[[Shape], Callable[[Any], Any]]
    ) -> list[Binding]:
        if self._shape is None:
            return []
        return [
            (name, member.location_name or name, text_reader(member), self._check_of(member))
            for name, member in self._shape.members.items()
            if member.traits.get("location") == location
        ]

    def _check_of(self, member: Shape) -> Reader:
        return _accept if member.is_json_header else self._compiler.reader(member)

    def parse(self, request: Request, labels: dict[str, str]) -> dict[str, Any]:
        """Return the validated input; raises `ApiError`."""
        if self._shape is None:
            return {}
        located = self._located(request, labels)
        tree = None if self._raw_payload else self._body_tree(request)
        try:
            result = {name: check(value) for name, value, check in located}
            if self._raw_payload:
                result[self._raw_payload] = request.body
            else:
                self._read_body(tree, result)
            if not self._required <= result.keys():
                raise Refused
        except (Refused, RecursionError):
            raise self._refusal(located, tree) from None
        return result

    def _located(self, request: Request, labels: dict[str, str]) -> list[tuple[str, Any, Reader]]:
        """Return (member, native value, check) of everything outside the body."""
        located: list[tuple[str, Any, Reader]] = []
        located.extend(
            self._decoded(binding, labels[binding[1]])
            for binding in self._labels
            if binding[1] in labels
        )
        if self._parameters and request.query:
            located.extend(self._parameters_of(parse_query(request.query)))
        headers = request.headers
        for key, binding in self._keyed_headers:
            if key in headers:
                located.append(self._decoded(binding, headers[key]))
        if self._prefixes:
            located.extend(self._prefixed(headers))
        return located

    def _prefixed(self, headers: dict[str, str]) -> Iterator[tuple[str, Any, Reader]]:
        for name, prefix, _, check in self._prefixes:
            lowered = prefix.lower()
            found = {
                key[len(lowered) :]: value
                for key, value in headers.items()
                if key.startswith(lowered)
            }
            if found:
                yield name, found, check

    def _parameters_of(self, query: dict[str, list[str]]) -> list[tuple[str, Any, Reader]]:
        located = [
            self._decoded(binding, query[binding[1]])
            for binding in self._parameters
            if binding[1] in query and binding[2] not in (_all_parameters, _last_parameters)
        ]
        known = self._template_parameters | {wire for _, wire, _, _ in self._parameters}
        for name, _, read, check in self._parameters:
            if read in (_all_parameters, _last_parameters):
                rest = {key: values for key, values in query.items() if key not in known}
                if rest:
                    located.append((name, read(rest), check))
        return located

    def _decoded(self, binding: Binding, text: Any) -> tuple[str, Any, Reader]:
        name, wire, read, check = binding
        try:
            return name, read(text), check
        except ScalarError as error:
            raise unreadable(self._operation, wire, str(error)) from None

    def _refusal(self, located: list[tuple[str, Any, Reader]], tree: Any) -> ApiError:
        assert self._shape is not None
        given = {name: Given(value, NATIVE) for name, value, _ in located}
        if self._raw_payload is None:
            given |= self._given(tree)
        try:
            return refusal(
                self._operation, violations.explain(self._shape, given, self._raw_payload)
            )
        except RecursionError:
            return malformed(self._operation, "The request is nested too deeply")

    def serialise(self, result: dict[str, Any], request_id: str) -> Response:
        """Return the success response."""
        del request_id
        response = self._output.head(result)
        if self._operation.http_method == "HEAD":
            return response
        raw = self._output.raw_payload
        if self._events is not None and raw is not None:
            response.headers.setdefault("content-type", CONTENT_TYPE)
            response.body = self._events.frames(result.get(raw) or ())
            return response
        if raw is not None:
            content = result.get(raw)
            response.body = b"" if content is None else content
            if isinstance(response.body, str):
                response.body = response.body.encode()
            return response
        self._write_body(result, response)
        if response.body and response.status in _BODILESS_STATUSES:
            response.status = 200  # the model gives the operation both a 204 and a body
        return response

    @abstractmethod
    def _body_tree(self, request: Request) -> Any:
        """Return what the body holds, unchecked; raises `ApiError` when it is unreadable."""

    @abstractmethod
    def _read_body(self, tree: Any, result: dict[str, Any]) -> None:
        """Check the body's members and add them to the result; raises `Refused`."""

    @abstractmethod
    def _given(self, tree: Any) -> dict[str, Given]:
        """Return the body's members for the explanation of a refusal."""

    @abstractmethod
    def _write_body(self, result: dict[str, Any], response: Response) -> None:
        """Set body and content type."""


_REQUEST_LOCATIONS = frozenset({"uri", "querystring", "header", "headers"})


class OutputBinding:
    """Where the members of an operation's output go: status, headers, body."""

    def __init__(self, operation: Operation) -> None:
        self._status = operation.response_code
        self._status_member: str | None = None
        self._headers: list[tuple[str, str, Callable[[Any], str]]] = []
        self._prefixes: list[tuple[str, str]] = []
        self.payload: str | None = None
        self.raw_payload = operation.streaming_output
        self.body_members: set[str] = set()
        if operation.output is not None:
            self.payload = operation.output.traits.get("payload")
            self._bind(operation.output)
            if self.payload and operation.output.members[self.payload].type == "string":
                self.raw_payload = self.payload

    def _bind(self, shape: Shape) -> None:
        for name, member in shape.members.items():
            wire = member.location_name or name
            location = member.traits.get("location")
            if location == "header":
                self._headers.append((name, wire.lower(), header_writer(member)))
            elif location == "headers":
                self._prefixes.append((name, wire.lower()))
            elif location == "statusCode":
                self._status_member = name
            else:
                self.body_members.add(name)

    def head(self, result: dict[str, Any]) -> Response:
        """Return the response without its body."""
        status = self._status
        if self._status_member is not None:
            status = result.get(self._status_member) or status
        headers = {}
        for name, wire, write in self._headers:
            value = result.get(name)
            if value is not None:
                headers[wire] = write(value)
        for name, prefix in self._prefixes:
            for key, value in (result.get(name) or {}).items():
                headers[prefix + key] = value
        return Response(status, headers)


def _accept(value: Any) -> Any:
    return value


def _text_reader(shape: Shape) -> Callable[[Any], Any]:
    return scalar_reader(shape)


def _parameter_reader(shape: Shape) -> Callable[[Any], Any]:
    if shape.type == "map":
        return _all_parameters if shape.value.type == "list" else _last_parameters
    if shape.type == "list":
        read_item = scalar_reader(shape.element)
        return lambda values: [read_item(value) for value in values]
    read = scalar_reader(shape)
    return lambda values: read(values[-1])


def _all_parameters(query: dict[str, list[str]]) -> dict[str, list[str]]:
    """Read a map of lists that takes every parameter no other member has."""
    return query


def _last_parameters(query: dict[str, list[str]]) -> dict[str, str]:
    """Read a map of strings that takes every parameter no other member has."""
    return {name: values[-1] for name, values in query.items()}
