"""Event streams by shape: dicts of events to frames and frames to dicts of events.

An event is a dict with one member, the event's name: `{"PayloadPart": {"Bytes": b"..."}}`.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import orjson

from sagebrush.base.errors import ApiError
from sagebrush.wire import cbor
from sagebrush.wire.dialects import JSON, NATIVE, Refused
from sagebrush.wire.eventstream import CONTENT_TYPE, Frame, Long, Milliseconds, encode_frame
from sagebrush.wire.messages import Response
from sagebrush.wire.model import Operation, ServiceModel, Shape
from sagebrush.wire.shapes import Compiler
from sagebrush.wire.xml import XmlCompiler, XmlError, parse_xml

_CONTENT_TYPES = {
    "smithy-rpc-v2-cbor": "application/cbor",
    "rest-xml": "text/xml",
}


class EventWriter:
    """Writes the events of one stream shape in one protocol."""

    def __init__(self, service: ServiceModel, stream: Shape, protocol: str) -> None:
        self._service = service
        self._events = stream.members
        self._protocol = protocol
        self._type = _CONTENT_TYPES.get(protocol, "application/json")

    def frames(self, events: Any) -> Iterator[bytes] | AsyncIterator[bytes]:
        """Return the frames of an iterable or async iterable of events.

        An `ApiError` raised by the source becomes the stream's exception frame and ends it.
        """
        if hasattr(events, "__aiter__"):
            return self._async_frames(events)
        return self._frames(events)

    def _frames(self, events: Any) -> Iterator[bytes]:
        try:
            for event in events:
                yield self.frame(event)
        except ApiError as error:
            yield self.exception_frame(error)

    async def _async_frames(self, events: Any) -> AsyncIterator[bytes]:
        try:
            async for event in events:
                yield self.frame(event)
        except ApiError as error:
            yield self.exception_frame(error)

    def frame(self, event: dict[str, Any]) -> bytes:
        """Return the frame of one event."""
        ((name, members),) = event.items()
        shape = self._events[name]
        headers: dict[str, Any] = {":message-type": "event", ":event-type": name}
        payload_member = None
        body = {}
        for member_name, member in shape.members.items():
            value = members.get(member_name)
            if value is None:
                continue
            if member.traits.get("eventheader"):
                headers[member_name] = _header_value(member, value)
            elif member.traits.get("eventpayload"):
                payload_member = (member, value)
            else:
                body[member_name] = value
        if payload_member is not None:
            content_type, payload = self._explicit(*payload_member)
        else:
            content_type, payload = self._type, self._write(shape, body)
        headers[":content-type"] = content_type
        return encode_frame(headers, payload)

    def _explicit(self, member: Shape, value: Any) -> tuple[str, bytes]:
        if member.type == "blob":
            return "application/octet-stream", bytes(value)
        if member.type == "string":
            return "text/plain", value.encode()
        return self._type, self._write(member, value)

    def _write(self, shape: Shape, value: dict[str, Any]) -> bytes:
        if self._protocol == "rest-xml":
            out: list[str] = []
            tag = shape.location_name or shape.name
            XmlCompiler.of(self._service).writer(shape)(out, tag, value)
            return "".join(out).encode()
        if self._protocol == "smithy-rpc-v2-cbor":
            return cbor.encode(
                Compiler.of(self._service, cbor.DIALECT).structure_writer(shape)(value)
            )
        return orjson.dumps(Compiler.of(self._service, JSON).structure_writer(shape)(value))

    def exception_frame(self, error: ApiError) -> bytes:
        """Return the frame that ends a stream with an error, modelled in the stream or not."""
        for name, shape in self._events.items():
            if error.code in (name, shape.name):
                members = {"message": error.message, "Message": error.message, **error.members}
                headers = {
                    ":message-type": "exception",
                    ":exception-type": name,
                    ":content-type": self._type,
                }
                return encode_frame(headers, self._write(shape, members))
        headers = {
            ":message-type": "error",
            ":error-code": error.code,
            ":error-message": error.message,
        }
        return encode_frame(headers, b"")

    def initial_response(self, output: Shape, stream_member: str, result: dict[str, Any]) -> bytes:
        """Return the first frame of the RPC protocols: the output's other members."""
        members = {name: value for name, value in result.items() if name != stream_member}
        headers = {
            ":message-type": "event",
            ":event-type": "initial-response",
            ":content-type": self._type,
        }
        return encode_frame(headers, self._write(output, members))


def event_writer(operation: Operation, protocol: str) -> EventWriter | None:
    """Return the writer of an operation's output stream, or None when it has none."""
    if operation.output is None or operation.event_stream_output is None:
        return None
    stream = operation.output.members[operation.event_stream_output]
    return EventWriter(operation.service, stream, protocol)


def rpc_stream_response(
    writer: EventWriter, output: Shape, stream_member: str, result: dict[str, Any]
) -> Response:
    """Return the response of an RPC operation whose output holds an event stream."""
    first = writer.initial_response(output, stream_member, result)
    frames = writer.frames(result.get(stream_member) or ())
    body = _async_chain(first, frames) if inspect.isasyncgen(frames) else _chain(first, frames)
    return Response(200, {"content-type": CONTENT_TYPE}, body)


def _chain(first: bytes, frames: Any) -> Iterator[bytes]:
    yield first
    yield from frames


async def _async_chain(first: bytes, frames: Any) -> AsyncIterator[bytes]:
    yield first
    async for frame in frames:
        yield frame


def _header_value(member: Shape, value: Any) -> Any:
    if member.type == "timestamp":
        return Milliseconds(round(value * 1000))
    return Long(value) if member.type == "long" else value


class EventReader:
    """Reads the events of one stream shape: what clients send.

    `read` returns an event's dict, or raises `ApiError` (a SerializationException) for a frame that
    is no event of this stream.
    """

    def __init__(self, service: ServiceModel, stream: Shape, protocol: str) -> None:
        self._service = service
        self._events = stream.members
        self._protocol = protocol

    def read(self, frame: Frame) -> dict[str, Any]:
        """Return `{event name: members}`."""
        name = frame.headers.get(":event-type")
        shape = self._events.get(name) if isinstance(name, str) else None
        if shape is None or name is None:
            raise _malformed(f"{name} is no event of this stream")
        try:
            return {name: self._members(shape, frame)}
        except (Refused, XmlError, cbor.CborError, ValueError, RecursionError):
            raise _malformed(f"the event {name} does not fit its shape") from None

    def _members(self, shape: Shape, frame: Frame) -> dict[str, Any]:
        members: dict[str, Any] = {}
        explicit = None
        for name, member in shape.members.items():
            if member.traits.get("eventheader"):
                if name in frame.headers:
                    members[name] = self._header(member, frame.headers[name])
            elif member.traits.get("eventpayload"):
                explicit = (name, member)
        if explicit is None:
            return members | self._read(shape, frame.payload)
        name, member = explicit
        if member.type == "blob":
            return members | {name: frame.payload}
        if member.type == "string":
            return members | {name: frame.payload.decode()}
        return members | {name: self._read(member, frame.payload)}

    def _header(self, member: Shape, value: Any) -> Any:
        if member.type == "timestamp":
            value = value / 1000 if type(value) is Milliseconds else value
        return Compiler.of(self._service, NATIVE).reader(member)(value)

    def _read(self, shape: Shape, payload: bytes) -> dict[str, Any]:
        read = self._reader(shape)
        result: dict[str, Any] = read(payload)
        return result

    def _reader(self, shape: Shape) -> Callable[[bytes], Any]:
        if self._protocol == "rest-xml":
            check = Compiler.of(self._service, NATIVE).reader(shape)
            read_xml = XmlCompiler.of(self._service).reader(shape)
            return lambda payload: check(read_xml([parse_xml(payload)]) if payload else {})
        if self._protocol == "smithy-rpc-v2-cbor":
            read = Compiler.of(self._service, cbor.DIALECT).reader(shape)
            return lambda payload: read(cbor.decode(payload) if payload else {})
        read = Compiler.of(self._service, JSON).reader(shape)
        return lambda payload: read(orjson.loads(payload) if payload else {})


def _malformed(message: str) -> ApiError:
    return ApiError("SerializationException", message, status=400)
