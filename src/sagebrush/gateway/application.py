"""From a request to its answer: route, identify, parse, handle, serialise.

A synchronous handler whose body has arrived is answered within the call; everything else becomes
a coroutine.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import Awaitable
from typing import Any, cast

from sagebrush.base.errors import ApiError
from sagebrush.base.identifiers import request_id
from sagebrush.base.settings import Settings
from sagebrush.base.streams import ByteStream
from sagebrush.gateway import messages
from sagebrush.gateway.authentication import Authenticator
from sagebrush.gateway.bodies import decoded_body, is_encoded, read_whole, streams_input
from sagebrush.gateway.certificates import CertificateAuthority
from sagebrush.gateway.connection import Connection
from sagebrush.gateway.internal import InternalPages
from sagebrush.gateway.listener import Listener
from sagebrush.gateway.messages import ClientDisconnectedError, RequestBody, Response
from sagebrush.gateway.operation_faults import injected_error
from sagebrush.gateway.proxy import Proxy, is_aws_host
from sagebrush.gateway.registry import Registry
from sagebrush.gateway.trail import Trail
from sagebrush.services import SERVICES
from sagebrush.services.declaration import Handler
from sagebrush.services.platform import Context, Platform
from sagebrush.wire import (
    Request,
    Route,
    Router,
    RoutingError,
    catalogue,
    needs_body,
    parse_request,
    serialise_error,
    serialise_response,
    unsupported,
)

_INTERNAL_PREFIX = "/_sagebrush/"
_TELEMETRY_PREFIX = "sm-pysdk-t-"
# The largest body of an operation that is not a stream: InvokeEndpoint takes 25 MB.
_MAXIMUM_BODY_BYTES = 32 * 1024 * 1024

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
        self._pages: InternalPages

    async def open(self, platform: Platform, listener: Listener) -> None:
        """Apply the services' migrations and start them; then requests may come."""
        self._platform = platform
        self._listener = listener
        self.authenticator = Authenticator(platform)
        self.trail = Trail(platform.settings.data_dir / "trail")
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

    def answer(self, request: messages.Request) -> Response | Awaitable[Response]:
        """Answer a request; never raises."""
        identifier = request_id()
        try:
            return self._answer(request, identifier)
        except Exception:  # noqa: BLE001 - the boundary: the log has it, the client its id
            _log.exception("request %s failed", identifier)
            return _defect(None, identifier)

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
            whole = await read_whole(request.body, _MAXIMUM_BODY_BYTES)
        except ClientDisconnectedError:
            return Response(400, [], close=True)
        if whole is None:
            text = f"the request body is larger than {_MAXIMUM_BODY_BYTES} bytes\n".encode()
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
            return _failure(error.route, error, identifier)
        if routed.service not in self._used:
            self._begin_using(routed.service)
        handler = self._registry.handler(routed.service, routed.operation)
        if handler is None:
            return _failure(routed, unsupported(routed.service, routed.operation), identifier)
        if self._platform.injection.operations:
            failure = self._injected(request, routed, identifier)
            if failure is not None:
                return failure
        call = _Call(self, request, raw, routed, handler, identifier)
        if call.is_plain:
            return call.run_at_once()
        return call.run()

    def _injected(
        self, request: messages.Request, routed: Route, identifier: str
    ) -> Response | None:
        """Answer a request that a user's fault strikes."""
        context = self.authenticator.identify(request, routed, identifier)
        error = injected_error(self._platform.injection, routed, context.account)
        return None if error is None else _failure(routed, error, identifier, context)

    def _begin_using(self, service: str) -> None:
        self._used.add(service)
        declared = self._registry.service(service)
        if declared is not None and declared.first_use is not None:
            self._platform.spawn(declared.first_use(self._platform), f"first use of {service}")


class _Call:
    """One routed request on its way through its handler."""

    __slots__ = ("_gateway", "_handler", "_identifier", "_raw", "_request", "_routed")

    def __init__(
        self,
        gateway: Gateway,
        request: messages.Request,
        raw: Request,
        routed: Route,
        handler: Handler,
        identifier: str,
    ) -> None:
        self._gateway = gateway
        self._request = request
        self._raw = raw
        self._routed = routed
        self._handler = handler
        self._identifier = identifier

    @property
    def is_plain(self) -> bool:
        """Whether nothing has to be awaited: the body is here and nothing streams."""
        return (
            self._request.body.complete
            and not _is_coroutine(self._handler)
            and not self._streams
            and not is_encoded(self._request)
        )

    @property
    def _streams(self) -> bool:
        return streams_input(self._routed.operation_model)

    def run_at_once(self) -> Response:
        """Answer a request whose handler is synchronous and whose body is here."""
        context: Context | None = None
        parameters: dict[str, Any] = {}
        try:
            context = self._identify()
            if self._raw.body is self._request.body:
                self._raw.body = self._request.body.taken()
            self._gateway.authenticator.verified(self._routed, self._raw)
            parameters = parse_request(self._routed, self._raw)
            self._gateway.authenticator.authorise(context, self._routed, parameters)
            with context.db.transaction():
                result = cast("dict[str, Any] | None", self._handler(context, parameters))
            self._record(context, parameters, None)
            return self._success(context, result)
        except ApiError as error:
            return self._refusal(context, parameters, error)
        except Exception:  # noqa: BLE001 - the boundary: the log has it, the client its id
            _log.exception("request %s failed", self._identifier)
            return _defect(self._routed, self._identifier)

    async def run(self) -> Response:
        """Answer any other request; a stream's handler starts before its body has arrived."""
        context: Context | None = None
        parameters: dict[str, Any] = {}
        try:
            context = self._identify()
            await self._receive(context)
            parameters = parse_request(self._routed, self._raw)
            self._gateway.authenticator.authorise(context, self._routed, parameters)
            result = await self._handle(context, parameters)
            self._record(context, parameters, None)
            return self._success(context, result)
        except ApiError as error:
            return self._refusal(context, parameters, error)
        except ClientDisconnectedError:
            return Response(400, [], close=True)
        except Exception:  # noqa: BLE001 - the boundary: the log has it, the client its id
            _log.exception("request %s failed", self._identifier)
            return _defect(self._routed, self._identifier)

    async def _handle(self, context: Context, parameters: dict[str, Any]) -> dict[str, Any] | None:
        if _is_coroutine(self._handler):
            return await cast(
                "Awaitable[dict[str, Any] | None]", self._handler(context, parameters)
            )
        with context.db.transaction():
            return cast("dict[str, Any] | None", self._handler(context, parameters))

    def _identify(self) -> Context:
        return self._gateway.authenticator.identify(self._request, self._routed, self._identifier)

    async def _receive(self, context: Context) -> None:
        """Give the parser the body: a stream to those that stream, bytes to the rest."""
        authenticator = self._gateway.authenticator
        if self._raw.body is not self._request.body:
            authenticator.verified(self._routed, self._raw)
            return
        if self._streams:
            verified = authenticator.verified(self._routed, self._raw)
            self._raw.body = decoded_body(self._request, context.service, verified)
            return
        # The signature covers the bytes as they were sent, so they are needed before decoding.
        body = self._request.body
        sent = body.taken() if body.complete else await _within_limit(body)
        if len(sent) > _MAXIMUM_BODY_BYTES:
            raise _too_large()
        self._raw.body = sent
        verified = authenticator.verified(self._routed, self._raw)
        if is_encoded(self._request):
            again = RequestBody.of(sent)
            self._raw.body = await _within_limit(
                decoded_body(self._request, context.service, verified, again)
            )

    def _success(self, context: Context, result: dict[str, Any] | None) -> Response:
        answer = serialise_response(self._routed, result or {}, self._identifier)
        headers = list(answer.headers.items())
        if context.extra_headers:
            headers.extend(context.extra_headers.items())
        status = context.status or answer.status
        _note(self._routed, status, self._identifier)
        return Response(status, headers, answer.body)

    def _refusal(
        self, context: Context | None, parameters: dict[str, Any], error: ApiError
    ) -> Response:
        if context is not None:
            self._record(context, parameters, error)
        return _failure(self._routed, error, self._identifier, context)

    def _record(self, context: Context, parameters: dict[str, Any], error: ApiError | None) -> None:
        self._gateway.trail.record(
            context,
            self._routed.operation_model,
            parameters,
            self._request.headers.get("user-agent", ""),
            None if error is None else (error.code, error.message),
        )


async def _within_limit(body: ByteStream) -> bytes:
    """Return the whole body; raises ApiError when it is longer than any operation takes."""
    whole = await read_whole(body, _MAXIMUM_BODY_BYTES)
    if whole is None:
        raise _too_large()
    return whole


def _too_large() -> ApiError:
    message = f"The request body is larger than {_MAXIMUM_BODY_BYTES} bytes"
    return ApiError("RequestEntityTooLarge", message, status=413)


@functools.cache
def _is_coroutine(handler: Handler) -> bool:
    return inspect.iscoroutinefunction(handler)


def _failure(
    routed: Route, error: ApiError, identifier: str, context: Context | None = None
) -> Response:
    answer = serialise_error(routed, error, identifier)
    headers = list(answer.headers.items())
    if context is not None and context.extra_headers:
        headers.extend(context.extra_headers.items())
    _note(routed, answer.status, identifier, error.code)
    return Response(answer.status, headers, answer.body)


def _note(routed: Route, status: int, identifier: str, code: str = "") -> None:
    """Log a request where every one is asked for: no query, no header, nothing that is secret."""
    if _log.isEnabledFor(logging.DEBUG):
        name = f"{routed.service}.{routed.operation}" if routed.operation else ""
        what = f"{name or routed.method} {routed.path}"
        _log.debug("%s: %d %s (%s)", what, status, code, identifier)


def _defect(routed: Route | None, identifier: str) -> Response:
    """Answer the protocol's internal failure; the log has the trace under the request id."""
    message = f"An internal error occurred; the server's log has it under {identifier}."
    if routed is None:
        return Response(500, [("content-type", "text/plain")], message.encode())
    return _failure(routed, ApiError("InternalFailure", message, status=500), identifier)


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
