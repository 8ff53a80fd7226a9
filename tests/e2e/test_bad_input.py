"""Malformed requests for every supported operation: refused as AWS refuses, changing nothing.

What is sent grows out of the service models: for each operation, requests whose members are
missing, of another type, out of range, unknown or garbage. No answer may be a 500, none may hang,
and the state database must look the same afterwards.
"""

from __future__ import annotations

import http.client
import json
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from sagebrush.gateway.registry import Registry, snake_case
from sagebrush.launch import PrivateServer
from sagebrush.services import SERVICES
from sagebrush.wire import load
from sagebrush.wire.model import Operation, Shape

GARBAGE = (
    None,
    "",
    "\x00",
    "x" * 3000,
    "🜁",
    -1,
    2**70,
    1e400,
    True,
    [],
    {},
    [None],
    {"a": {"b": []}},
    "2020-13-45",
    "../../etc/passwd",
    "'; DROP TABLE s3_buckets; --",
)
CASES_PER_OPERATION = 12
TIMEOUT_S = 20
# Kept by the server itself, whoever asks: the roles every account has, keys made on first sight.
VOLATILE_TABLES = ("identity_", "sqlite_", "kms_keys", "kms_aliases")


def supported() -> list[tuple[str, str]]:
    """Return every supported operation as (service, operation)."""
    found = []
    for service, handlers in Registry().supported().items():
        names = {snake_case(name): name for name in load(service).operations}
        found += [(service, names[handler]) for handler in handlers if handler in names]
    return sorted(found)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PrivateServer, Path]]:
    folder = tmp_path_factory.mktemp("bad-input")
    with PrivateServer(folder) as server:
        yield server, folder


def state_of(folder: Path) -> dict[str, int]:
    """Return the number of rows of every table that only requests change."""
    with sqlite3.connect(f"file:{folder / 'state.sqlite'}?mode=ro", uri=True) as state:
        tables = [
            row[0] for row in state.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        return {
            table: state.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]
            for table in tables
            if not table.startswith(VOLATILE_TABLES)
        }


def spoiled(shape: Shape | None, source: random.Random) -> dict[str, Any]:
    """Return an input in which a required member is missing or wrong."""
    if shape is None:
        return {"NoSuchMember": source.choice(GARBAGE)}
    members: dict[str, Any] = {
        name: source.choice(GARBAGE) for name in shape.members if source.random() < 0.5
    }
    for name in shape.required:
        if source.random() < 0.7:
            members[name] = source.choice(GARBAGE)
    return members


def send(
    server: PrivateServer, method: str, path: str, headers: dict[str, str], body: bytes
) -> int:
    host, _, port = server.endpoint.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=TIMEOUT_S)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def request_for(
    service: str,
    operation: Operation,
    protocol: str,
    members: dict[str, Any],
    source: random.Random,
) -> tuple[str, str, dict[str, str], bytes]:
    """Return method, path, headers and body in the protocol's form."""
    info = operation.service.info
    scope = f"Credential=a/20260101/us-east-1/{info.signing_name}/aws4_request"
    headers = {
        "authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0",
        "host": f"{info.endpoint_prefix}.us-east-1.amazonaws.com",
    }
    if protocol == "json":
        headers |= {
            "x-amz-target": f"{info.target_prefix}.{operation.name}",
            "content-type": f"application/x-amz-json-{info.json_version or '1.1'}",
        }
        return "POST", "/", headers, dump(members, source)
    if protocol == "query":
        headers["content-type"] = "application/x-www-form-urlencoded"
        pairs = {"Action": operation.name, "Version": info.wire_version}
        pairs |= {name: printable(value) for name, value in members.items()}
        return "POST", "/", headers, urlencode(pairs).encode()
    path = operation.request_uri
    for name, value in members.items():
        label = quote(printable(value)[:200], safe="") or "x"
        path = path.replace("{" + name + "}", label).replace("{" + name + "+}", label)
    path = path.replace("{Bucket}", "no-such-bucket").replace("{Key+}", "key")
    headers["host"] = "localhost"
    body = dump(members, source) if service != "s3" else spoiled_xml(source)
    return operation.http_method, path, headers, body


def printable(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def dump(members: dict[str, Any], source: random.Random) -> bytes:
    """Return JSON, now and then cut off or not JSON at all."""
    body = json.dumps(members).encode()
    chance = source.random()
    if chance < 0.1:
        return body[: len(body) // 2]
    return source.randbytes(40) if chance < 0.2 else body


def spoiled_xml(source: random.Random) -> bytes:
    return source.choice(
        (
            b"",
            b"<a>",
            b"<?xml version='1.0'?><x><y>1</y></x>",
            b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
            source.randbytes(60),
        )
    )


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_malformed_requests_are_refused_and_change_nothing(
    target: tuple[PrivateServer, Path], service: str
) -> None:
    server, folder = target
    model = load(service)
    protocol = next(
        name for name in ("json", "query", "rest-json", "rest-xml") if name in model.info.protocols
    )
    operations = [model.operations[name] for owner, name in supported() if owner == service]
    assert operations
    for operation in operations:
        source = random.Random(f"{service}.{operation.name}")
        changes = not operation.name.startswith(("Get", "List", "Describe", "Head"))
        for _ in range(CASES_PER_OPERATION):
            members = spoiled(operation.input, source)
            before = state_of(folder)
            sent = request_for(service, operation, protocol, members, source)
            status = send(server, *sent)
            assert status < 500 or status == 501, (operation.name, status, sent)
            if status >= 400 or not changes:
                assert state_of(folder) == before, (operation.name, status, sent)
