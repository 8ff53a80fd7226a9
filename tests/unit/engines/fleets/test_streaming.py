"""Streamed answers: part by part, whole or broken off, never faster than they are read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.unit.engines.fleets.conftest import play, until

from sagebrush.engines.fleets import ServerLostError, ServerTimeoutError, compose
from sagebrush.engines.fleets.channel import ChannelPool
from sagebrush.engines.fleets.errors import NobodyListensError

Converse = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: text/plain\r\n\r\n"
INVOKE = compose("POST", "/invocations", (), b"1")


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def asked(
    folder: Path, converse: Converse, story: Callable[[ChannelPool], Awaitable[None]]
) -> None:
    """Play a story with a model server that reads the request and then converses."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(1)
        await converse(reader, writer)
        writer.close()

    async def whole() -> None:
        socket = folder / "model.sock"
        pool = ChannelPool(socket)
        async with await asyncio.start_unix_server(serve, socket):
            await story(pool)
        pool.close()

    play(whole())


def test_parts_come_as_they_are_made(folder: Path) -> None:
    go_on = asyncio.Event()

    async def converse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + chunk(b"first"))
        await go_on.wait()
        writer.write(chunk(b"second") + chunk(b""))
        await writer.drain()

    async def story(pool: ChannelPool) -> None:
        answer = await pool.stream(INVOKE, 5.0)
        assert (answer.status, answer.headers["content-type"]) == (200, "text/plain")
        parts = answer.parts(5.0)
        assert await anext(parts) == b"first"
        assert pool.outstanding == 1
        go_on.set()
        assert [part async for part in parts] == [b"second"]
        answer.close()
        await until(lambda: pool.outstanding == 0)

    asked(folder, converse, story)


@pytest.mark.parametrize(
    ("head", "whole"),
    [(b"content-length: 4\r\n", b"abcd"), (b"connection: close\r\n", b"abcd")],
)
def test_answers_that_are_not_chunked_stream_too(folder: Path, head: bytes, whole: bytes) -> None:
    async def converse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 100 Continue\r\nx-early: 1\r\n\r\n")
        writer.write(b"HTTP/1.1 201 Created\r\n" + head + b"\r\n" + whole)
        await writer.drain()

    async def story(pool: ChannelPool) -> None:
        answer = await pool.stream(INVOKE, 5.0)
        assert answer.status == 201
        assert "x-early" not in answer.headers
        assert await answer.whole(5.0) == whole
        answer.close()

    asked(folder, converse, story)


@pytest.mark.parametrize(
    ("text", "words"),
    [(CHUNKED + chunk(b"half"), "before its answer was whole"), (CHUNKED + b"zz\r\n", "not valid")],
)
def test_a_broken_stream_says_so_after_its_parts(folder: Path, text: bytes, words: str) -> None:
    async def converse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await writer.drain()

    async def story(pool: ChannelPool) -> None:
        answer = await pool.stream(INVOKE, 5.0)
        with pytest.raises(ServerLostError, match=words):
            await answer.whole(5.0)
        await until(lambda: pool.outstanding == 0)

    asked(folder, converse, story)


def test_a_server_that_says_nothing_times_out(folder: Path) -> None:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def story(pool: ChannelPool) -> None:
        with pytest.raises(ServerTimeoutError):
            await pool.stream(INVOKE, 0.02)
        await until(lambda: pool.outstanding == 0)

    asked(folder, converse, story)


def test_a_stream_that_does_not_end_times_out(folder: Path) -> None:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + chunk(b"half"))
        await reader.read()

    async def story(pool: ChannelPool) -> None:
        answer = await pool.stream(INVOKE, 5.0)
        with pytest.raises(ServerTimeoutError):
            await answer.whole(0.02)

    asked(folder, converse, story)


def test_nobody_listens(folder: Path) -> None:
    async def story() -> None:
        with pytest.raises(NobodyListensError):
            await ChannelPool(folder / "model.sock").stream(INVOKE, 1.0)

    play(story())


def test_a_reader_that_is_slow_holds_the_server_up(folder: Path) -> None:
    written = 0

    async def converse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(CHUNKED)
        for _number in range(64):
            writer.write(chunk(bytes(1 << 20)))
            await writer.drain()
            written += 1
        writer.write(chunk(b""))

    async def story(pool: ChannelPool) -> None:
        answer = await pool.stream(INVOKE, 5.0)
        parts = answer.parts(20.0)
        await anext(parts)
        await asyncio.sleep(0.2)
        # What neither the kernel's buffers nor ours hold has not been written.
        assert written < 16
        assert sum([len(part) async for part in parts]) <= 64 << 20
        assert written == 64
        answer.close()

    asked(folder, converse, story)
