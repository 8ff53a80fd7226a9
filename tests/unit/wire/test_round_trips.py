"""Every operation of every service, against botocore's own serialisers and parsers.

What botocore writes we read as the same dict; what we write botocore reads as the same dict; and
errors come out with code, message and members. Both sides work from the same models, so agreement
shows that both understand the protocols alike, in all the corners the models use.
"""

from __future__ import annotations

from typing import Any

import pytest

from sagebrush.base.errors import ApiError
from sagebrush.wire import Catalogue, Router, parse_request, serialise_response
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


CATALOGUE = _WithoutPatterns()


def _operations(service: ServiceModel) -> list[tuple[str, str, Operation]]:
    synthetic = SYNTHETIC_MODELS.get(service.name, {}).get("operations", {})
    return [
        (protocol, name, operation)
        for protocol in sorted(service.info.protocols)
        if protocol in peer.PROTOCOLS
        for name, operation in service.operations.items()
        if name not in synthetic
    ]


@pytest.mark.parametrize("name", sorted(CATALOGUE.services))
def test_requests_written_by_botocore_are_read_as_the_same_dict(name):
    service = CATALOGUE.load(name)
    theirs = peer.service_model(name)
    router = Router(CATALOGUE, frozenset({name}))
    different = []
    for protocol, operation_name, operation in _operations(service):
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
        if operation.streaming_input:
            got = {key: value for key, value in got.items() if key != operation.streaming_input}
            sent.pop(operation.streaming_input, None)
        if (route.operation, route.protocol) != (operation_name, protocol) or got != sent:
            different.append((protocol, operation_name, route.operation, _difference(sent, got)))
    assert different == []


@pytest.mark.parametrize("name", sorted(CATALOGUE.services))
def test_responses_are_read_by_botocore_as_the_same_dict(name):
    service = CATALOGUE.load(name)
    theirs = peer.service_model(name)
    different = []
    for protocol, operation_name, operation in _operations(service):
        result = _drawn(protocol, operation.output, f"{name}.{operation_name}.output")
        route = Route(
            protocol,
            operation.http_method,
            "/",
            service_model=service,
            operation_or_none=operation,
        )
        response = serialise_response(route, result, "request-1")
        raw = operation.streaming_output
        shape = theirs.operation_model(operation_name).output_shape
        got = peer.parse(protocol, shape, response, raw=raw is not None)
        got.pop("ResponseMetadata", None)
        if operation.output:
            got = from_botocore(operation.output, got)
        if raw:
            got.pop(raw, None)
            result.pop(raw, None)
        if got != result:
            different.append((protocol, operation_name, _difference(result, got)))
    assert different == []


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
