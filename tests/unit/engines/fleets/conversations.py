"""What servers say over a connection, and what is done with a pool of connections to them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.unit.engines.fleets.conftest import Converse, play

from sagebrush.engines.fleets import compose
from sagebrush.engines.fleets.channel import ChannelPool

PING = compose("GET", "/ping", ())
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


def talk(folder: Path, converse: Converse, story: Callable[[ChannelPool], Awaitable[Any]]) -> Any:
    """Run `story` with a pool of connections to a server that does `converse` on each."""

    async def scene() -> Any:
        path = folder / "model.sock"
        connections: list[asyncio.StreamWriter] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.append(writer)
            await converse(reader, writer)

        listener = await asyncio.start_unix_server(serve, path)
        pool = ChannelPool(path)
        try:
            return await story(pool)
        finally:
            pool.close()
            assert pool.outstanding == 0
            listener.close()
            for connection in connections:
                connection.close()
            path.unlink()

    return play(scene())


def saying(*pieces: bytes, close: bool = False) -> Converse:
    """A server that sends these pieces, apart, for the first request and then nothing."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0)
        if close:
            writer.close()

    return converse


def saying_again(answers: list[list[bytes]]) -> Converse:
    """A server that answers the requests of a connection one after the other, in these pieces."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for pieces in answers:
            await reader.readuntil(b"\r\n\r\n")
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0)
        await reader.read()

    return converse


def said(body: bytes, *headers: bytes, status: int = 200) -> bytes:
    lines = [b"HTTP/1.1 %d Said" % status, *headers, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
