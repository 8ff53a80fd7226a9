"""What a client sees of answers that go wrong on their way, and of those to taken requests."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvloop

from sagebrush.gateway.connection import Connection
from sagebrush.gateway.listener import Listener
from sagebrush.gateway.messages import Request, Response

LIMIT_S = 10.0
Story = Callable[["Taking", "Client"], Awaitable[None]]


class Failing:
    """An application whose answer breaks off after its first piece."""

    def answer(self, _request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"begun"
            raise ValueError("a defect")

        return Response(200, [], pieces())

    def take(self, _connection: Connection, _data: bytes) -> bool:
        return False

    def tunnel(self, _connection: Connection, _host: str, _port: int) -> None:
        raise AssertionError("nobody asked")


def test_an_answer_that_breaks_off_ends_the_connection_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def exchange() -> bytes:
        loop = asyncio.get_running_loop()
        listener = Listener(Failing(), lambda: pytest.fail("no TLS here"))
        server = await loop.create_server(listener.factory(secure=False), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        received = b""
        try:
            async with asyncio.timeout(LIMIT_S):
                received = await reader.read()
        except ConnectionResetError:
            pass
        finally:
            writer.close()
            server.close()
        return received

    with caplog.at_level(logging.ERROR):
        assert not asyncio.run(exchange()).endswith(b"0\r\n\r\n")
    assert "an answer broke off" in caplog.text
    assert "a defect" in caplog.text


class Taking:
    """An application that takes whole requests with a body, and leaves the rest to the parser."""

    def __init__(self) -> None:
        self.offered: list[bytes] = []
        self.taken: list[tuple[Connection, bytes]] = []
        self.parsed: list[str] = []
        self.connections: list[Connection] = []

    def take(self, connection: Connection, data: bytes) -> bool:
        self.offered.append(data)
        self.connections.append(connection)
        head, end, body = data.partition(b"\r\n\r\n")
        if not end or b"content-length: %d" % len(body) not in head or not body:
            return False
        connection.engage()
        self.taken.append((connection, body))
        return True

    def answer(self, request: Request) -> Response:
        self.parsed.append(request.target)
        return Response(200, [], b"parsed " + request.body.taken())

    def tunnel(self, _connection: Connection, _host: str, _port: int) -> None:
        raise AssertionError("nobody asked")

    def deliver(self, *, close: bool = False) -> None:
        connection, body = self.taken[-1]
        connection.deliver(Response(200, [], b"taken " + body, close=close))


class Client:
    """The other end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def answer(self) -> bytes:
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.partition(b"content-length: ")[2].partition(b"\r")[0])
        return await self.reader.readexactly(length)


def request_of(body: bytes, target: str = "/a") -> bytes:
    return f"POST {target} HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.001)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def play(request: pytest.FixtureRequest) -> Callable[[Story], None]:
    """Run a story of an application and a client on each kind of loop."""

    def run(story: Story) -> None:
        async def scene() -> None:
            application = Taking()
            listener = Listener(application, lambda: pytest.fail("no TLS here"))
            loop = asyncio.get_running_loop()
            server = await loop.create_server(listener.factory(secure=False), "127.0.0.1", 0)
            streams = await asyncio.open_connection(*server.sockets[0].getsockname())
            try:
                async with asyncio.timeout(LIMIT_S):
                    await story(application, Client(*streams))
            finally:
                streams[1].close()
                server.close()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(scene())

    return run


def test_a_request_that_is_taken_is_answered_later(play: Callable[[Story], None]) -> None:
    async def story(application: Taking, client: Client) -> None:
        for body in (b"one", b"two"):
            client.writer.write(request_of(body))
            await until(
                lambda body=body: application.taken[-1:] and application.taken[-1][1] == body
            )
            assert not application.connections[0].idle
            application.deliver()
            assert await client.answer() == b"taken " + body
            assert application.connections[0].idle
        assert application.parsed == []

    play(story)


def test_what_comes_meanwhile_waits_its_turn(play: Callable[[Story], None]) -> None:
    async def story(application: Taking, client: Client) -> None:
        client.writer.write(request_of(b"one"))
        await until(lambda: len(application.taken) == 1)
        client.writer.write(request_of(b"two", "/b") + request_of(b"three", "/c"))
        await asyncio.sleep(0.02)
        assert application.parsed == []
        assert len(application.offered) == 1
        application.deliver()
        assert await client.answer() == b"taken one"
        assert await client.answer() == b"parsed two"
        assert await client.answer() == b"parsed three"
        client.writer.write(request_of(b"four"))
        await until(lambda: len(application.taken) == 2)
        application.deliver()
        assert await client.answer() == b"taken four"

    play(story)


def test_a_request_does_not_overtake_one_that_waits(play: Callable[[Story], None]) -> None:
    async def story(application: Taking, client: Client) -> None:
        client.writer.write(request_of(b"one"))
        await until(lambda: len(application.taken) == 1)
        connection = application.connections[0]
        connection.data_received(request_of(b"two", "/b"))
        application.deliver()
        connection.data_received(request_of(b"three", "/c"))
        assert await client.answer() == b"taken one"
        assert await client.answer() == b"parsed two"
        assert await client.answer() == b"parsed three"
        await until(lambda: connection.idle)

    play(story)


def test_half_a_request_that_comes_meanwhile_is_completed_by_the_parser(
    play: Callable[[Story], None],
) -> None:
    async def story(application: Taking, client: Client) -> None:
        client.writer.write(request_of(b"one"))
        await until(lambda: len(application.taken) == 1)
        whole = request_of(b"two", "/b")
        client.writer.write(whole[:20])
        await asyncio.sleep(0.02)
        application.deliver()
        assert await client.answer() == b"taken one"
        client.writer.write(whole[20:])
        assert await client.answer() == b"parsed two"
        assert len(application.offered) == 1

    play(story)


@pytest.mark.parametrize("cut", [1, 10, 30, -3, -1])
def test_a_request_in_two_pieces_is_the_parsers(play: Callable[[Story], None], cut: int) -> None:
    async def story(application: Taking, client: Client) -> None:
        # The second piece looks like a whole request itself.
        whole = request_of(request_of(b"inner"), "/b")
        cut_at = cut if cut > 0 else len(whole) + cut
        client.writer.write(whole[:cut_at])
        await until(lambda: len(application.offered) == 1)
        client.writer.write(whole[cut_at:])
        assert await client.answer() == b"parsed " + request_of(b"inner")
        assert application.offered == [whole[:cut_at]]
        client.writer.write(request_of(b"next"))
        await until(lambda: len(application.taken) == 1)
        application.deliver()
        assert await client.answer() == b"taken next"

    play(story)


def test_a_body_that_looks_like_a_request_is_none(play: Callable[[Story], None]) -> None:
    async def story(application: Taking, client: Client) -> None:
        inner = request_of(b"inner")
        whole = request_of(inner, "/b")
        head = whole.removesuffix(inner)
        client.writer.write(head)
        await until(lambda: len(application.offered) == 1)
        client.writer.write(inner)
        assert await client.answer() == b"parsed " + inner
        assert (application.offered, application.taken) == ([head], [])

    play(story)


@pytest.mark.parametrize("at_once", [False, True])
def test_a_client_that_goes_away_before_its_answer(
    play: Callable[[Story], None], at_once: bool
) -> None:
    async def story(application: Taking, client: Client) -> None:
        client.writer.write(request_of(b"one"))
        await until(lambda: len(application.taken) == 1)
        connection, _ = application.taken[0]
        ended = client.writer.get_extra_info("socket")
        ended.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.writer.transport.abort()
        await until(connection.transport.is_closing)
        connection.deliver_message(b"HTTP/1.1 200 OK\r\n\r\n", at_once=at_once)
        assert connection.idle

    play(story)


def test_a_client_that_only_ends_its_side_gets_its_answer(play: Callable[[Story], None]) -> None:
    async def story(application: Taking, client: Client) -> None:
        client.writer.write(request_of(b"one"))
        await until(lambda: len(application.taken) == 1)
        client.writer.write_eof()
        await asyncio.sleep(0.02)
        application.deliver()
        assert (await client.reader.read()).endswith(b"\r\n\r\ntaken one")

    play(story)


def test_an_answer_may_close_the_connection(play: Callable[[Story], None]) -> None:
    async def story(application: Taking, client: Client) -> None:
        client.writer.write(request_of(b"one"))
        await until(lambda: len(application.taken) == 1)
        application.deliver(close=True)
        received = await client.reader.read()
        assert b"\r\nconnection: close\r\n" in received
        assert received.endswith(b"taken one")

    play(story)


def test_a_connection_that_is_closed_meanwhile_ends_with_the_answer(
    play: Callable[[Story], None],
) -> None:
    async def story(application: Taking, client: Client) -> None:
        client.writer.write(request_of(b"one"))
        await until(lambda: len(application.taken) == 1)
        application.taken[0][0].close()
        application.deliver()
        assert (await client.reader.read()).endswith(b"taken one")

    play(story)


def test_what_is_released_is_the_parsers(play: Callable[[Story], None]) -> None:
    async def story(application: Taking, client: Client) -> None:
        take = application.take

        def undecided(connection: Connection, data: bytes) -> bool:
            if take(connection, data):
                connection.release()
            return False

        application.take = undecided  # type: ignore[method-assign]
        client.writer.write(request_of(b"one"))
        assert await client.answer() == b"parsed one"

    play(story)


def test_an_answer_that_is_awaited(play: Callable[[Story], None]) -> None:
    async def story(application: Taking, client: Client) -> None:
        async def response() -> Response:
            await asyncio.sleep(0)
            return Response(418, [("x-one", "1")], b"later")

        client.writer.write(request_of(b"one"))
        await until(lambda: len(application.taken) == 1)
        application.taken[0][0].deliver_later(response())
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 418 ")
        assert b"\r\nx-one: 1\r\n" in head
        assert await client.reader.readexactly(5) == b"later"

    play(story)
