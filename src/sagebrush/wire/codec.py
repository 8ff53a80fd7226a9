"""The four calls of the gateway: parse a request, serialise a result, serialise an error."""

from __future__ import annotations

from typing import Any, Protocol

from sagebrush.base.errors import ApiError
from sagebrush.wire.aws_json import JsonCodec
from sagebrush.wire.faults import host_id, write_fault
from sagebrush.wire.messages import Request, Response
from sagebrush.wire.model import Operation
from sagebrush.wire.query import Ec2Codec, QueryCodec
from sagebrush.wire.rest_json import RestJsonCodec
from sagebrush.wire.rest_xml import RestXmlCodec
from sagebrush.wire.routing import Route
from sagebrush.wire.rpc_cbor import RpcCborCodec


class Codec(Protocol):
    """What each protocol offers for one operation."""

    def parse(self, request: Request, labels: dict[str, str]) -> dict[str, Any]:
        """Return the validated input in wire names; raises `ApiError`."""

    def serialise(self, result: dict[str, Any], request_id: str) -> Response:
        """Return the success response."""


class _CodecType(Protocol):
    def __call__(self, operation: Operation) -> Codec: ...


_CODECS: dict[str, _CodecType] = {
    "ec2": Ec2Codec,
    "json": JsonCodec,
    "query": QueryCodec,
    "rest-json": RestJsonCodec,
    "rest-xml": RestXmlCodec,
    "smithy-rpc-v2-cbor": RpcCborCodec,
}


def codec_of(operation: Operation, protocol: str) -> Codec:
    """Return the operation's codec for a protocol, compiled on first use."""
    codec: Codec | None = operation.codecs.get(protocol)
    if codec is None:
        codec = operation.codecs[protocol] = _CODECS[protocol](operation)
    return codec


def parse_request(route: Route, request: Request) -> dict[str, Any]:
    """Return the validated input of a routed request, in wire names.

    Timestamps are epoch seconds (float), blobs bytes; members that were not sent are absent. A raw
    payload (`route.operation_model.streaming_input`) is `request.body` untouched. Raises
    `ApiError` with the service's own code and wording.
    """
    return codec_of(route.operation_model, route.protocol).parse(request, route.labels)


def serialise_response(route: Route, result: dict[str, Any], request_id: str) -> Response:
    """Return the success response for a handler's result.

    Members the output shape does not know and members that are None are dropped, so a handler may
    answer its stored record. The request id headers are added.
    """
    response = codec_of(route.operation_model, route.protocol).serialise(result, request_id)
    if route.service == "s3":
        response.headers["x-amz-request-id"] = request_id
        response.headers["x-amz-id-2"] = host_id(request_id)
    else:
        response.headers["x-amzn-requestid"] = request_id
    return response


def serialise_error(route: Route, error: ApiError, request_id: str) -> Response:
    """Return the error response; `route` may be one that came with a `RoutingError`."""
    response = write_fault(route.protocol, route.service_model, error, request_id, route.path)
    if route.method == "HEAD":
        response.body = b""
    return response
