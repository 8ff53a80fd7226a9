"""The pytest plugin: one private server for the session.

    def test_upload(sagebrush):
        s3 = sagebrush.client("s3")
        s3.create_bucket(Bucket="data")

The server starts with the first test that asks for it and ends with the session.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sagebrush.base.settings import DEFAULT_REGION
from sagebrush.launch import PrivateServer


class Sagebrush:
    """What the `sagebrush` fixture gives."""

    def __init__(self, server: PrivateServer) -> None:
        self._server = server

    @property
    def endpoint_url(self) -> str:
        """The server's plain address, for `AWS_ENDPOINT_URL` and `endpoint_url=`."""
        return self._server.endpoint

    @property
    def ca_bundle(self) -> str:
        """The PEM file to trust when reaching the server over https."""
        return self._server.bundle

    def client(self, service: str, region: str = DEFAULT_REGION, **options: Any) -> Any:
        """Return a boto3 client of the server; `options` go to `boto3.client`."""
        import boto3

        settings = {
            "endpoint_url": self.endpoint_url,
            "region_name": region,
            "aws_access_key_id": "sagebrush",
            "aws_secret_access_key": "sagebrush",
        }
        return boto3.client(service, **(settings | options))

    def environment(self) -> dict[str, str]:
        """Return an environment for a program that shall reach the server untouched."""
        return self._server.environment()

    def reset(self) -> None:
        """Forget everything: buckets, jobs, endpoints, keys. The address stays."""
        self._server.reset()


@pytest.fixture(scope="session")
def sagebrush() -> Iterator[Sagebrush]:
    """A private server for the test session: endpoint URL, boto3 clients, reset."""
    with PrivateServer() as server:
        yield Sagebrush(server)
