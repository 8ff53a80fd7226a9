"""Request bodies: order, flow control, early ends."""

from __future__ import annotations

import asyncio

import pytest

from sagebrush.gateway.bodies import read_whole
from sagebrush.gateway.messages import ClientDisconnectedError, RequestBody

MIB = 1 << 20


class Socket:
    """Counts what a body asks of its socket."""

    def __init__(self) -> None:
        self.pauses = 0
        self.resumes = 0

    def pause(self) -> None:
        self.pauses += 1

    def resume(self) -> None:
        self.resumes += 1


def new_body(length: int | None = None) -> tuple[RequestBody, Socket]:
    socket = Socket()
    return RequestBody(length, socket.pause, socket.resume), socket


def test_chunks_come_in_order_while_they_arrive() -> None:
    async def story() -> list[bytes]:
        body, _ = new_body()
        loop = asyncio.get_running_loop()
        for position, chunk in enumerate((b"a", b"b", b"c")):
            loop.call_later(0.001 * position, body.feed, chunk)
        loop.call_later(0.005, body.finish)
        return [chunk async for chunk in body]

    assert b"".join(asyncio.run(story())) == b"abc"


def test_the_socket_is_paused_above_the_mark_and_resumed_below() -> None:
    async def story() -> None:
        body, socket = new_body()
        for _ in range(5):
            body.feed(b"x" * (MIB // 2))
        assert (socket.pauses, socket.resumes) == (1, 0)
        body.finish()
        assert sum([len(chunk) async for chunk in body]) == 5 * MIB // 2
        assert (socket.pauses, socket.resumes) == (1, 1)

    asyncio.run(story())


def test_a_client_that_leaves_fails_the_reader_after_what_it_sent() -> None:
    async def story() -> None:
        body, _ = new_body(10)
        body.feed(b"12345")
        body.fail(ClientDisconnectedError("gone"))
        chunks = aiter(body)
        assert await anext(chunks) == b"12345"
        with pytest.raises(ClientDisconnectedError):
            await anext(chunks)

    asyncio.run(story())


@pytest.mark.parametrize(("size", "expected"), [(10, True), (11, False)])
def test_a_limit_is_a_limit(size: int, expected: bool) -> None:
    whole = asyncio.run(read_whole(RequestBody.of(b"x" * size), 10))
    assert (whole is not None) is expected
