"""Service models as the rest of the wire layer sees them: shapes, operations, services.

A view over the stripped model of `pack`, nothing more: it resolves references and knows which
trait lives where. Compiled codecs are kept on the operation so that each is built once.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from sagebrush.wire.index import ServiceInfo

INPUT, OUTPUT = "input", "output"


class Shape:
    """One use of a shape: the shape's own traits overlaid with those of the reference to it."""

    __slots__ = ("_model", "name", "traits", "type")

    def __init__(self, model: ServiceModel, name: str, traits: dict[str, Any]) -> None:
        self._model = model
        self.name = name
        self.traits = traits
        self.type: str = traits["type"]

    @property
    def is_document(self) -> bool:
        """Whether any JSON value is allowed here."""
        return bool(self.traits.get("document"))

    @property
    def is_json_header(self) -> bool:
        """Whether this is any JSON value, in base64 in a header."""
        return bool(self.traits.get("jsonvalue")) and self.traits.get("location") == "header"

    @property
    def location_name(self) -> str | None:
        """The name on the wire, when it differs from the member's name."""
        name: str | None = self.traits.get("locationName")
        return name

    @property
    def required(self) -> list[str]:
        """Names of the members that must be given."""
        names: list[str] = self.traits.get("required", [])
        return names

    @property
    def members(self) -> dict[str, Shape]:
        """Members of a structure by name, in the model's order."""
        resolve = self._model.resolve
        return {name: resolve(ref) for name, ref in self.traits.get("members", {}).items()}

    @property
    def element(self) -> Shape:
        """The shape of a list's items."""
        return self._model.resolve(self.traits["member"])

    @property
    def key(self) -> Shape:
        """The shape of a map's keys."""
        return self._model.resolve(self.traits["key"])

    @property
    def value(self) -> Shape:
        """The shape of a map's values."""
        return self._model.resolve(self.traits["value"])

    def event_stream_member(self) -> str | None:
        """The name of the member that is an event stream, or None."""
        for name, member in self.members.items():
            if member.traits.get("eventstream"):
                return name
        return None


class Operation:
    """One operation of a service, with what its codecs need."""

    def __init__(self, service: ServiceModel, name: str, model: dict[str, Any]) -> None:
        self.service = service
        self.name = name
        self.traits = model
        self.wire_name: str = model.get("name", name)
        self.http_method: str = model["http"]["method"]
        self.request_uri: str = model["http"]["requestUri"]
        self.response_code: int = model["http"].get("responseCode", 200)
        self.codecs: dict[str, Any] = {}

    @cached_property
    def input(self) -> Shape | None:
        """The input structure, or None when the operation takes nothing."""
        reference = self.traits.get(INPUT)
        return None if reference is None else self.service.resolve(reference)

    @cached_property
    def output(self) -> Shape | None:
        """The output structure, or None when the operation answers nothing."""
        reference = self.traits.get(OUTPUT)
        return None if reference is None else self.service.resolve(reference)

    @cached_property
    def streaming_input(self) -> str | None:
        """The input member that carries the raw body, or None.

        For such operations the body need not be read before `parse_request`: what is given as
        body is handed to the service as it is. Blob payloads count whether or not the model
        calls them streaming, and so do event streams.
        """
        return _raw_payload(self.input)

    @cached_property
    def streaming_output(self) -> str | None:
        """The output member that becomes the raw response body, or None."""
        return _raw_payload(self.output)

    @cached_property
    def event_stream_output(self) -> str | None:
        """The output member that is an event stream, or None.

        Its value in a result is an iterable or async iterable of events, and the response's body
        the like of frames.
        """
        return self.output.event_stream_member() if self.output is not None else None

    @cached_property
    def event_stream_input(self) -> str | None:
        """The input member that is an event stream, or None; `events.EventReader` reads it."""
        return self.input.event_stream_member() if self.input is not None else None

    @cached_property
    def deprecated(self) -> bool:
        """Whether the model calls this operation deprecated."""
        return bool(self.traits.get("deprecated"))


class ServiceModel:
    """A whole service: metadata, operations and shapes, resolved on use."""

    def __init__(self, info: ServiceInfo, document: dict[str, Any]) -> None:
        self.info = info
        self.name = info.name
        self.metadata: dict[str, Any] = document["metadata"]
        self.shapes: dict[str, dict[str, Any]] = document["shapes"]
        self.operations = {
            name: Operation(self, name, model) for name, model in document["operations"].items()
        }
        self.compiled: dict[Any, Any] = {}

    def resolve(self, reference: dict[str, Any]) -> Shape:
        """Return the shape a reference points to, with the reference's traits on top."""
        name = reference["shape"]
        if len(reference) == 1:
            return Shape(self, name, self.shapes[name])
        return Shape(self, name, {**self.shapes[name], **reference})

    @cached_property
    def operations_by_wire_name(self) -> dict[str, Operation]:
        """Operations by the name that requests carry (it differs from ours in CloudFront)."""
        return {operation.wire_name: operation for operation in self.operations.values()}

    @cached_property
    def error_shapes(self) -> dict[str, Shape]:
        """Error shapes by shape name and by their error code."""
        shapes: dict[str, Shape] = {}
        for name, traits in self.shapes.items():
            if traits["type"] == "structure" and (traits.get("exception") or "error" in traits):
                shape = Shape(self, name, traits)
                shapes.setdefault(traits.get("error", {}).get("code", name), shape)
        for name, traits in self.shapes.items():
            if traits["type"] == "structure" and (traits.get("exception") or "error" in traits):
                shapes[name] = Shape(self, name, traits)
        return shapes


def _raw_payload(shape: Shape | None) -> str | None:
    if shape is None:
        return None
    payload: str | None = shape.traits.get("payload")
    if payload is None:
        return shape.event_stream_member()
    member = shape.members[payload]
    return payload if member.type == "blob" or member.traits.get("eventstream") else None
