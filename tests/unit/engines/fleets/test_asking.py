"""`Channel.ask` and `ChannelPool.ask`: who asks is told once what became of the request."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.unit.engines.fleets.conftest import ANSWER, Converse, serve_well, until
from tests.unit.engines.fleets.conversations import (
    CHUNKED,
    PING,
    said,
    saying,
    saying_again,
    talk,
)

from sagebrush.engines.fleets import Answer, Outcome, ServerLostError, ServerTimeoutError
from sagebrush.engines.fleets.channel import Channel, ChannelPool
from sagebrush.engines.fleets.errors import NobodyListensError


class Told:
    """Remembers what became of requests."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def __call__(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    async def one(self) -> Outcome:
        """Return the only outcome, a while after it came."""
        await until(lambda: bool(self.outcomes))
        await asyncio.sleep(0.01)
        (outcome,) = self.outcomes
        return outcome


async def _channel(folder: Path) -> Channel:
    loop = asyncio.get_running_loop()
    _, channel = await loop.create_unix_connection(Channel, str(folder / "model.sock"))
    return channel


def tell(folder: Path, converse: Converse, timeout_s: float = 10.0) -> Outcome:
    """Return what a channel's `done` is called with."""

    async def story(_pool: ChannelPool) -> Outcome:
        channel, told = await _channel(folder), Told()
        channel.ask(PING, timeout_s, told)
        outcome = await told.one()
        channel.close()
        await asyncio.sleep(0)
        assert told.outcomes == [outcome]
        return outcome

    outcome: Outcome = talk(folder, converse, story)
    return outcome


def test_whoever_asks_is_told_the_answer_once(folder: Path) -> None:
    outcome = tell(folder, saying(ANSWER))
    assert isinstance(outcome, Answer)
    assert outcome.body == b"ok"


def test_whoever_asks_is_told_once_that_the_server_is_lost(folder: Path) -> None:
    outcome = tell(folder, saying(ANSWER[:-1], close=True))
    assert isinstance(outcome, ServerLostError)
    assert not isinstance(outcome, NobodyListensError)


def test_whoever_asks_is_told_once_of_nonsense(folder: Path) -> None:
    assert isinstance(tell(folder, saying(b"nonsense\r\n\r\n", close=True)), ServerLostError)


def test_whoever_asks_is_told_once_that_time_is_up(folder: Path) -> None:
    outcome = tell(folder, saying(ANSWER[:-1]), timeout_s=0.02)
    assert isinstance(outcome, ServerTimeoutError)


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("first", [ANSWER, CHUNKED])
def test_whoever_is_told_may_ask_again_at_once(folder: Path, first: bytes, at_once: bool) -> None:
    answers = [[first], [said(b"two")], [said(b"two")], [CHUNKED[:-9], CHUNKED[-9:]]]

    async def story(_pool: ChannelPool) -> list[bytes]:
        channel = await _channel(folder)
        bodies: list[bytes] = []

        def done(outcome: Outcome) -> None:
            assert isinstance(outcome, Answer)
            bodies.append(outcome.body)
            if len(bodies) < len(answers):
                channel.ask(PING, 10.0, done, at_once=at_once)

        channel.ask(PING, 10.0, done, at_once=at_once)
        await until(lambda: len(bodies) == len(answers))
        channel.close()
        return bodies

    bodies = talk(folder, saying_again(answers), story)
    assert bodies == [b"ok" if first == ANSWER else b"abcde", b"two", b"two", b"abcde"]


def test_a_second_answer_to_one_request_is_not_the_next_ones(folder: Path) -> None:
    answers = [[ANSWER + said(b"nobody's")], [said(b"two")]]

    async def story(_pool: ChannelPool) -> Outcome:
        channel, told = await _channel(folder), Told()
        channel.ask(PING, 10.0, lambda _: channel.ask(PING, 10.0, told))
        return await told.one()

    assert isinstance(talk(folder, saying_again(answers), story), ServerLostError)


def test_a_pool_asks_over_what_is_idle_only(folder: Path) -> None:
    async def story(pool: ChannelPool) -> None:
        told = Told()
        assert not pool.ask(PING, 10.0, told)
        assert pool.outstanding == 0
        await pool.request(PING, 10.0)
        for _ in range(3):
            assert pool.ask(PING, 10.0, told)
            assert pool.outstanding == 1
            # The only connection is taken.
            assert not pool.ask(PING, 10.0, told)
            assert pool.outstanding == 1
            assert isinstance(await told.one(), Answer)
            assert pool.outstanding == 0
            told.outcomes.clear()

    talk(folder, serve_well, story)


def test_a_pool_has_the_connection_back_when_it_tells(folder: Path) -> None:
    async def story(pool: ChannelPool) -> None:
        await pool.request(PING, 10.0)
        seen: list[tuple[int, bool]] = []
        told = Told()

        def done(_outcome: Outcome) -> None:
            seen.append((pool.outstanding, pool.ask(PING, 10.0, told)))

        assert pool.ask(PING, 10.0, done)
        assert isinstance(await told.one(), Answer)
        assert seen == [(0, True)]

    talk(folder, serve_well, story)


def test_a_pool_does_not_keep_a_connection_that_was_lost(folder: Path) -> None:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER[:-1])
        writer.close()

    async def story(pool: ChannelPool) -> None:
        await pool.request(PING, 10.0)
        told = Told()
        assert pool.ask(PING, 10.0, told)
        assert isinstance(await told.one(), ServerLostError)
        assert pool.outstanding == 0
        assert not pool.ask(PING, 10.0, told)

    talk(folder, converse, story)


def test_a_pool_passes_over_connections_that_have_ended(folder: Path) -> None:
    writers: list[asyncio.StreamWriter] = []

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await serve_well(reader, writer)

    async def story(pool: ChannelPool) -> None:
        await asyncio.gather(*(pool.request(PING, 10.0) for _ in range(2)))
        writers[0].transport.abort()
        await asyncio.sleep(0.02)
        told = Told()
        assert pool.ask(PING, 10.0, told)
        assert not pool.ask(PING, 10.0, told)
        assert isinstance(await told.one(), Answer)

    talk(folder, converse, story)


def test_a_late_answer_to_whom_was_told_already_is_nobodys(folder: Path) -> None:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.04)
        writer.write(ANSWER)
        await reader.read()

    async def story(pool: ChannelPool) -> None:
        await pool.request(PING, 10.0)
        told = Told()
        assert pool.ask(PING, 0.02, told)
        assert isinstance(await told.one(), ServerTimeoutError)
        await asyncio.sleep(0.05)
        assert len(told.outcomes) == 1
        assert not pool.ask(PING, 10.0, told)

    talk(folder, converse, story)
