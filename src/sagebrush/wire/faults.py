"""Errors as each protocol writes them: status, headers, body.

Code, status and fault come from the model where the error is modelled, from the `ApiError`
otherwise.
"""

from __future__ import annotations

from typing import Any

import orjson

from sagebrush.base.errors import ApiError
from sagebrush.wire import cbor
from sagebrush.wire.dialects import JSON
from sagebrush.wire.header_text import header_writer
from sagebrush.wire.messages import Response
from sagebrush.wire.model import ServiceModel, Shape
from sagebrush.wire.shapes import Compiler
from sagebrush.wire.xml import DECLARATION, XmlCompiler, escape

INTERNAL_CODE = "InternalFailure"
# What services that moved away from the query protocol called some errors in it, where their
# models tell no more. Source: Amazon SQS API Reference of that time, "Errors" of each operation.
_PREFIXED_QUERY_CODES = (
    *("BatchEntryIdsNotDistinct", "BatchRequestTooLong", "EmptyBatchRequest"),
    *("InvalidBatchEntryId", "MessageNotInflight", "PurgeQueueInProgress"),
    *("QueueDeletedRecently", "TooManyEntriesInBatchRequest", "UnsupportedOperation"),
)
QUERY_CODES = {
    "sqs": {name: f"AWS.SimpleQueueService.{name}" for name in _PREFIXED_QUERY_CODES}
    | {
        "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
        "QueueNameExists": "QueueAlreadyExists",
    }
}
_MESSAGE_NAMES = ("message", "Message")


def write_fault(
    protocol: str,
    service: ServiceModel | None,
    error: ApiError,
    request_id: str,
    resource: str = "",
) -> Response:
    """Return the response for an error in the given protocol.

    `service` is None when the request could not be routed to one. `resource` is the path that S3
    names in its errors.
    """
    fault = Fault(service, error)
    if protocol == "json":
        return _json_fault(fault, request_id)
    if protocol == "rest-json":
        return _rest_json_fault(fault, request_id)
    if protocol == "smithy-rpc-v2-cbor":
        return _cbor_fault(fault, request_id)
    if protocol == "ec2":
        return _ec2_fault(fault, request_id)
    if service is not None and service.name == "s3":
        return _s3_fault(fault, request_id, resource)
    return _query_fault(fault, request_id, is_rest=protocol == "rest-xml")


class Fault:
    """An error with everything the model adds to it."""

    def __init__(self, service: ServiceModel | None, error: ApiError) -> None:
        self.service = service
        self.error = error
        self.shape = None if service is None else service.error_shapes.get(error.code)
        traits: dict[str, Any] = self.shape.traits if self.shape is not None else {}
        self._error_trait: dict[str, Any] = traits.get("error", {})
        self.is_receiver = bool(traits.get("fault")) or (error.status or 0) >= 500
        self.status = (
            error.status
            or self._error_trait.get("httpStatusCode")
            or (500 if self.is_receiver or error.code == INTERNAL_CODE else 400)
        )
        self.is_receiver = self.is_receiver or self.status >= 500

    @property
    def name(self) -> str:
        """The shape's name, or the code of an error that has none."""
        return self.error.code if self.shape is None else self.shape.name

    @property
    def code(self) -> str:
        """The code that XML protocols and query-compatible clients see."""
        code: str = self._error_trait.get("code", self.error.code)
        return code

    @property
    def kind(self) -> str:
        """`Sender` or `Receiver`."""
        if self._error_trait.get("senderFault"):
            return "Sender"
        return "Receiver" if self.is_receiver else "Sender"

    def message_name(self) -> str:
        """Return the wire name of the message member: models use either capitalisation."""
        if self.shape is not None:
            for name, member in self.shape.members.items():
                if name in _MESSAGE_NAMES:
                    return member.location_name or name
        return "message"

    def members(self) -> dict[str, Any]:
        """Return the further members by member name, and the message under its own."""
        if self.shape is None:
            return self.error.members
        members = dict(self.error.members)
        for name in self.shape.members:
            if name in _MESSAGE_NAMES:
                members.setdefault(name, self.error.message)
        return members

    def query_header(self) -> dict[str, str]:
        """Return the header with the former code for services that moved away from query."""
        if self.service is None or "awsQueryCompatible" not in self.service.metadata:
            return {}
        former = QUERY_CODES.get(self.service.name, {}).get(self.name, self.code)
        return {"x-amzn-query-error": f"{former};{self.kind}"}


def _json_body(fault: Fault) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if fault.service is not None and fault.shape is not None:
        compiler = Compiler.of(fault.service, JSON)
        body = compiler.structure_writer(fault.shape, _body_names(fault.shape))(fault.members())
    body.setdefault(fault.message_name(), fault.error.message)
    return body


def _body_names(shape: Shape) -> set[str]:
    located = ("header", "headers", "statusCode")
    return {
        name
        for name, member in shape.members.items()
        if member.traits.get("location") not in located
    }


def _json_fault(fault: Fault, request_id: str) -> Response:
    service = fault.service
    version = (service.info.json_version if service else None) or "1.1"
    headers = {
        "content-type": f"application/x-amz-json-{version}",
        "x-amzn-requestid": request_id,
        "x-amzn-errortype": fault.name,
        **fault.query_header(),
    }
    body = {"__type": fault.name, **_json_body(fault)}
    return Response(fault.status, headers, orjson.dumps(body))


def _rest_json_fault(fault: Fault, request_id: str) -> Response:
    headers = {
        "content-type": "application/json",
        "x-amzn-requestid": request_id,
        **_header_members(fault),
        "x-amzn-errortype": fault.name,  # some models also have a member for it
    }
    return Response(fault.status, headers, orjson.dumps(_json_body(fault)))


def _header_members(fault: Fault) -> dict[str, str]:
    if fault.shape is None:
        return {}
    headers = {}
    members = fault.members()
    for name, member in fault.shape.members.items():
        if member.traits.get("location") == "header" and members.get(name) is not None:
            headers[(member.location_name or name).lower()] = header_writer(member)(members[name])
    return headers


def _cbor_fault(fault: Fault, request_id: str) -> Response:
    headers = {
        "content-type": "application/cbor",
        "smithy-protocol": "rpc-v2-cbor",
        "x-amzn-requestid": request_id,
        **fault.query_header(),
    }
    body: dict[str, Any] = {"__type": fault.name}
    if fault.service is not None and fault.shape is not None:
        compiler = Compiler.of(fault.service, cbor.DIALECT)
        body |= compiler.structure_writer(fault.shape)(fault.members())
    body.setdefault(fault.message_name(), fault.error.message)
    return Response(fault.status, headers, cbor.encode(body))


def _xml_members(fault: Fault) -> str:
    """Return the further members of the error shape as elements."""
    if fault.service is None or fault.shape is None:
        return ""
    names = {name for name in _body_names(fault.shape) if name.lower() not in ("message", "code")}
    out: list[str] = []
    XmlCompiler.of(fault.service).content_writer(fault.shape, names)(out, fault.error.members)
    return "".join(out)


def _query_fault(fault: Fault, request_id: str, *, is_rest: bool) -> Response:
    namespace = fault.service.info.xml_namespace if fault.service else None
    opening = f' xmlns="{escape(namespace)}"' if namespace else ""
    body = (
        f"<ErrorResponse{opening}><Error><Type>{fault.kind}</Type><Code>{escape(fault.code)}</Code>"
        f"<Message>{escape(fault.error.message)}</Message>{_xml_members(fault)}</Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    headers = {"content-type": "text/xml", "x-amzn-requestid": request_id}
    if is_rest:
        headers |= _header_members(fault)
    return Response(fault.status, headers, body.encode())


def _ec2_fault(fault: Fault, request_id: str) -> Response:
    body = (
        f"{DECLARATION}<Response><Errors><Error><Code>{escape(fault.code)}</Code>"
        f"<Message>{escape(fault.error.message)}</Message></Error></Errors>"
        f"<RequestID>{request_id}</RequestID></Response>"
    )
    headers = {"content-type": "text/xml", "x-amzn-requestid": request_id}
    return Response(fault.status, headers, body.encode())


def _s3_fault(fault: Fault, request_id: str, resource: str) -> Response:
    """S3's errors have no wrapper, and further elements named by the error itself."""
    members = "".join(
        f"<{name}>{escape(str(value))}</{name}>"
        for name, value in fault.error.members.items()
        if value is not None and not name.startswith("x-amz-")
    )
    body = (
        f"{DECLARATION}<Error><Code>{escape(fault.code)}</Code>"
        f"<Message>{escape(fault.error.message)}</Message>{members}"
        f"<Resource>{escape(resource)}</Resource><RequestId>{request_id}</RequestId>"
        f"<HostId>{host_id(request_id)}</HostId></Error>"
    )
    headers = {"content-type": "application/xml", "x-amz-request-id": request_id}
    headers["x-amz-id-2"] = host_id(request_id)
    headers |= {
        name: str(value)
        for name, value in fault.error.members.items()
        if name.startswith("x-amz-") and value is not None
    }
    return Response(fault.status, headers, body.encode())


def host_id(request_id: str) -> str:
    """Return S3's second, opaque request identifier."""
    return f"sagebrush/{request_id}"
