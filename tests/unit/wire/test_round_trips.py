"""Every operation of every service, against botocore's own serialisers and parsers.

What botocore writes we read as the same dict; what we write botocore reads as the same dict; and
errors come out with code, message and members. Both sides work from the same models, so agreement
shows that both understand the protocols alike, in all the corners the models use.
"""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.base.errors import ApiError
from sagebrush.wire import Catalogue, Router, parse_request, serialise_error, serialise_response
from sagebrush.wire.faults import QUERY_CODES
from sagebrush.wire.model import Operation, ServiceModel, Shape
from sagebrush.wire.pack import make_pack
from sagebrush.wire.routing import Route
from sagebrush.wire.synthetic import SYNTHETIC_MODELS

from . import peer
from .samples import Sampler, for_botocore, from_botocore


class _WithoutPatterns(Catalogue):
    """The installed models without patterns, which random text cannot meet, and without cache."""

    def _pack(self, info: Any) -> dict[str, Any]:
        document = make_pack(self._data_dir / info.name / info.api_version, info.name)
        for shape in document["shapes"].values():
            shape.pop("pattern", None)
        return document


SERVICES = sorted(_WithoutPatterns().services)

# What botocore or the models make impossible to compare, with the reason.
_NOT_COMPARED = {
    ("s3", "ListDirectoryBuckets", "input"): "same request as ListBuckets: only the host differs",
    ("s3control", "CreateBucket", "input"): "same request as S3's PutObject: only the host differs",
    ("s3", "PutBucketNotification", "input"): "two members have one element name",
    ("s3", "GetBucketLocation", "output"): "botocore unwraps the root element in a handler",
    ("s3", "GetBucketNotification", "output"): "two members have one element name",
    ("dataexchange", "SendApiAsset", "output"): "a header map without prefix takes every header",
}


def _operations(service: ServiceModel, direction: str) -> list[tuple[str, str, Operation]]:
    synthetic = SYNTHETIC_MODELS.get(service.name, {}).get("operations", {})
    return [
        (protocol, name, operation)
        for protocol in sorted(service.info.protocols)
        if protocol in peer.PROTOCOLS
        for name, operation in service.operations.items()
        if name not in synthetic and (service.name, name, direction) not in _NOT_COMPARED
    ]


@pytest.mark.parametrize("name", SERVICES)
def test_requests_written_by_botocore_are_read_as_the_same_dict(name):
    catalogue = _WithoutPatterns()
    service = catalogue.load(name)
    theirs = peer.service_model(name)
    router = Router(catalogue, frozenset({name}))
    different = []
    for protocol, operation_name, operation in _operations(service, "input"):
        sent = _drawn(protocol, operation.input, f"{name}.{operation_name}.input")
        request = peer.serialise(
            protocol,
            theirs.operation_model(operation_name),
            for_botocore(operation.input, sent) if operation.input else {},
            service.info.signing_name,
        )
        try:
            route = router.route(request)
            got = parse_request(route, request)
        except ApiError as error:
            different.append((protocol, operation_name, str(error)[:300]))
            continue
        if operation.deprecated and route.operation != operation_name:
            continue  # its successor has the same request
        if operation.streaming_input:  # always there for us, left out by botocore when empty
            got.pop(operation.streaming_input, None)
            sent.pop(operation.streaming_input, None)
        if (route.operation, route.protocol) != (operation_name, protocol) or got != sent:
            different.append((protocol, operation_name, route.operation, _difference(sent, got)))
    assert different == []


@pytest.mark.parametrize("name", SERVICES)
def test_responses_are_read_by_botocore_as_the_same_dict(name):
    service = _WithoutPatterns().load(name)
    theirs = peer.service_model(name)
    different = []
    for protocol, operation_name, operation in _operations(service, "output"):
        result = _drawn(protocol, operation.output, f"{name}.{operation_name}.output")
        stream = operation.event_stream_output
        if stream:
            result[stream] = _events(operation, f"{name}.{operation_name}.events")
        response = serialise_response(_route(protocol, service, operation), result, "request-1")
        raw = stream or operation.streaming_output
        shape = theirs.operation_model(operation_name).output_shape
        got = peer.parse(protocol, shape, response, raw=raw is not None)
        if operation.output:
            got = {key: value for key, value in got.items() if key in operation.output.members}
            got = _received(operation, got)
        else:
            got.pop("ResponseMetadata")
        got = {key: value for key, value in got.items() if value != {} or key in result}
        if got != result:
            different.append((protocol, operation_name, _difference(result, got)))
    assert different == []


@pytest.mark.parametrize("name", SERVICES)
def test_errors_are_read_by_botocore_with_code_message_and_members(name):
    service = _WithoutPatterns().load(name)
    theirs = peer.service_model(name)
    operation = next(iter(service.operations.values()))
    different = []
    for protocol in sorted(set(service.info.protocols) & set(peer.PROTOCOLS)):
        for shape_name, shape in {s.name: s for s in service.error_shapes.values()}.items():
            members = _drawn(protocol, shape, f"{name}.{shape_name}")
            members = {
                member_name: value
                for member_name, value in members.items()
                if member_name.lower() not in ("message", "code")
                and shape.members[member_name].location_name != "x-amzn-ErrorType"
            }
            error = ApiError(shape_name, "What is <wrong> & why", **members)
            response = serialise_error(_route(protocol, service, operation), error, "request-1")
            parsed = peer.parse(protocol, None, response)
            code = shape.traits.get("error", {}).get("code", shape_name)
            modelled = theirs.shape_for_error_code(parsed["Error"]["Code"])
            expected = shape_name if protocol in ("json", "smithy-rpc-v2-cbor") else code
            if "awsQueryCompatible" in service.metadata and expected == shape_name:
                expected = QUERY_CODES.get(name, {}).get(shape_name, code)
            if protocol == "rest-json":
                expected = shape_name
            if (parsed["Error"]["Code"], parsed["Error"]["Message"]) != (expected, error.message):
                different.append((protocol, shape_name, parsed["Error"]))
            elif modelled is not None and modelled.name == shape_name and protocol != "ec2":
                got = from_botocore(shape, peer.parse(protocol, modelled, response))
                got = {n: v for n, v in got.items() if n in members}
                if name != "s3" and got != members:
                    different.append((protocol, shape_name, _difference(members, got)))
            if parsed["ResponseMetadata"]["HTTPStatusCode"] != response.status:
                different.append((protocol, shape_name, response.status))
    assert different == []


def _route(protocol: str, service: ServiceModel, operation: Operation) -> Route:
    return Route(
        protocol,
        operation.http_method,
        "/",
        service_model=service,
        operation_or_none=operation,
    )


def _events(operation: Operation, seed: str) -> list[dict[str, Any]]:
    """Draw one event of each kind that is no exception."""
    stream = operation.output.members[operation.event_stream_output]
    sampler = Sampler(seed)
    return [
        {name: sampler.structure(shape)}
        for name, shape in stream.members.items()
        if not shape.traits.get("exception")
    ]


def _received(operation: Operation, got: dict[str, Any]) -> dict[str, Any]:
    """Return botocore's result in our own form, event streams and raw bodies read to the end."""
    stream, raw = operation.event_stream_output, operation.streaming_output
    received = from_botocore(operation.output, got)
    if stream:
        shape = operation.output.members[stream]
        received[stream] = [from_botocore(shape, event) for event in got[stream]]
    elif raw and raw in received:
        received[raw] = received[raw].content
    return received


def _drawn(protocol: str, shape: Shape | None, seed: str) -> dict[str, Any]:
    if shape is None:
        return {}
    drawn = Sampler(seed).structure(shape)
    # Forms have no way to say "an empty structure".
    return _without_empty(drawn) if protocol in ("query", "ec2") else drawn


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in ({}, [])}
    if isinstance(value, list):
        return [item for item in map(_without_empty, value) if item not in ({}, [])]
    return value


def _difference(a: Any, b: Any, path: str = "") -> str:
    """Describe the first difference of two trees."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted({*a, *b}):
            if a.get(key) != b.get(key):
                return _difference(a.get(key), b.get(key), f"{path}.{key}")
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            if x != y:
                return _difference(x, y, f"{path}[{index}]")
    return f"{path}: {a!r} != {b!r}"
