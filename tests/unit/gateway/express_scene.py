"""An `Express` with everything it stands on, and requests as boto3 writes them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from types import SimpleNamespace
from typing import Any, cast

from sagebrush.engines.identity import Identity
from sagebrush.gateway import messages
from sagebrush.gateway.authentication import Claims
from sagebrush.gateway.express import Express
from sagebrush.gateway.messages import Response
from sagebrush.services import SERVICES
from sagebrush.services.declaration import PromptHandler, Respond
from sagebrush.services.platform import Context
from sagebrush.wire import Request, Route, Router, catalogue

ACCOUNT = "111122223333"
ROUTER = Router(catalogue(), frozenset(SERVICES))
ANSWER: dict[str, Any] = {
    "Body": b"0.5\n",
    "ContentType": "text/csv",
    "InvokedProductionVariant": "blue",
    "CustomAttributes": None,
}


def message(body: bytes = b"1,2\n", **other: str) -> bytes:
    """Return an invocation as boto3 writes it; `other` are values of headers."""
    headers = {
        "Host": "127.0.0.1:4566",
        "Content-Type": "text/csv",
        "Accept": "application/json",
        "X-Amz-Date": "20261121T231809Z",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={ACCOUNT}/20261121/us-east-1/sagemaker"
        "/aws4_request, SignedHeaders=host, Signature=71e3",
        "amz-sdk-invocation-id": "6d43470f",
    }
    headers |= {name.replace("_", "-"): value for name, value in other.items()}
    lines = ["POST /endpoints/e/invocations HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "\r\n"]).encode() + body


def routed(method: str = "POST", path: str = "/endpoints/e/invocations") -> Route:
    service = "sagemaker" if path.startswith("/endpoints") else "s3"
    scope = f"Credential={ACCOUNT}/20261121/us-east-1/{service}/aws4_request"
    headers = {"authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=71e3"}
    return ROUTER.route(Request(method, path, "", headers, b""))


class Connection:
    """Takes note of what is delivered."""

    def __init__(self, address: str = "127.0.0.1", *, secure: bool = False) -> None:
        self.secure = secure
        self.client_address = address
        self.plan: Any = None
        self.strange_requests = 0
        self.busy = False
        self.written: list[bytes] = []
        self.responses: list[Response] = []
        self.at_once: list[bool] = []
        self.closed = False

    def engage(self) -> None:
        assert not self.busy
        self.busy = True

    def release(self) -> None:
        self.busy = False

    def deliver(self, response: Response) -> None:
        self.release()
        self.responses.append(response)

    def deliver_message(
        self, message: bytes, *, at_once: bool = False, close: bool = False
    ) -> None:
        self.release()
        self.written.append(message)
        self.at_once.append(at_once)
        self.closed |= close

    def deliver_later(self, response: Awaitable[Response]) -> None:
        async def delivered() -> None:
            self.deliver(await response)

        asyncio.run(delivered())


class Scene:
    """An `Express`, and everything it stands on."""

    def __init__(self, *, verify_signatures: bool = False) -> None:
        self.platform: Any = SimpleNamespace(
            settings=SimpleNamespace(verify_signatures=verify_signatures),
            injection=SimpleNamespace(operations=[]),
        )
        self.handle: PromptHandler = self.keep
        self.prompt = {"InvokeEndpoint"}
        self.contexts: list[Context] = []
        self.requests: list[dict[str, Any]] = []
        self.responds: list[Respond] = []
        self.claimed: list[messages.Request] = []
        self.express = Express(self.platform, ROUTER, cast("Any", self), cast("Any", self))

    # What a handler does unless told otherwise: it answers when the test does.
    def keep(self, context: Context, request: dict[str, Any], respond: Respond) -> bool:
        self.contexts.append(context)
        self.requests.append(request)
        self.responds.append(respond)
        return True

    # The registry's part.
    def prompt_handler(self, _service: str, operation: str) -> PromptHandler | None:
        return self._handled if operation in self.prompt else None

    def _handled(self, context: Context, request: dict[str, Any], respond: Respond) -> bool:
        return self.handle(context, request, respond)

    # The authenticator's part.
    def claims(self, request: messages.Request, route: Route) -> Claims:
        self.claimed.append(request)
        return Claims(
            *(ACCOUNT, route.service, route.operation, "us-east-1", "http://here"),
            *(request.client_address, None, None, ""),
        )

    def context(self, claims: Claims, identifier: str) -> Context:
        principal = Identity(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, ACCOUNT, "Root", ACCOUNT)
        return Context(
            *(self.platform, claims.service, claims.operation, ACCOUNT, claims.region, principal),
            *(identifier, 0.0, claims.endpoint, claims.client_address),
        )

    def take(self, connection: Connection, data: bytes) -> bool:
        return self.express.take(cast("Any", connection), data)

    @property
    def under_way(self) -> int:
        return self.express._under_way


def taken(scene: Scene, connection: Connection, data: bytes) -> Respond:
    """Have a request taken; return how it is answered."""
    assert scene.take(connection, data)
    assert connection.busy
    return scene.responds[-1]
