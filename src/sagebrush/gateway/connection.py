"""One client connection: HTTP/1.1 off the socket into requests, responses back onto it.

Requests of one connection are answered in order, one at a time. A request whose body has arrived
and whose handler is synchronous is answered within the read callback, without a task.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol, cast

import httptools

from sagebrush.base.errors import SagebrushError
from sagebrush.base.prompt_sending import PromptSender
from sagebrush.gateway.messages import ClientDisconnectedError, Request, RequestBody, Response
from sagebrush.gateway.response_heads import REASONS, response_head
from sagebrush.gateway.sending import OpenedFile, opened, send_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

_MAXIMUM_HEADER_BYTES = 64 * 1024
_MAXIMUM_TARGET_BYTES = 64 * 1024
# The largest body that is collected before its handler starts; longer ones stream.
_BUFFERED_BODY_BYTES = 256 * 1024
_REMEMBERED_NAMES = 1024
# Header names as they were written, and in lower case: clients write few, again and again.
_names: dict[bytes, str] = {}

_log = logging.getLogger(__name__)


class Application(Protocol):
    """What answers requests."""

    def answer(self, request: Request) -> Response | Awaitable[Response]:
        """Answer at once, or give an awaitable of the answer; never raises."""

    def take(self, connection: Connection, data: bytes) -> bool:
        """Whether `data` is a request that will be answered with `connection.deliver`.

        It is called between requests; `connection.engage` is called first where it is one.
        """

    def tunnel(self, connection: Connection, host: str, port: int) -> Response | None:
        """Take a CONNECT over (None), or refuse it with a response."""


class Registry(Protocol):
    """Who keeps count of the open connections."""

    connections: set[Connection]

    def forget(self, connection: Connection) -> None:
        """Take note that a connection has ended."""


class TooLargeError(SagebrushError):
    """The head of a request is longer than any client's; carries the status that says so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Connection(asyncio.Protocol):
    """The asyncio protocol of one socket."""

    def __init__(self, application: Application, registry: Registry, *, secure: bool) -> None:
        self._application = application
        self._registry = registry
        self._loop = asyncio.get_running_loop()
        self.secure = secure
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Request] = deque()
        self._busy = False
        self._task: asyncio.Task[None] | None = None
        self._writable: asyncio.Event | None = None
        self._upgraded = False
        self._closing = False
        self._last_activity = self._loop.time()
        self.client_address = ""
        # What the application remembers of the last request that it took, and how many it has not
        # taken since.
        self.plan: Any = None
        self.strange_requests = 0
        self.transport: asyncio.Transport

    # -- asyncio.Protocol ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start reading."""
        self.transport = cast("asyncio.Transport", transport)
        self._sender = PromptSender(self.transport, secure=self.secure)
        peer = transport.get_extra_info("peername")
        # A socket of both families shows IPv4 clients in IPv6's clothes.
        self.client_address = peer[0].removeprefix("::ffff:") if isinstance(peer, tuple) else ""
        self._registry.connections.add(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Tell whoever waits for this client that it is gone."""
        self._closing = True
        self._registry.forget(self)
        gone = ClientDisconnectedError("the client closed the connection")
        for request in self._waiting:
            request.body.fail(gone)
        if self._current_body is not None:
            self._current_body.fail(gone)
        if self._writable is not None:
            self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Parse what arrived."""
        self._last_activity = self._loop.time()
        if self._between and not self._busy and self._application.take(self, data):
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._upgraded = True
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if not isinstance(cause, TooLargeError):
                _log.error("a request could not be begun", exc_info=cause)
                self._refuse(500, b"an internal error occurred; the server's log has it")
            else:
                self._refuse(cause.status, str(cause).encode())
        except httptools.HttpParserError:
            self._refuse(400, b"the request is not valid HTTP/1.1")

    def eof_received(self) -> bool:
        """Close once the answer under way is out; a body cut short will not be completed."""
        if self._current_body is not None:
            self._current_body.fail(ClientDisconnectedError("the body ends early"))
        if self._busy:
            self._closing = True
            return True
        return False

    def pause_writing(self) -> None:
        """Make writers wait: the client reads slower than we send."""
        if self._writable is None:
            self._writable = asyncio.Event()
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let writers go on."""
        if self._writable is not None:
            self._writable.set()

    # -- httptools callbacks ---------------------------------------------------------------

    # Whether what comes next begins a request.
    _between = True
    _url = b""
    _header_bytes = 0
    _current_body: RequestBody | None = None
    _deferred: Request | None = None

    def on_message_begin(self) -> None:
        """A request line is coming."""
        self._between = False
        self._url = b""
        self._headers: list[tuple[str, str]] = []
        self._header_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Collect the request target."""
        self._url += url
        if len(self._url) > _MAXIMUM_TARGET_BYTES:
            raise TooLargeError(414, f"a URL has at most {_MAXIMUM_TARGET_BYTES} bytes here")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header."""
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > _MAXIMUM_HEADER_BYTES:
            raise TooLargeError(431, f"headers have at most {_MAXIMUM_HEADER_BYTES} bytes here")
        known = _names.get(name)
        self._headers.append((known or _lower_name(name), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """Start the request, or wait for its body when that is short."""
        headers = dict(self._headers)
        if len(headers) != len(self._headers):
            headers = _joined(self._headers)
        method = self._parser.get_method().decode("ascii")
        length_text = headers.get("content-length")
        length = int(length_text) if length_text and length_text.isdigit() else None
        # A client that asks whether to go on is told so once a handler reads the body: what is
        # refused for its headers alone is refused without it.
        asks = "expect" in headers and headers["expect"].lower() == "100-continue"
        body = RequestBody(
            length, self._pause_reading, self._resume_reading, self._invite if asks else None
        )
        old = self._parser.get_http_version() == "1.0"
        request = Request(
            method,
            self._url.decode("latin-1"),
            headers,
            body,
            self.secure,
            self.client_address,
            time.time(),
            self._headers,
            keep_alive=self._parser.should_keep_alive() and not old,
            takes_chunks=not old,
        )
        self._current_body = body
        chunked = "transfer-encoding" in headers
        short = not chunked and not asks and (length or 0) <= _BUFFERED_BODY_BYTES
        if method == "CONNECT" or short:
            self._deferred = request
        else:
            self._deferred = None
            self._enqueue(request)

    def _invite(self) -> None:
        self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Hand a piece of the body on."""
        if self._current_body is not None:
            self._current_body.feed(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._between = True
        if self._current_body is not None:
            self._current_body.finish()
            self._current_body = None
        request, self._deferred = self._deferred, None
        if request is not None:
            self._enqueue(request)

    # -- answering promptly ----------------------------------------------------------------

    def engage(self) -> None:
        """Let what comes wait until `deliver`."""
        self._busy = True

    def release(self) -> None:
        """Take `engage` back: nothing will be delivered."""
        self._busy = False

    def deliver(self, response: Response) -> None:
        """Write the answer to a request that was taken; its body is bytes."""
        body = cast("bytes", response.body)
        head = response_head(response, len(body), takes_chunks=True, close=response.close)
        self.deliver_message(head + body, close=response.close)

    def deliver_message(
        self, message: bytes, *, at_once: bool = False, close: bool = False
    ) -> None:
        """Write the answer to a request that was taken as it goes over the wire.

        `at_once` sends it now, not together with others at the end of the event loop's turn.
        """
        if not self.transport.is_closing():
            if at_once:
                self._sender.send(message)
            else:
                self.transport.write(message)
        self._go_on(close)

    def deliver_later(self, response: Awaitable[Response]) -> None:
        """Deliver the answer to a request that was taken once it is there."""
        self._task = self._loop.create_task(self._delivered(response))

    async def _delivered(self, response: Awaitable[Response]) -> None:
        self.deliver(await response)

    # -- answering -----------------------------------------------------------------------------

    @property
    def is_local(self) -> bool:
        """Whether the client is a program on this machine."""
        return ipaddress.ip_address(self.client_address or "127.0.0.1").is_loopback

    @property
    def idle(self) -> bool:
        """Whether no request is under way."""
        return not self._busy

    @property
    def idle_since(self) -> float:
        """The loop's time of the last byte read."""
        return self._last_activity

    @property
    def starved(self) -> bool:
        """Whether a handler waits for a body that the client does not send."""
        return self._busy and self._current_body is not None

    def _enqueue(self, request: Request) -> None:
        if self._busy:
            self._waiting.append(request)
            if len(self._waiting) > 32:
                self._pause_reading()
            return
        self._begin(request)

    def _begin(self, request: Request) -> None:
        self._busy = True
        if request.method == "CONNECT":
            self._connect(request)
            return
        answer = self._application.answer(request)
        if isinstance(answer, Response):
            answer = _with_open_body(answer)
        if isinstance(answer, Response) and isinstance(answer.body, bytes):
            self._write_whole(request, answer)
            self._finish(request, answer.close)
        else:
            self._task = self._loop.create_task(self._answer_later(request, answer))

    def _connect(self, request: Request) -> None:
        host, _, port = request.target.rpartition(":")
        refusal = self._application.tunnel(
            self, host.strip("[]").lower(), int(port) if port.isdigit() else 443
        )
        if refusal is not None:
            self._write_whole(request, refusal)
            self._finish(request, close=True)

    async def _answer_later(self, request: Request, answer: Response | Awaitable[Response]) -> None:
        response = answer if isinstance(answer, Response) else await answer
        response = _with_open_body(response)
        try:
            close = await self._write(request, response)
        except (ClientDisconnectedError, OSError):
            self.transport.abort()
            return
        except Exception:  # noqa: BLE001 - the boundary: the log has it, the client a broken answer
            _log.exception("an answer broke off")
            self.transport.abort()
            return
        finally:
            if isinstance(response.body, OpenedFile):
                response.body.close()
        self._finish(request, close)

    def _finish(self, request: Request, close: bool) -> None:
        # A body nobody read would be taken for the next request.
        self._go_on(close or not request.keep_alive or not request.body.complete)

    def _go_on(self, close: bool) -> None:
        """Close, or begin with the next request if it is here already."""
        self._task = None
        # Busy until the next one is begun: what arrives meanwhile must not overtake it.
        self._busy = bool(self._waiting)
        if close or self._closing:
            self._closing = True
            self.transport.close()
            return
        if self._waiting:
            following = self._waiting.popleft()
            self._resume_reading()
            self._loop.call_soon(self._begin, following)

    def _write_whole(self, request: Request, response: Response) -> None:
        body = cast("bytes", response.body)
        head = self._head(request, response, len(body))
        if self.transport.is_closing():
            return
        self.transport.write(head if request.method == "HEAD" else head + body)

    async def _write(self, request: Request, response: Response) -> bool:
        """Write the response; return whether the connection must close after it."""
        body = response.body
        if isinstance(body, bytes):
            self._write_whole(request, response)
        elif isinstance(body, OpenedFile):
            self.transport.write(self._head(request, response, body.length))
            if request.method != "HEAD":
                await send_file(self, body)
        else:
            chunks = cast("AsyncIterator[bytes]", body)
            return await self._write_chunks(request, response, chunks)
        return response.close

    async def _write_chunks(
        self, request: Request, response: Response, body: AsyncIterator[bytes]
    ) -> bool:
        known = any(name.lower() == "content-length" for name, _ in response.headers)
        # To a client older than chunks, the end of the connection is the end of the body.
        framed = request.takes_chunks and not known
        self.transport.write(self._head(request, response, None))
        if request.method == "HEAD":
            return response.close
        async for chunk in body:
            if not chunk:
                continue
            await self.drain()
            self.transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if framed else chunk)
        if framed:
            self.transport.write(b"0\r\n\r\n")
        return response.close or not (known or framed)

    async def drain(self) -> None:
        """Wait until the client has room.

        Raises:
            ClientDisconnectedError: it went away.
        """
        if self._writable is not None:
            await self._writable.wait()
        if self.transport.is_closing():
            raise ClientDisconnectedError("the client closed the connection")

    def _head(self, request: Request, response: Response, length: int | None) -> bytes:
        close = response.close or not request.body.complete or not request.keep_alive
        return response_head(response, length, takes_chunks=request.takes_chunks, close=close)

    def _refuse(self, status: int, message: bytes) -> None:
        if not self._closing:
            self._closing = True
            head = f"HTTP/1.1 {status} {REASONS[status]}\r\nconnection: close\r\n"
            self.transport.write(
                head.encode() + b"content-length: %d\r\n\r\n%b" % (len(message), message)
            )
        self.transport.close()

    def close(self) -> None:
        """Close at once when idle, else after the answer under way."""
        self._closing = True
        if not self._busy:
            self.transport.close()

    def _pause_reading(self) -> None:
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()


def _lower_name(name: bytes) -> str:
    """Return a header's name in lower case, and remember it."""
    lowered = name.decode("latin-1").lower()
    if len(_names) < _REMEMBERED_NAMES:
        _names[name] = lowered
    return lowered


def _joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Return the headers, the values of repeated ones joined with a comma."""
    headers: dict[str, str] = {}
    for name, value in pairs:
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def _with_open_body(response: Response) -> Response:
    """Open the file a response names, or answer that what was stored is gone or too short."""
    try:
        response.body = opened(response.body)
    except (OSError, ClientDisconnectedError):
        _log.exception("a stored file cannot be read")
        text = b"what is stored cannot be read; the server's log names the file\n"
        return Response(500, [("content-type", "text/plain")], text)
    return response
