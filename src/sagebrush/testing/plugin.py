"""The pytest plugin: one private server for the session.

    def test_upload(sagebrush):
        s3 = sagebrush.client("s3")
        s3.create_bucket(Bucket="data")

The server starts with the first test that asks for it and ends with the session.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from sagebrush.base.errors import ConfigurationError
from sagebrush.base.settings import DEFAULT_REGION
from sagebrush.cli.controls import control
from sagebrush.launch import PrivateServer


class Fault:
    """A fault that is switched on."""

    def __init__(self, endpoint: str, identifier: str) -> None:
        self._endpoint = endpoint
        self.id = identifier

    @property
    def struck(self) -> int:
        """How often it struck."""
        faults = control(self._endpoint, "faults")["faults"]
        return int(next(fault["struck"] for fault in faults if fault["id"] == self.id))


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

    def advance(self, duration: str | float) -> dict[str, Any]:
        """Let a time pass on the server's clock: seconds, or `"1h30m"`; return how it runs then.

        What happens in that time happens in its order: alarms, bake times, cooldowns, schedules.
        """
        move = "advance" if isinstance(duration, str) else "advance_s"
        return self.clock(**{move: duration})

    def clock(self, **move: Any) -> dict[str, Any]:
        """Return how the server's clock runs, after a move: `rate=60`, `stopped=True`."""
        # A step takes as long as what happens in it.
        return control(self.endpoint_url, "clock", move or None, timeout_s=None)

    @contextlib.contextmanager
    def fault(self, kind: str, target: str, **options: Any) -> Iterator[Fault]:
        """Switch a fault on for a block: `fault("throttle", "sagemaker:*", times=2)`."""
        wanted = {"kind": kind, "target": target} | options
        identifier = control(self.endpoint_url, "faults", wanted)["id"]
        try:
            yield Fault(self.endpoint_url, identifier)
        finally:
            with contextlib.suppress(ConfigurationError):
                # Gone already where the test has reset the server.
                control(self.endpoint_url, "faults", {"id": identifier}, method="DELETE")

    def reset(self) -> None:
        """Forget everything: buckets, jobs, endpoints, keys. The address stays."""
        self._server.reset()


@pytest.fixture(scope="session")
def sagebrush() -> Iterator[Sagebrush]:
    """A private server for the test session: endpoint URL, boto3 clients, reset."""
    with PrivateServer() as server:
        yield Sagebrush(server)
