"""One HTTP request and the answer to it, as the gateway sees them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Protocol

from sagebrush.base.errors import SagebrushError
from sagebrush.base.streams import FileRange

# Above this much unread body the socket is not read, so that memory stays constant.
_HIGH_WATER_BYTES = 1 << 20
_LOW_WATER_BYTES = 1 << 18


class ClientDisconnectedError(SagebrushError):
    """The client went away before its body was complete, or before it read the answer."""


def _nothing() -> None:
    """There is no socket to pause."""


class RequestBody:
    """A body that arrives while it is read; an async iterator over its chunks, once."""

    __slots__ = (
        "_chunks",
        "_done",
        "_error",
        "_invite",
        "_pause",
        "_paused",
        "_resume",
        "_size",
        "_waiter",
        "length",
        "trailers",
    )

    def __init__(
        self,
        length: int | None,
        pause: Callable[[], None],
        resume: Callable[[], None],
        invite: Callable[[], None] | None = None,
    ) -> None:
        """`invite` is called once somebody wants the body: the client waits for that."""
        self.length = length
        self._invite = invite
        self.trailers: dict[str, str] = {}
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._done = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._pause = pause
        self._resume = resume
        self._paused = False

    @classmethod
    def of(cls, content: bytes) -> RequestBody:
        """Return a body that is here already."""
        body = cls(len(content), _nothing, _nothing)
        body.feed(content)
        body.finish()
        return body

    @property
    def complete(self) -> bool:
        """Whether the last byte has arrived."""
        return self._done

    def feed(self, chunk: bytes) -> None:
        """Take a chunk from the socket."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > _HIGH_WATER_BYTES and not self._paused:
            self._paused = True
            self._pause()
        self._wake()

    def finish(self) -> None:
        """Say that the body is complete."""
        self._done = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """Say that the rest will never come."""
        if not self._done:
            self._error = error
            self._wake()

    def taken(self) -> bytes:
        """Return everything that has arrived; only for a complete body."""
        if len(self._chunks) == 1:
            return self._chunks.popleft()
        whole = b"".join(self._chunks)
        self._chunks.clear()
        return whole

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._invite is not None and not self._done:
            self._invite()
            self._invite = None
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._size -= len(chunk)
                if self._paused and self._size < _LOW_WATER_BYTES:
                    self._paused = False
                    self._resume()
                yield chunk
            if self._error is not None:
                raise self._error
            if self._done:
                return
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


@dataclass(slots=True)
class Request:
    """What came over the socket; header names are lower case, `target` is path and query raw."""

    method: str
    target: str
    headers: dict[str, str]
    body: RequestBody
    secure: bool
    client_address: str
    received: float = 0.0
    # The raw header list, for signatures over repeated headers.
    header_list: list[tuple[str, str]] = field(default_factory=list)
    # What the protocol's version and the connection header say.
    keep_alive: bool = True
    takes_chunks: bool = True


class OpenBody(Protocol):
    """A body that holds a descriptor until it is sent."""

    length: int

    def close(self) -> None:
        """Give the descriptor back."""


ResponseBody = bytes | FileRange | OpenBody | AsyncIterator[bytes]


@dataclass(slots=True)
class Response:
    """What goes back; `length` is known for every body but an unbounded iterator."""

    status: int
    headers: list[tuple[str, str]]
    body: ResponseBody = b""
    close: bool = False
