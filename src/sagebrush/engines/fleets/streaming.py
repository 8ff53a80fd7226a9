"""An answer of a model server that is passed on while it is still being made."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import cast

import httptools

from sagebrush.engines.fleets.errors import (
    NobodyListensError,
    ServerLostError,
    ServerTimeoutError,
)

# How much a model server may be ahead of who reads before it has to wait.
_AHEAD_BYTES = 1 << 20
_FIRST_FINAL_STATUS = 200


class StreamedAnswer(asyncio.Protocol):
    """One request on a connection of its own, and the answer as it comes.

    `on_closed` is called once, when the connection has ended.
    """

    def __init__(self, on_closed: Callable[[], None]) -> None:
        self._on_closed = on_closed
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._parts: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._complete = False
        self._head_seen = False
        self._broken: ServerLostError | None = None
        self._changed = asyncio.Event()
        self.status = 0
        self.headers: dict[str, str] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready for a request."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        """End what nothing else delimits; anything that is not whole is broken off."""
        delimited = {"content-length", "transfer-encoding"} & self.headers.keys()
        if self._head_seen and not delimited and _exc is None:
            self._complete = True
        if not self._complete:
            self._break("the model server closed the connection before its answer was whole")
        self._changed.set()
        self._on_closed()

    def data_received(self, data: bytes) -> None:
        """Take a piece of the answer."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._break(f"the model server's answer is not valid HTTP: {error}")
            self.close()
        self._changed.set()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header of the answer."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Know status and headers; informational answers only precede the real one."""
        status = self._parser.get_status_code()
        if status < _FIRST_FINAL_STATUS:
            self.headers = {}
            return
        self.status = status
        self._head_seen = True

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body, and let the server wait when nobody takes them."""
        self._parts.append(body)
        self._waiting_bytes += len(body)
        if self._waiting_bytes > _AHEAD_BYTES and self._transport is not None:
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """Know that the answer is whole."""
        self._complete = self._head_seen

    async def send(self, message: bytes, timeout_s: float) -> None:
        """Send a whole request and return once status and headers of its answer are there.

        Raises:
            ServerLostError: the connection ended first.
            ServerTimeoutError: they did not come within `timeout_s`.
        """
        if self._transport is None or self._transport.is_closing():
            raise NobodyListensError("the model server closed the connection")
        self._transport.write(message)
        await self._until(lambda: self._head_seen, timeout_s)

    async def parts(self, timeout_s: float) -> AsyncIterator[bytes]:
        """Yield the pieces of the body as they come.

        Raises:
            ServerLostError: the connection ended before the answer was whole.
            ServerTimeoutError: the answer was not whole `timeout_s` after the first was asked for.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while True:
            await self._until(lambda: bool(self._parts) or self._complete, deadline - loop.time())
            if not self._parts:
                return
            part = self._parts.popleft()
            self._waiting_bytes -= len(part)
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()
            yield part

    async def whole(self, timeout_s: float) -> bytes:
        """Return all of the body that is still to come; errors as `parts`."""
        return b"".join([part async for part in self.parts(timeout_s)])

    def close(self) -> None:
        """Let go of the connection, whatever is still under way."""
        if self._transport is not None:
            self._transport.close()

    async def _until(self, holds: Callable[[], bool], timeout_s: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, timeout_s)):
                while not holds():
                    if self._broken is not None:
                        raise self._broken
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            self.close()
            raise ServerTimeoutError("no answer from the model server in time") from None

    def _break(self, reason: str) -> None:
        if self._broken is None:
            self._broken = ServerLostError(reason)
