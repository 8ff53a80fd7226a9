"""What is sent at once arrives whole and in order; what is read at once nobody else gets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from sagebrush.base.prompt_sending import PromptSender

LIMIT_S = 20.0
LARGE = bytes(range(256)) * (1 << 12)
Story = Callable[["Scene"], Awaitable[None]]


class Writer(asyncio.Protocol):
    """Takes note of what it is given first, and how its connection ended."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.received: asyncio.Future[bytes] = loop.create_future()
        self.lost: asyncio.Future[Exception | None] = loop.create_future()

    def data_received(self, data: bytes) -> None:
        self.received.set_result(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set_result(error)


class Scene:
    """A sender at one end of a pair of sockets."""

    def __init__(self, transport: Any, protocol: Writer, far: socket.socket) -> None:
        self.transport: asyncio.Transport = transport
        self.protocol = protocol
        self.far = far
        self.sender = PromptSender(self.transport)

    async def read(self, length: int) -> bytes:
        received = bytearray()
        loop = asyncio.get_running_loop()
        while len(received) < length:
            received += await loop.sock_recv(self.far, 4096)
        return bytes(received)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def play(request: pytest.FixtureRequest) -> Callable[[Story], None]:
    """Run a story on each kind of loop."""

    def run(story: Story) -> None:
        async def scene() -> None:
            near, far = socket.socketpair()
            near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            far.setblocking(False)
            near.setblocking(False)
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(LIMIT_S):
                transport, protocol = await loop.create_unix_connection(Writer, sock=near)
                with far:
                    await story(Scene(transport, protocol, far))
                transport.abort()
                await protocol.lost

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(scene())

    return run


def test_a_short_message_is_there_at_once(play: Callable[[Story], None]) -> None:
    async def story(scene: Scene) -> None:
        scene.sender.send(b"now")
        assert scene.far.recv(16) == b"now"

    play(story)


def test_a_slow_reader_gets_everything_in_order(play: Callable[[Story], None]) -> None:
    messages = [LARGE, b"short", LARGE[::-1], b"", b"last"]

    async def story(scene: Scene) -> None:
        for message in messages:
            scene.sender.send(message)
        assert scene.transport.get_write_buffer_size() > 0
        whole = b"".join(messages)
        assert await scene.read(len(whole)) == whole

    play(story)


def test_what_is_sent_overtakes_nothing_that_waits(play: Callable[[Story], None]) -> None:
    async def story(scene: Scene) -> None:
        scene.transport.write(LARGE)
        scene.sender.send(b"second")
        scene.transport.write(b"third")
        scene.sender.send(b"fourth")
        whole = LARGE + b"secondthirdfourth"
        assert await scene.read(len(whole)) == whole

    play(story)


def test_room_in_the_socket_is_for_what_waits(play: Callable[[Story], None]) -> None:
    async def story(scene: Scene) -> None:
        scene.transport.write(LARGE)
        assert scene.transport.get_write_buffer_size() > 0
        # Nobody has told the transport of it yet.
        received = scene.far.recv(1 << 16)
        scene.sender.send(b"second")
        whole = LARGE + b"second"
        assert received + await scene.read(len(whole) - len(received)) == whole

    play(story)


def test_short_messages_of_both_ways_keep_their_order(play: Callable[[Story], None]) -> None:
    async def story(scene: Scene) -> None:
        expected = b""
        for number in range(200):
            message = b"%d." % number
            write = scene.sender.send if number % 3 else scene.transport.write
            write(message)
            expected += message
            if number % 7 == 0:
                await asyncio.sleep(0)
        assert await scene.read(len(expected)) == expected

    play(story)


def test_an_error_of_the_socket_is_the_transports(play: Callable[[Story], None]) -> None:
    async def story(scene: Scene) -> None:
        scene.transport.pause_reading()
        scene.far.close()
        scene.sender.send(b"to nobody")
        assert isinstance(await scene.protocol.lost, OSError)

    play(story)


def test_what_has_to_be_encrypted_goes_through_the_transport() -> None:
    written: list[bytes] = []

    class Encrypting(asyncio.Transport):
        def get_extra_info(self, _name: str, _default: Any = None) -> Any:
            raise AssertionError("the socket is nobody else's")

        def get_write_buffer_size(self) -> int:
            return 0

        def write(self, data: Any) -> None:
            written.append(data)

    PromptSender(Encrypting(), secure=True).send(b"secret")
    assert written == [b"secret"]


def test_what_has_come_is_read_before_the_transport_does(play: Callable[[Story], None]) -> None:
    async def story(scene: Scene) -> None:
        scene.far.send(b"an answer")
        assert scene.sender.look(LIMIT_S) == b"an answer"
        scene.far.send(b"the transport's")
        assert await scene.protocol.received == b"the transport's"

    play(story)


def test_what_does_not_come_is_not_waited_for(play: Callable[[Story], None]) -> None:
    async def story(scene: Scene) -> None:
        assert scene.sender.look(1e-4) == b""
        scene.far.send(b"late")
        assert await scene.protocol.received == b"late"

    play(story)


def test_the_end_of_a_connection_is_the_transports(play: Callable[[Story], None]) -> None:
    async def story(scene: Scene) -> None:
        scene.far.close()
        assert scene.sender.look(LIMIT_S) == b""
        assert await scene.protocol.lost is None

    play(story)


def test_a_closing_transport_is_not_read(play: Callable[[Story], None]) -> None:
    async def story(scene: Scene) -> None:
        scene.far.send(b"too late")
        scene.transport.close()
        assert scene.sender.look(LIMIT_S) == b""

    play(story)
