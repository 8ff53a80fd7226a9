"""One routed request on its way through its handler, and what its client is told.

A synchronous handler whose body has arrived is answered within the call; everything else becomes
a coroutine.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Awaitable
from typing import Any, cast

from sagebrush.base.errors import ApiError
from sagebrush.base.streams import ByteStream
from sagebrush.gateway import messages
from sagebrush.gateway.authentication import Authenticator
from sagebrush.gateway.bodies import decoded_body, is_encoded, read_whole, streams_input
from sagebrush.gateway.messages import ClientDisconnectedError, RequestBody, Response
from sagebrush.gateway.trail import Trail
from sagebrush.services.declaration import Handler
from sagebrush.services.platform import Context
from sagebrush.wire import Request, Route, parse_request, serialise_error, serialise_response

# The largest body of an operation that is not a stream: InvokeEndpoint takes 25 MB.
MAXIMUM_BODY_BYTES = 32 * 1024 * 1024

_log = logging.getLogger(__name__)


class Call:
    """One routed request on its way through its handler."""

    __slots__ = (
        "_authenticator",
        "_handler",
        "_identifier",
        "_raw",
        "_request",
        "_routed",
        "_trail",
    )

    def __init__(
        self,
        authenticator: Authenticator,
        trail: Trail,
        request: messages.Request,
        raw: Request,
        routed: Route,
        handler: Handler,
        identifier: str,
    ) -> None:
        self._authenticator = authenticator
        self._trail = trail
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
            self._authenticator.verified(self._routed, self._raw)
            parameters = parse_request(self._routed, self._raw)
            self._authenticator.authorise(context, self._routed, parameters)
            with context.db.transaction():
                result = cast("dict[str, Any] | None", self._handler(context, parameters))
            self._record(context, parameters, None)
            return self._success(context, result)
        except ApiError as error:
            return self._refusal(context, parameters, error)
        except Exception:  # noqa: BLE001 - the boundary: the log has it, the client its id
            _log.exception("request %s failed", self._identifier)
            return defect(self._routed, self._identifier)

    async def run(self) -> Response:
        """Answer any other request; a stream's handler starts before its body has arrived."""
        context: Context | None = None
        parameters: dict[str, Any] = {}
        try:
            context = self._identify()
            await self._receive(context)
            parameters = parse_request(self._routed, self._raw)
            self._authenticator.authorise(context, self._routed, parameters)
            result = await self._handle(context, parameters)
            self._record(context, parameters, None)
            return self._success(context, result)
        except ApiError as error:
            return self._refusal(context, parameters, error)
        except ClientDisconnectedError:
            return Response(400, [], close=True)
        except Exception:  # noqa: BLE001 - the boundary: the log has it, the client its id
            _log.exception("request %s failed", self._identifier)
            return defect(self._routed, self._identifier)

    async def _handle(self, context: Context, parameters: dict[str, Any]) -> dict[str, Any] | None:
        if _is_coroutine(self._handler):
            return await cast(
                "Awaitable[dict[str, Any] | None]", self._handler(context, parameters)
            )
        with context.db.transaction():
            return cast("dict[str, Any] | None", self._handler(context, parameters))

    def _identify(self) -> Context:
        return self._authenticator.identify(self._request, self._routed, self._identifier)

    async def _receive(self, context: Context) -> None:
        """Give the parser the body: a stream to those that stream, bytes to the rest."""
        authenticator = self._authenticator
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
        if len(sent) > MAXIMUM_BODY_BYTES:
            raise _too_large()
        self._raw.body = sent
        verified = authenticator.verified(self._routed, self._raw)
        if is_encoded(self._request):
            again = RequestBody.of(sent)
            self._raw.body = await _within_limit(
                decoded_body(self._request, context.service, verified, again)
            )

    def _success(self, context: Context, result: dict[str, Any] | None) -> Response:
        return success(self._routed, context, result or {})

    def _refusal(
        self, context: Context | None, parameters: dict[str, Any], error: ApiError
    ) -> Response:
        if context is not None:
            self._record(context, parameters, error)
        return failure(self._routed, error, self._identifier, context)

    def _record(self, context: Context, parameters: dict[str, Any], error: ApiError | None) -> None:
        self._trail.record(
            context,
            self._routed.operation_model,
            parameters,
            self._request.headers.get("user-agent", ""),
            None if error is None else (error.code, error.message),
        )


async def _within_limit(body: ByteStream) -> bytes:
    """Return the whole body; raises ApiError when it is longer than any operation takes."""
    whole = await read_whole(body, MAXIMUM_BODY_BYTES)
    if whole is None:
        raise _too_large()
    return whole


def _too_large() -> ApiError:
    message = f"The request body is larger than {MAXIMUM_BODY_BYTES} bytes"
    return ApiError("RequestEntityTooLarge", message, status=413)


@functools.cache
def _is_coroutine(handler: Handler) -> bool:
    return inspect.iscoroutinefunction(handler)


async def concluded(routed: Route, context: Context, result: Awaitable[dict[str, Any]]) -> Response:
    """Return the answer to a request that a prompt handler has begun and `result` ends."""
    try:
        return success(routed, context, await result)
    except ApiError as error:
        return failure(routed, error, context.request_id, context)
    except Exception:  # noqa: BLE001 - the boundary: the log has it, the client its id
        _log.exception("request %s failed", context.request_id)
        return defect(routed, context.request_id)


def success(routed: Route, context: Context, result: dict[str, Any]) -> Response:
    """Return what the client of an operation is answered for its handler's result."""
    answer = serialise_response(routed, result, context.request_id)
    headers = list(answer.headers.items())
    if context.extra_headers:
        headers.extend(context.extra_headers.items())
    status = context.status or answer.status
    note(routed, status, context.request_id)
    return Response(status, headers, answer.body)


def failure(
    routed: Route, error: ApiError, identifier: str, context: Context | None = None
) -> Response:
    """Return what the client is told of an error, in its protocol."""
    answer = serialise_error(routed, error, identifier)
    headers = list(answer.headers.items())
    if context is not None and context.extra_headers:
        headers.extend(context.extra_headers.items())
    note(routed, answer.status, identifier, error.code)
    return Response(answer.status, headers, answer.body)


def note(routed: Route, status: int, identifier: str, code: str = "") -> None:
    """Log a request where every one is asked for: no query, no header, nothing that is secret."""
    if _log.isEnabledFor(logging.DEBUG):
        name = f"{routed.service}.{routed.operation}" if routed.operation else ""
        what = f"{name or routed.method} {routed.path}"
        _log.debug("%s: %d %s (%s)", what, status, code, identifier)


def defect(routed: Route | None, identifier: str) -> Response:
    """Answer the protocol's internal failure; the log has the trace under the request id."""
    message = f"An internal error occurred; the server's log has it under {identifier}."
    if routed is None:
        return Response(500, [("content-type", "text/plain")], message.encode())
    return failure(routed, ApiError("InternalFailure", message, status=500), identifier)
