"""What a client sees of answers that go wrong on their way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from sagebrush.gateway.connection import Connection
from sagebrush.gateway.listener import Listener
from sagebrush.gateway.messages import Request, Response

LIMIT_S = 10.0


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
