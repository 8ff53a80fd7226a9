"""Unmodified boto3 against one server, and handlers on a clock that a test moves."""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagebrush.base.clock import ManualClock
from sagebrush.base.errors import ApiError
from sagebrush.base.settings import Settings
from sagebrush.engines.identity import Identity
from sagebrush.gateway.assembly import assemble
from sagebrush.gateway.registry import Registry
from sagebrush.services.platform import Context

REGION = "us-east-1"
_accounts = itertools.count(200_000_000_000)


@pytest.fixture
def account() -> str:
    """Return an account that no other test uses."""
    return str(next(_accounts))


@pytest.fixture
def client(sagebrush: Any, account: str) -> Callable[..., Any]:
    """Return a function that gives a boto3 client of a service in the test's own account."""

    def of(service: str, **options: Any) -> Any:
        settings = {"aws_access_key_id": account, "aws_secret_access_key": "any"}
        return sagebrush.client(service, REGION, **(settings | options))

    return of


@pytest.fixture
def refusal() -> Callable[..., tuple[str, str]]:
    """Return a function that gives code and message of the error a client call ends in."""

    def of(call: Callable[..., Any], **request: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            call(**request)
        error = caught.value.response["Error"]
        return error["Code"], error.get("Message", "")

    return of


class Handlers:
    """The handlers of the services on a data directory of their own; `clock` is the test's."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.platform = assemble(Settings(data_dir=folder, port=0), self.clock)
        self._registry = Registry()
        for service in self._registry.services():
            if service.migrations is not None:
                self.platform.db.migrate(f"services.{service.name}", service.migrations)

    def call(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        """Return what an operation answers."""
        context = self._context(service, operation)
        handler = self._registry.handler(service, operation)
        assert handler is not None, operation
        if inspect.iscoroutinefunction(handler):
            return dict(asyncio.run(handler(context, request)) or {})
        with self.platform.db.transaction():
            return dict(handler(context, request) or {})  # type: ignore[arg-type]

    def refusal(self, service: str, operation: str, **request: Any) -> str:
        """Return the code of the error an operation ends in."""
        with pytest.raises(ApiError) as caught:
            self.call(service, operation, **request)
        return caught.value.code

    def _context(self, service: str, operation: str) -> Context:
        account = "111122223333"
        principal = Identity(f"arn:aws:iam::{account}:root", account, account, "Root", account)
        now = self.clock.now()
        return Context(self.platform, service, operation, account, REGION, principal, "id", now, "")


@pytest.fixture
def handlers(tmp_path: Path) -> Iterator[Handlers]:
    """Return handlers on fresh state."""
    given = Handlers(tmp_path)
    yield given
    given.platform.objects.close()
    given.platform.db.close()
