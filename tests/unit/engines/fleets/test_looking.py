"""Answers that are looked for before the event loop's next turn."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from tests.unit.engines.fleets.conftest import play, until

from sagebrush.base.prompt_sending import PromptSender
from sagebrush.engines.fleets import Answer, Outcome, ServerLostError, compose
from sagebrush.engines.fleets import channel as channels
from sagebrush.engines.fleets.channel import ChannelPool

PING = compose("GET", "/ping", ())
LONG_S = 10.0
LARGE = b"1234567\n" * (1 << 16)


def answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


@contextlib.contextmanager
def server(path: Path, *answers: bytes) -> Iterator[None]:
    """A server in a thread, so that it answers while the event loop is busy; then it hangs up."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            for each in answers:
                if not connection.recv(1 << 16):
                    return
                connection.sendall(each)
            connection.recv(1 << 16)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener:
        yield
    thread.join(LONG_S)
    assert not thread.is_alive()


def tell(folder: Path, story: Callable[[ChannelPool], Awaitable[None]], *answers: bytes) -> None:
    """Run a story with a pool that has one connection, over which a request was answered."""
    path = folder / "model.sock"

    async def scene() -> None:
        pool = ChannelPool(path)
        await pool.request(PING, LONG_S)
        await story(pool)
        assert (pool.outstanding, ChannelPool.under_way) == (0, 0)
        pool.close()

    with server(path, answer(b""), *answers):
        play(scene())


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "_LOOK_S", LONG_S)


@pytest.mark.usefixtures("patient")
def test_an_answer_that_comes_soon_is_told_within_the_call(folder: Path) -> None:
    async def story(pool: ChannelPool) -> None:
        for expected in (b"one", b"two"):
            told: list[Outcome] = []
            assert pool.ask(PING, LONG_S, told.append)
            (outcome,) = told
            assert isinstance(outcome, Answer)
            assert outcome.body == expected

    tell(folder, story, answer(b"one"), answer(b"two"))


@pytest.mark.usefixtures("patient")
def test_the_rest_of_a_long_answer_comes_through_the_loop(folder: Path) -> None:
    async def story(pool: ChannelPool) -> None:
        told: list[Outcome] = []
        assert pool.ask(PING, LONG_S, told.append)
        await until(lambda: bool(told))
        (outcome,) = told
        assert isinstance(outcome, Answer)
        assert outcome.body == LARGE

    tell(folder, story, answer(LARGE))


@pytest.mark.usefixtures("patient")
def test_a_connection_that_ends_instead_is_lost(folder: Path) -> None:
    async def story(pool: ChannelPool) -> None:
        told: list[Outcome] = []
        assert pool.ask(PING, LONG_S, told.append)
        assert told == []
        await until(lambda: bool(told))
        assert isinstance(told[0], ServerLostError)

    tell(folder, story)


@pytest.mark.usefixtures("patient")
def test_only_who_is_alone_looks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ChannelPool, "under_way", 1)

    async def story(pool: ChannelPool) -> None:
        told: list[Outcome] = []
        assert pool.ask(PING, LONG_S, told.append)
        assert told == []
        await until(lambda: bool(told))
        ChannelPool.under_way -= 1

    tell(folder, story, answer(b"one"))


def test_who_looked_in_vain_looks_more_and_more_rarely(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    outcomes: list[Outcome] = []

    def look(_sender: PromptSender, _limit_s: float) -> bytes:
        looks.append(len(outcomes))
        return b""

    monkeypatch.setattr(PromptSender, "look", look)

    async def story(pool: ChannelPool) -> None:
        for number in range(40):
            assert pool.ask(PING, LONG_S, outcomes.append)
            await until(lambda number=number: len(outcomes) > number)  # type: ignore[misc]

    tell(folder, story, *[answer(b"x")] * 40)
    assert looks == [0, 5, 14, 31]
