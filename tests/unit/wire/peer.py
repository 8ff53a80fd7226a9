"""botocore's own serialisers and parsers, called the way its client does, without a network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import botocore.model
from botocore.awsrequest import HeadersDict, create_request_object, prepare_request_dict
from botocore.loaders import Loader
from botocore.parsers import PROTOCOL_PARSERS
from botocore.serialize import SERIALIZERS

from sagebrush.wire import Request, Response

PROTOCOLS = tuple(SERIALIZERS)


def service_model(service: str) -> botocore.model.ServiceModel:
    """Return botocore's model of a service."""
    loader = Loader(include_default_search_paths=True)  # a new one: loaders keep what they load
    return botocore.model.ServiceModel(loader.load_service_model(service, "service-2"), service)


def serialise(
    protocol: str, operation: botocore.model.OperationModel, parameters: dict[str, Any], scope: str
) -> Request:
    """Return the request botocore's client would send, signed in form only."""
    serialized = SERIALIZERS[protocol]().serialize_to_request(parameters, operation)
    serialized.pop("host_prefix", None)
    prepare_request_dict(serialized, endpoint_url="http://127.0.0.1:4566")
    prepared = create_request_object(serialized).prepare()
    url = urlsplit(prepared.url)
    headers = {name.lower(): _text(value) for name, value in prepared.headers.items()}
    headers["host"] = url.netloc
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20240101/us-east-1/{scope}/aws4_request,"
        " SignedHeaders=host, Signature=00"
    )
    body = prepared.body or b""
    body = body.encode() if isinstance(body, str) else body
    return Request(prepared.method, url.path or "/", url.query, headers, body)


def parse(protocol: str, shape: Any, response: Response, *, raw: bool = False) -> dict[str, Any]:
    """Return what botocore's client would give the user, metadata included."""
    return PROTOCOL_PARSERS[protocol]().parse(
        {
            "status_code": response.status,
            "headers": HeadersDict(response.headers),
            # Streaming bodies reach the parser as an object and are handed on untouched.
            "body": RawBody(response.body) if raw else response.body,
            "context": {"operation_name": "Operation"},
        },
        shape,
    )


class RawBody:
    """Stands for a streaming body; botocore reads event streams from it."""

    def __init__(self, content: Any) -> None:
        self.content = content

    def stream(self) -> Iterator[bytes]:
        """Give the frames one by one, as the connection would."""
        yield from self.content

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def strip(self) -> bytes:
        """Answer botocore's look into bodies with a status of 500 and above."""
        return b"-"


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
