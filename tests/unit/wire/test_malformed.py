"""Requests with something wrong in them: an `ApiError`, or accepted, but never anything else.

A request that botocore wrote for a random valid input is damaged in one place: a value of the JSON
tree is replaced, the body is cut or overwritten, a header or the query is changed. Every service
gets some; hypothesis adds bodies of its own for each protocol.
"""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagebrush.base.errors import ApiError
from sagebrush.wire import (
    Catalogue,
    Request,
    Router,
    RoutingError,
    catalogue,
    parse_request,
    serialise_error,
)

from . import peer
from .samples import Sampler, for_botocore

_JUNK: list[Any] = [None, True, -1, 2**40, 2**70, 0.5, "", "x" * 300, "\ud7ff\n", [], [[]], {}]
_JUNK += [{"a": {"b": [None]}}, [None], ["x", 1], "NaN", "2020-13-45T99:00:00Z", "!!!"]
# Shapes repeat within a service: a part of its operations finds what all of them would.
_EVERY_NTH = 4
_PATHS = ["/", "//", "/%", "/%FF", "/a//b", "/service/X/operation/Y", "/..", "/" + "a/" * 300]
_QUERIES = ["", "&&", "=", "%", "%FF=%FF", "Action=X", "max-keys=abc&uploads", "a=1&a=2"]


@pytest.mark.parametrize("name", sorted(catalogue().services))
def test_damaged_requests_are_refused_or_read_but_never_break(name):
    models = Catalogue()  # of its own, so that not all models of all services stay in memory
    service = models.load(name)
    theirs = peer.service_model(name)
    router = Router(models, frozenset({name}))
    for operation_name in theirs.operation_names[::_EVERY_NTH]:
        operation = service.operations[operation_name]
        for protocol in sorted(set(service.info.protocols) & set(peer.PROTOCOLS)):
            seed = f"{name}.{operation_name}.{protocol}.damage"
            sampler = Sampler(seed)
            sent = sampler.structure(operation.input) if operation.input else {}
            parameters = for_botocore(operation.input, sent) if operation.input else {}
            request = peer.serialise(
                protocol,
                theirs.operation_model(operation_name),
                parameters,
                service.info.signing_name,
            )
            _damage(request, sampler.random)
            _check(router, request)


def _check(router: Router, request: Request) -> None:
    try:
        route = router.route(request)
    except RoutingError as error:
        _check_fault(serialise_error(error.route, error, "request-1"))
        return
    try:
        parse_request(route, request)
    except ApiError as error:
        _check_fault(serialise_error(route, error, "request-1"))


def _check_fault(response: Any) -> None:
    assert 400 <= response.status < 500
    assert isinstance(response.body, bytes)


def _damage(request: Request, chance: random.Random) -> None:
    kind = chance.choice(["tree", "tree", "tree", "cut", "byte", "header", "query", "path"])
    if kind == "tree" and request.body[:1] == b"{":
        tree = json.loads(request.body)
        _replace(tree, chance)
        request.body = json.dumps(tree).encode("utf-8", "surrogatepass")
    elif kind == "cut" and request.body:
        request.body = request.body[: chance.randrange(len(request.body))]
    elif kind == "header":
        name = chance.choice(list(request.headers))
        if name != "authorization":
            request.headers[name] = chance.choice(["", "x", "1,2", '"', "é", "-1"])
    elif kind == "query":
        request.query = chance.choice([*_QUERIES, request.query[:-1], request.query + "&x"])
    elif kind == "path":
        request.path = chance.choice([*_PATHS, request.path + "/", request.path[:-1] or "/"])
    elif request.body:
        body = bytearray(request.body)
        for _ in range(3):
            body[chance.randrange(len(body))] = chance.randrange(256)
        request.body = bytes(body)


def _replace(tree: Any, chance: random.Random) -> None:
    """Replace one value somewhere in the tree."""
    while isinstance(tree, dict | list) and tree:
        key = chance.choice(list(tree)) if isinstance(tree, dict) else chance.randrange(len(tree))
        if not isinstance(tree[key], dict | list) or not tree[key] or chance.random() < 0.3:
            tree[key] = chance.choice(_JUNK)
            return
        tree = tree[key]


_SCOPE = "AWS4-HMAC-SHA256 Credential=A/20240101/us-east-1/{}/aws4_request, Signature=0"
_SCOPES = ["s3", "iam", "sagemaker", "lambda", "nobody", "s3-outposts", "execute-api"]
_HOSTS = ["", "localhost:1", "b.s3.localhost", "[::1]:80", "sts.amazonaws.com", "..."]
_FORM = "application/x-www-form-urlencoded"
_CASES = {
    "json": ("POST", "/", "", "sagemaker", {"x-amz-target": "SageMaker.CreateTrainingJob"}),
    "rest-json": ("POST", "/2015-03-31/functions", "", "lambda", {}),
    "rest-xml": ("POST", "/bucket", "delete", "s3", {}),
    "query": ("POST", "/", "Action=PutMetricAlarm&Version=2010-08-01", "monitoring", {}),
    "ec2": ("POST", "/", "Action=RunInstances&Version=2016-11-15", "ec2", {}),
    "smithy-rpc-v2-cbor": (
        "POST",
        "/service/GraniteServiceVersion20100801/operation/PutMetricData",
        "",
        "monitoring",
        {"smithy-protocol": "rpc-v2-cbor"},
    ),
}
_NAMES = st.sampled_from(
    ["TrainingJobName", "HyperParameters", "InputDataConfig", "Tags", "Key", "FunctionName", "Code"]
) | st.text(max_size=8)
_TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=20,
)
_KEYS = st.sampled_from(["Dimensions.member.1.Name", "Metrics.member.x", "TagSpecification.1.Ebs"])
_BODIES = (
    st.binary(max_size=100)
    | st.dictionaries(_NAMES, _TREES, max_size=5).map(lambda tree: json.dumps(tree).encode())
    | st.lists(st.tuples(_KEYS | st.text(max_size=9), st.text(max_size=9)), max_size=4).map(
        lambda pairs: "&".join(f"{key}={value}" for key, value in pairs).encode()
    )
    | st.text("<>/abDeleteObjectKey&;!x12[]", max_size=60).map(str.encode)
    | st.sampled_from(
        [
            b"[" * 2000,
            b'{"a":' * 900 + b"1" + b"}" * 900,
            b"\x9f" * 5000,
            b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff",
            b"<a>" * 3000,
            b'<?xml version="1.0" encoding="nonsense"?><a/>',
            b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        ]
    )
)


@pytest.mark.parametrize("protocol", _CASES)
@settings(max_examples=150, deadline=None)
@given(body=_BODIES)
def test_no_body_breaks_a_protocol(protocol, body):
    method, path, query, scope, headers = _CASES[protocol]
    headers = {"host": "localhost", "authorization": _SCOPE.format(scope), **headers}
    if protocol in ("query", "ec2"):
        headers["content-type"] = _FORM
    _check(Router(catalogue()), Request(method, path, query, headers, body))


@settings(max_examples=200, deadline=None)
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH", "X"]),
    path=st.text(max_size=30).map(lambda text: "/" + text) | st.sampled_from(_PATHS),
    query=st.text(max_size=30) | st.sampled_from(_QUERIES),
    scope=st.sampled_from(_SCOPES),
    host=st.sampled_from(_HOSTS),
)
def test_no_address_breaks_routing(method, path, query, scope, host):
    for authorization in (_SCOPE.format(scope), "", "AWS a:b", "Credential=///"):
        _check(
            Router(catalogue()),
            Request(method, path, query, {"host": host, "authorization": authorization}),
        )
