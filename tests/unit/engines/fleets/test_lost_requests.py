"""Requests whose processes die or say nothing: asked again, within bounds."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.unit.engines.fleets.conftest import (
    ANSWER,
    Scene,
    play,
    serve_well,
    until,
)

from sagebrush.engines.fleets import (
    ServerLostError,
    ServerTimeoutError,
    errors,
)


def test_a_request_whose_server_dies_is_asked_once_more(folder: Path) -> None:
    deaths = 0

    async def dies_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal deaths
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/ping" not in head:
            deaths += 1
            writer.close()
            return
        writer.write(ANSWER)
        await serve_well(reader, writer) if deaths else await dies_once(reader, writer)

    async def story() -> None:
        scene = Scene(folder)
        scene.supervisor.converse = dies_once
        await scene.deploy("one", ("a", 1))
        asking = asyncio.create_task(scene.invoke())
        await until(lambda: deaths == 1)
        scene.supervisor.converse = serve_well
        scene.supervisor.alive[0].die()
        assert await asking == (b"ok", "a")

    play(story())


def test_a_request_that_kills_every_server_is_refused_and_says_where(folder: Path) -> None:
    asked = 0

    async def fragile(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        if b"/ping" in await reader.readuntil(b"\r\n\r\n"):
            writer.write(ANSWER)
            await reader.readuntil(b"\r\n\r\n")
        asked += 1
        writer.transport.abort()

    async def story() -> None:
        scene = Scene(folder)
        scene.supervisor.converse = fragile
        await scene.deploy("one", ("a", 1))
        # The ping's connection is idle when it ends: nothing was worked on yet.
        with pytest.raises(ServerLostError) as caught:
            await scene.invoke()
        assert caught.value.variant is not None
        assert caught.value.variant.name == "a"
        assert asked == 3

    play(story())


@pytest.mark.parametrize(("lasts_s", "times"), [(0.05, 2), (0.0, 3)])
def test_a_request_that_kills_over_kept_connections_is_given_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch, lasts_s: float, times: int
) -> None:
    """Every process answers pings first, so the connection that it dies over was idle before."""
    monkeypatch.setattr(errors, "_IDLE_END_S", 0.02)
    asked = 0

    async def fragile(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await reader.readuntil(b"\r\n\r\n")
        asked += 1
        await asyncio.sleep(lasts_s)
        scene.supervisor.alive[0].die()

    async def story() -> None:
        nonlocal scene
        scene = Scene(folder)
        scene.supervisor.converse = fragile
        await scene.deploy("one", ("a", 1))
        with pytest.raises(ServerLostError):
            await scene.invoke()
        assert asked == times

    scene: Any = None
    play(story())


def test_a_timeout_is_not_asked_again(folder: Path) -> None:
    asked = 0

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while head := await reader.readuntil(b"\r\n\r\n"):
            if b"/ping" in head:
                writer.write(ANSWER)
            else:
                asked += 1
                await reader.read()
                return

    async def story() -> None:
        scene = Scene(folder)
        scene.supervisor.converse = silent
        await scene.deploy("one", ("a", 1))
        with pytest.raises(ServerTimeoutError):
            await scene.invoke(timeout_s=0.02)
        assert asked == 1

    play(story())
