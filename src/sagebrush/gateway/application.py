"""From a request to its answer: route, identify, parse, handle, serialise."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

from sagebrush.base.identifiers import request_id
from sagebrush.base.settings import Settings
from sagebrush.gateway import messages
from sagebrush.gateway.authentication import Authenticator
from sagebrush.gateway.bodies import read_whole
from sagebrush.gateway.call import MAXIMUM_BODY_BYTES, Call, defect, failure
from sagebrush.gateway.certificates import CertificateAuthority
from sagebrush.gateway.connection import Connection
from sagebrush.gateway.express import Express
from sagebrush.gateway.internal import InternalPages
from sagebrush.gateway.listener import Listener
from sagebrush.gateway.messages import ClientDisconnectedError, Response
from sagebrush.gateway.operation_faults import injected_error
from sagebrush.gateway.proxy import Proxy, is_aws_host
from sagebrush.gateway.registry import Registry
from sagebrush.gateway.trail import Trail
from sagebrush.services import SERVICES
from sagebrush.services.platform import Platform
from sagebrush.wire import (
    Request,
    Route,
    Router,
    RoutingError,
    catalogue,
    needs_body,
    unsupported,
)

_INTERNAL_PREFIX = "/_sagebrush/"
_TELEMETRY_PREFIX = "sm-pysdk-t-"

_log = logging.getLogger(__name__)


class Gateway:
    """Answers every request of the server."""

    def __init__(self, authority: CertificateAuthority, settings: Settings) -> None:
        self._proxy = Proxy(
            authority, offline=settings.offline, for_local_clients=settings.verify_signatures
        )
        self._registry = Registry()
        self._router = Router(catalogue(), frozenset(SERVICES))
        self._used: set[str] = set()
        self._platform: Platform
        self._listener: Listener
        self.authenticator: Authenticator
        self.trail: Trail
        self._express: Express
        self._pages: InternalPages

    async def open(self, platform: Platform, listener: Listener) -> None:
        """Apply the services' migrations and start them; then requests may come."""
        self._platform = platform
        self._listener = listener
        self.authenticator = Authenticator(platform)
        self.trail = Trail(platform.settings.data_dir / "trail")
        self._express = Express(platform, self._router, self._registry, self.authenticator)
        self._pages = InternalPages(platform, self._registry)
        declared = list(self._registry.services())
        for service in declared:
            if service.migrations is not None:
                platform.db.migrate(f"services.{service.name}", service.migrations)
        for service in declared:
            if service.start is not None:
                await service.start(platform)

    async def close(self) -> None:
        """Stop the services, then what they stand on."""
        for service in self._registry.services():
            if service.stop is not None:
                await service.stop(self._platform)
        tasks = [*self._platform.tasks, *self._platform.lookouts]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.trail.close()
        self._platform.db.close()

    def tunnel(self, connection: Connection, host: str, port: int) -> Response | None:
        """Take a CONNECT over, or refuse it with a response."""
        return self._proxy.tunnel(self._listener, connection, host, port)

    def take(self, connection: Connection, data: bytes) -> bool:
        """Take a whole request off a connection's hands, if it is one of many alike."""
        return self._express.take(connection, data)

    def answer(self, request: messages.Request) -> Response | Awaitable[Response]:
        """Answer a request; never raises."""
        identifier = request_id()
        try:
            return self._answer(request, identifier)
        except Exception:  # noqa: BLE001 - the boundary: the log has it, the client its id
            _log.exception("request %s failed", identifier)
            return defect(None, identifier)

    def _answer(self, request: messages.Request, identifier: str) -> Response | Awaitable[Response]:
        if request.target.startswith("http"):
            refusal = _strip_absolute(request)
            if refusal is not None:
                return refusal
        if request.target.startswith(_INTERNAL_PREFIX):
            return self._pages.answer(request)
        if request.headers.get("host", "").startswith(_TELEMETRY_PREFIX):
            # The SageMaker SDK reports most of its calls here; offline it would log a traceback.
            return Response(200, [])
        path, _, query = request.target.partition("?")
        raw = Request(request.method, path, query, request.headers, request.body)
        if needs_body(raw) and not request.body.complete:
            return self._answer_form(request, raw, identifier)
        if request.body.complete and needs_body(raw):
            raw.body = request.body.taken()
        return self._answer_routed(request, raw, identifier)

    async def _answer_form(
        self, request: messages.Request, raw: Request, identifier: str
    ) -> Response:
        """Answer a request whose operation is named within a body still to come."""
        try:
            whole = await read_whole(request.body, MAXIMUM_BODY_BYTES)
        except ClientDisconnectedError:
            return Response(400, [], close=True)
        if whole is None:
            text = f"the request body is larger than {MAXIMUM_BODY_BYTES} bytes\n".encode()
            return Response(413, [("content-type", "text/plain")], text, close=True)
        raw.body = whole
        answer = self._answer_routed(request, raw, identifier)
        return answer if isinstance(answer, Response) else await answer

    def _answer_routed(
        self, request: messages.Request, raw: Request, identifier: str
    ) -> Response | Awaitable[Response]:
        try:
            routed = self._router.route(raw)
        except RoutingError as error:
            return failure(error.route, error, identifier)
        if routed.service not in self._used:
            self._begin_using(routed.service)
        handler = self._registry.handler(routed.service, routed.operation)
        if handler is None:
            return failure(routed, unsupported(routed.service, routed.operation), identifier)
        if self._platform.injection.operations:
            struck = self._injected(request, routed, identifier)
            if struck is not None:
                return struck
        self._express.learn(routed)
        call = Call(self.authenticator, self.trail, request, raw, routed, handler, identifier)
        if call.is_plain:
            return call.run_at_once()
        return call.run()

    def _injected(
        self, request: messages.Request, routed: Route, identifier: str
    ) -> Response | None:
        """Answer a request that a user's fault strikes."""
        context = self.authenticator.identify(request, routed, identifier)
        error = injected_error(self._platform.injection, routed, context.account)
        return None if error is None else failure(routed, error, identifier, context)

    def _begin_using(self, service: str) -> None:
        self._used.add(service)
        declared = self._registry.service(service)
        if declared is not None and declared.first_use is not None:
            self._platform.spawn(declared.first_use(self._platform), f"first use of {service}")


def _strip_absolute(request: messages.Request) -> Response | None:
    """Turn a proxy request for an AWS host into a plain one; refuse any other host."""
    scheme, _, rest = request.target.partition("://")
    host, slash, path = rest.partition("/")
    if scheme not in ("http", "https") or not is_aws_host(host.partition(":")[0]):
        text = b"this proxy forwards plain http to AWS host names only\n"
        return Response(403, [("content-type", "text/plain")], text)
    request.headers["host"] = host
    request.target = slash + path or "/"
    return None
