"""A kept-alive connection to one model server over its unix socket.

Model servers speak the container contract: `GET /ping`, `POST /invocations`. One request at a
time per connection; the pool opens as many as are needed at once.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple, cast, overload

import httptools

from sagebrush.base.prompt_sending import PromptSender
from sagebrush.engines.fleets.errors import (
    FleetError,
    NobodyListensError,
    ServerLostError,
    ServerTimeoutError,
)
from sagebrush.engines.fleets.streaming import StreamedAnswer

_MAXIMUM_IDLE = 256
_TIMER_RESOLUTION_S = 0.002
# How long an answer is looked for, and for how many requests none is after one that took longer.
_LOOK_S = 50e-6
_SHORTEST_PAUSE = 4
_LONGEST_PAUSE = 512
_FIRST_FINAL_STATUS = 200
_BODILESS = frozenset({204, 304})
_MAXIMUM_ADDRESS_BYTES = 107
_REMEMBERED_HEADS = 256
_REMEMBERED_HEAD_BYTES = 1024

# A request: all of it, or its head and a view of its body.
Message = bytes | tuple[bytes, memoryview]


@dataclass(slots=True)
class Answer:
    """What a model server answered; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Outcome = Answer | FleetError
Done = Callable[[Outcome], None]
"""Gets what became of a request, within the event loop's call that learns it; raises nothing."""


class _Head(NamedTuple):
    """What the head of an answer says whose body has a stated length, on a kept connection."""

    status: int
    headers: Mapping[str, str]
    length: int


# Heads by their bytes: a model server writes few, again and again.
_heads: dict[bytes, _Head] = {}


class Channel(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        # Who is told of the request under way; None while there is none.
        self._done: Done | None = None
        self._transport: asyncio.Transport | None = None
        # None until the answer to the request under way turns out to need one.
        self._parser: httptools.HttpResponseParser | None = None
        self._headers: dict[str, str] = {}
        self._chunks: list[bytes] = []
        self._until_close = False
        self._answered = 0
        self._deadline = 0.0
        self._timeout_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = 0.0
        self._unlooked = 0
        self._pause = _SHORTEST_PAUSE
        self.reusable = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready for a request."""
        self._transport = cast("asyncio.Transport", transport)
        self._sender = PromptSender(self._transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        """End the answer whose body lasts until the close; fail any other request under way."""
        self.reusable = False
        self._forget_timer()
        if self._until_close and _exc is None:
            self._resolve()
        if self._answered and not self._headers:
            # A kept-alive connection that ends unused says that its server went, not that the
            # request killed it.
            self._settle(NobodyListensError("the model server closed an idle connection"))
        self._settle(ServerLostError("the model server closed the connection before it answered"))

    def data_received(self, data: bytes) -> None:
        """Take a piece of the answer."""
        if self._done is None:
            self._break_off("the model server sent what nobody asked for")
            return
        if self._parser is None:
            if self._take_known(data):
                return
            self._parser = httptools.HttpResponseParser(self)
            begins = True
        else:
            begins = False
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._break_off(f"the model server's answer is not valid HTTP: {error}")
            return
        if begins and self._done is None:
            self._remember(data)

    def _take_known(self, data: bytes) -> bool:
        """Resolve the request if this is a whole answer that begins with a head seen before."""
        end = data.find(b"\r\n\r\n") + 4
        known = _heads.get(data[:end])
        if known is None or known.length != len(data) - end:
            return False
        self._answered += 1
        self._settle(Answer(known.status, known.headers, data[end:]))
        return True

    def _remember(self, data: bytes) -> None:
        """Keep the head of an answer that came in one piece and leaves the connection usable."""
        end = data.find(b"\r\n\r\n") + 4
        length = self._headers.get("content-length", "")
        if self.reusable and end <= _REMEMBERED_HEAD_BYTES and length == str(len(data) - end):
            if len(_heads) >= _REMEMBERED_HEADS:
                _heads.clear()
            _heads[data[:end]] = _Head(self._status, self._headers, int(length))

    def on_message_begin(self) -> None:
        """Notice a second answer to one request: which is whose could not be told any more."""
        if self._done is None:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header of the answer."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Notice a body that nothing but the end of the connection delimits."""
        headers = self._headers
        self._until_close = (
            "content-length" not in headers
            and "transfer-encoding" not in headers
            and self._status not in _BODILESS
        )

    def on_body(self, body: bytes) -> None:
        """Take a piece of the answer's body."""
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        """Resolve the request with the whole answer; informational ones only precede it."""
        if self._status < _FIRST_FINAL_STATUS:
            self._headers = {}
            return
        if self._parser is not None and not self._parser.should_keep_alive():
            self.reusable = False
        self._resolve()

    @property
    def is_open(self) -> bool:
        """Whether a request can be sent."""
        return self.reusable and self._transport is not None and not self._transport.is_closing()

    def ask(self, message: Message, timeout_s: float, done: Done, *, at_once: bool = False) -> None:
        """Send a whole request over an open connection; `done` gets the answer or the error.

        `at_once` sends it now, not together with others at the end of the event loop's turn, and
        may call `done` before it returns.
        That is a ServerLostError when the connection ends first, and a ServerTimeoutError when
        there is no answer within `timeout_s`.
        """
        assert self._transport is not None
        if self._answered:
            self._parser = None
            self._headers = {}
            self._chunks = []
        self._done = done
        self._watch(timeout_s)
        if not isinstance(message, bytes):
            self._transport.writelines(message)
        elif at_once:
            self._sender.send(message)
            self._look_for_answer()
        else:
            self._transport.write(message)

    def _look_for_answer(self) -> None:
        """Look for the answer for a moment: many come sooner than one would fall asleep and wake.

        After one that did not, the next answers are waited for as any others: the more of them,
        the more in succession did not.
        """
        if self._unlooked:
            self._unlooked -= 1
            return
        data = self._sender.look(_LOOK_S)
        if data:
            self._pause = _SHORTEST_PAUSE
            self.data_received(data)
        else:
            self._unlooked = self._pause
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    async def request(self, message: Message, timeout_s: float) -> Answer:
        """Send a whole request and return the answer.

        Raises:
            ServerLostError: the connection ended first.
            ServerTimeoutError: no answer within `timeout_s`.
        """
        if not self.is_open:
            raise NobodyListensError("the model server closed the connection")
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self.ask(message, timeout_s, functools.partial(_resolve, answer))
        try:
            return await answer
        finally:
            if self._done is not None:
                # Nobody waits any more, but the answer may still come.
                self.reusable = False
                self._done = None

    @property
    def _status(self) -> int:
        assert self._parser is not None
        status: int = self._parser.get_status_code()
        return status

    def close(self) -> None:
        """Close the connection."""
        self.reusable = False
        self._forget_timer()
        if self._transport is not None:
            self._transport.close()

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self, timeout_s: float) -> None:
        """Have the request fail in time.

        The timer of an earlier request stays and is set anew when it fires: making and cancelling
        one costs more than sending the request.
        """
        self._timeout_s = timeout_s
        self._deadline = deadline = self._loop.time() + timeout_s
        if self._timer is not None and self._timer_s != timeout_s:
            self._forget_timer()
        if self._timer is None:
            self._timer_s = timeout_s
            self._timer = self._loop.call_at(deadline, self._expire)

    def _resolve(self) -> None:
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._answered += 1
        self._settle(Answer(self._status, self._headers, body))

    def _expire(self) -> None:
        self._timer = None
        if self._done is None:
            return
        # Timers may fire a little early, by the clock's resolution.
        if self._deadline - self._loop.time() > _TIMER_RESOLUTION_S:
            self._timer = self._loop.call_at(self._deadline, self._expire)
            return
        reason = f"no answer from the model server within {self._timeout_s:g} s"
        self.close()
        self._settle(ServerTimeoutError(reason))

    def _break_off(self, reason: str) -> None:
        self.close()
        self._settle(ServerLostError(reason))

    def _settle(self, outcome: Outcome) -> None:
        """Tell who asked, once; whoever is told may ask again at once."""
        done, self._done = self._done, None
        if done is not None:
            done(outcome)


def _resolve(answer: asyncio.Future[Answer], outcome: Outcome) -> None:
    if answer.done():
        return
    if isinstance(outcome, Answer):
        answer.set_result(outcome)
    else:
        answer.set_exception(outcome)


class ChannelPool:
    """The connections to one model server."""

    # Of how many requests `done` is still to be called, in all pools.
    under_way: ClassVar[int] = 0

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._folder = -1
        self._idle: list[Channel] = []
        self._closed = False
        self.outstanding = 0

    async def request(self, message: Message, timeout_s: float) -> Answer:
        """Send a request over a free connection, opening one when none is.

        Raises:
            ServerLostError: nobody listens, or the connection ended before the answer.
            ServerTimeoutError: no answer within `timeout_s`.
        """
        self.outstanding += 1
        try:
            channel = await self._take()
            try:
                return await channel.request(message, timeout_s)
            finally:
                self._give(channel)
        finally:
            self.outstanding -= 1

    def ask(self, message: Message, timeout_s: float, done: Done) -> bool:
        """Send a request over a free connection, as `Channel.ask`; False where none is free."""
        while self._idle:
            channel = self._idle.pop()
            if channel.is_open:
                # Who is alone is not kept waiting for the end of the loop's turn.
                alone = not (self.outstanding or ChannelPool.under_way)
                self.outstanding += 1
                ChannelPool.under_way += 1
                settled = functools.partial(self._settled, channel, done)
                channel.ask(message, timeout_s, settled, at_once=alone)
                return True
        return False

    def _settled(self, channel: Channel, done: Done, outcome: Outcome) -> None:
        self.outstanding -= 1
        ChannelPool.under_way -= 1
        self._give(channel)
        done(outcome)

    async def stream(self, message: bytes, timeout_s: float) -> StreamedAnswer:
        """Send a request over a connection of its own; return once its answer begins.

        The request is outstanding until that connection has ended.

        Raises:
            ServerLostError: nobody listens, or the connection ended before the answer began.
            ServerTimeoutError: it did not begin within `timeout_s`.
        """
        try:
            _, answer = await asyncio.get_running_loop().create_unix_connection(
                lambda: StreamedAnswer(self._stream_ended), self._address()
            )
        except OSError as error:
            raise NobodyListensError(f"no model server listens: {error}") from None
        self.outstanding += 1
        try:
            await answer.send(message, timeout_s)
        except BaseException:
            answer.close()
            raise
        return answer

    def _stream_ended(self) -> None:
        self.outstanding -= 1

    def close(self) -> None:
        """Close every idle connection; those in use close once they are answered."""
        self._closed = True
        for channel in self._idle:
            channel.close()
        self._idle.clear()
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1

    async def _take(self) -> Channel:
        while self._idle:
            channel = self._idle.pop()
            if channel.reusable:
                return channel
        try:
            _, channel = await asyncio.get_running_loop().create_unix_connection(
                Channel, self._address()
            )
        except OSError as error:
            raise NobodyListensError(f"no model server listens: {error}") from None
        return channel

    def _address(self) -> str:
        """Return a name for the socket within the kernel's 107 bytes."""
        direct = str(self._socket)
        if len(os.fsencode(direct)) <= _MAXIMUM_ADDRESS_BYTES:
            return direct
        if self._folder < 0:
            self._folder = os.open(self._socket.parent, os.O_RDONLY | os.O_DIRECTORY)
        return f"/proc/self/fd/{self._folder}/{self._socket.name}"

    def _give(self, channel: Channel) -> None:
        if channel.reusable and not self._closed and len(self._idle) < _MAXIMUM_IDLE:
            self._idle.append(channel)
        else:
            channel.close()


@overload
def compose(
    method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes = b""
) -> bytes: ...
@overload
def compose(
    method: str, path: str, headers: Sequence[tuple[str, str]], body: memoryview
) -> Message: ...
def compose(
    method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes | memoryview = b""
) -> Message:
    """Return the bytes of a request to a model server; line breaks in values become spaces.

    A view as `body` is not copied: it is sent from where it is.
    """
    lines = [f"{method} {path} HTTP/1.1\r\nhost: model\r\n"]
    for name, value in headers:
        if "\n" in value or "\r" in value:
            value = " ".join(value.splitlines())
        lines.append(f"{name}: {value}\r\n")
    lines.append(f"content-length: {len(body)}\r\n\r\n")
    head = "".join(lines).encode("latin-1", "replace")
    return (head, body) if isinstance(body, memoryview) else head + body
