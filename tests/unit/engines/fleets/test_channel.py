"""HTTP answers however they arrive, and connections that break."""

from __future__ import annotations

import asyncio
import itertools
import os
from pathlib import Path
from typing import Any

import httptools
import pytest
import uvloop
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.unit.engines.fleets.conftest import ANSWER, Converse, play, serve_well, until
from tests.unit.engines.fleets.conversations import (
    CHUNKED,
    PING,
    said,
    saying,
    saying_again,
    talk,
)

from sagebrush.engines.fleets import (
    Answer,
    ServerLostError,
    ServerTimeoutError,
    compose,
)
from sagebrush.engines.fleets.channel import ChannelPool
from sagebrush.engines.fleets.errors import NobodyListensError


def ask(folder: Path, converse: Converse, timeout_s: float = 10.0) -> Answer:
    answer: Answer = talk(folder, converse, lambda pool: pool.request(PING, timeout_s))
    return answer


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    chunks=st.lists(st.binary(min_size=1, max_size=100), max_size=4),
    chunked=st.booleans(),
    cuts=st.sets(st.integers(1, 400), max_size=6),
    status=st.sampled_from([200, 201, 400, 424, 500]),
)
def test_an_answer_is_whole_however_it_is_cut(
    folder: Path, chunks: list[bytes], chunked: bool, cuts: set[int], status: int
) -> None:
    body = b"".join(chunks)
    if chunked:
        framed = b"".join(b"%X;x=1\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
        length, sent_body = b"transfer-encoding: chunked", framed + b"0\r\ntrailer: 1\r\n\r\n"
    else:
        length, sent_body = b"Content-Length: %d" % len(body), body
    sent = b"HTTP/1.1 %d Said\r\nX-One: 1\r\n%b\r\n\r\n%b" % (status, length, sent_body)
    edges = [0, *sorted(cut for cut in cuts if cut < len(sent)), len(sent)]
    pieces = [sent[start:end] for start, end in itertools.pairwise(edges)]
    answer = ask(folder, saying(*pieces))
    assert (answer.status, answer.body, answer.headers["x-one"]) == (status, body, "1")


def test_a_body_may_last_until_the_connection_ends(folder: Path) -> None:
    answer = ask(folder, saying(b"HTTP/1.1 200 OK\r\n\r\nall", b" of it", close=True))
    assert answer.body == b"all of it"


def test_an_answer_without_a_body(folder: Path) -> None:
    answer = ask(folder, saying(b"HTTP/1.1 204 No Content\r\n\r\n"))
    assert (answer.status, answer.body) == (204, b"")


def test_informational_answers_only_precede_the_answer(folder: Path) -> None:
    answer = ask(folder, saying(b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\n", ANSWER))
    assert (answer.status, answer.headers, answer.body) == (200, {"content-length": "2"}, b"ok")


@pytest.mark.parametrize(
    "said",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        CHUNKED.replace(b"3\r\n", b"zz\r\n"),
        b"\0" * 100,
    ],
)
def test_no_http_is_a_lost_server(folder: Path, said: bytes) -> None:
    with pytest.raises(ServerLostError):
        ask(folder, saying(said, close=True))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=200))
def test_whatever_comes_ends_in_an_answer_or_an_error(folder: Path, said: bytes) -> None:
    try:
        answer = ask(folder, saying(said, close=True))
    except ServerLostError:
        return
    parsed: list[bytes] = []

    class Oracle:
        def on_body(self, body: bytes) -> None:
            parsed.append(body)

    httptools.HttpResponseParser(Oracle()).feed_data(said)
    assert answer.body == b"".join(parsed)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200", ANSWER[:-1], CHUNKED[:-4]])
def test_an_answer_that_breaks_off_is_a_lost_server(folder: Path, said: bytes) -> None:
    with pytest.raises(ServerLostError) as caught:
        ask(folder, saying(said, close=True))
    assert not isinstance(caught.value, NobodyListensError)


def test_nobody_listens(folder: Path) -> None:
    async def story() -> None:
        pool = ChannelPool(folder / "nothing.sock")
        with pytest.raises(NobodyListensError):
            await pool.request(PING, 1.0)
        assert pool.outstanding == 0

    play(story())


def test_a_late_answer_is_a_timeout_and_its_connection_is_not_used_again(folder: Path) -> None:
    connections = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections > 1:
            await serve_well(reader, writer)
        await reader.read()

    async def story(pool: ChannelPool) -> Answer:
        with pytest.raises(ServerTimeoutError):
            await pool.request(PING, 0.02)
        return await pool.request(PING, 10.0)

    assert talk(folder, converse, story).body == b"ok"
    assert connections == 2


def test_a_cancelled_request_does_not_leave_its_answer_to_the_next(folder: Path) -> None:
    connections = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        if connections == 1:
            await asyncio.sleep(0.01)
            writer.write(ANSWER.replace(b"ok", b"no"))
        else:
            writer.write(ANSWER)

    async def story(pool: ChannelPool) -> Answer:
        asking = asyncio.create_task(pool.request(PING, 10.0))
        await until(lambda: connections == 1)
        asking.cancel()
        await asyncio.wait([asking])
        return await pool.request(PING, 10.0)

    assert talk(folder, converse, story).body == b"ok"


def test_a_connection_serves_many_requests(folder: Path) -> None:
    connections = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await serve_well(reader, writer)

    async def story(pool: ChannelPool) -> None:
        for _ in range(5):
            await pool.request(PING, 10.0)
        together = [pool.request(PING, 10.0) for _ in range(3)]
        assert pool.outstanding == 0
        await asyncio.gather(*together)
        assert connections == 3

    talk(folder, converse, story)


@pytest.mark.parametrize(
    "said",
    [
        ANSWER.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"),
        ANSWER + b"more than was asked for",
        ANSWER + ANSWER.replace(b"ok", b"no"),
    ],
)
def test_a_connection_that_cannot_be_trusted_again_is_not(folder: Path, said: bytes) -> None:
    connections = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await saying(said)(reader, writer)

    async def story(pool: ChannelPool) -> list[bytes]:
        return [(await pool.request(PING, 10.0)).body for _ in range(2)]

    assert talk(folder, converse, story) == [b"ok", b"ok"]
    assert connections == 2


def test_an_idle_connection_that_ended_says_that_nothing_was_worked_on(folder: Path) -> None:
    over = asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        over.set()

    async def story(pool: ChannelPool) -> None:
        await pool.request(PING, 10.0)
        with pytest.raises(NobodyListensError):
            await pool.request(PING, 10.0)

    talk(folder, converse, story)


def test_a_closed_pool_keeps_no_connection(folder: Path) -> None:
    ended: list[bytes] = []
    release = asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await release.wait()
        writer.write(ANSWER)
        ended.append(await reader.read())

    async def story(pool: ChannelPool) -> None:
        asking = asyncio.create_task(pool.request(PING, 10.0))
        await until(lambda: pool.outstanding == 1)
        pool.close()
        release.set()
        assert (await asking).body == b"ok"
        await until(lambda: ended == [b""])

    talk(folder, converse, story)


def test_a_socket_deeper_than_its_name_may_be_long(folder: Path) -> None:
    deep = folder / ("d" * 120)
    deep.mkdir()
    answer: Answer = play(_served_below(deep))
    assert answer.body == b"ok"


async def _served_below(deep: Path) -> Answer:
    before = _open_files()
    descriptor = os.open(deep, os.O_RDONLY)
    listener = await asyncio.start_unix_server(serve_well, f"/proc/self/fd/{descriptor}/m.sock")
    pool = ChannelPool(deep / "m.sock")
    answer = await pool.request(PING, 10.0)
    pool.close()
    listener.close()
    os.close(descriptor)
    await asyncio.sleep(0.01)
    assert _open_files() <= before
    return answer


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@example({"content-type": "text/csv\r\ncontent-length: 0\r\n\r\nGET / HTTP/1.1"}, b"")
@example({"accept": "a\nb"}, b"")
@given(
    st.dictionaries(
        st.sampled_from(["content-type", "accept"]),
        st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"])),
    ),
    st.binary(max_size=100),
)
def test_a_request_is_one_request(headers: dict[str, str], body: bytes) -> None:
    seen: dict[str, Any] = {"headers": [], "body": b"", "complete": 0}

    class Server:
        def on_header(self, name: bytes, _value: bytes) -> None:
            seen["headers"].append(name.decode())

        def on_body(self, data: bytes) -> None:
            seen["body"] += data

        def on_message_complete(self) -> None:
            seen["complete"] += 1

    message = compose("POST", "/invocations", list(headers.items()), body)
    head, _, rest = message.partition(b"\r\n\r\n")
    assert rest.endswith(body)
    assert len(head.splitlines()) == 3 + len(headers)
    if all(value.isprintable() for value in headers.values()):
        httptools.HttpRequestParser(Server()).feed_data(message)
        assert seen == {
            "headers": ["host", *headers, "content-length"],
            "body": body,
            "complete": 1,
        }


def test_a_view_is_sent_from_where_it_is(folder: Path) -> None:
    """On the loop of the server, whose transports copy nothing."""
    body = bytes(range(256)) * (1 << 14)  # more than a socket takes at once

    async def story() -> tuple[bytes, Answer]:
        received: list[bytes] = []

        async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            received.append(await reader.readexactly(len(body)))
            writer.write(ANSWER)

        path = folder / "model.sock"
        listener = await asyncio.start_unix_server(converse, path)
        pool = ChannelPool(path)
        message = compose("POST", "/invocations", (), memoryview(body))
        assert message[1].obj is body  # type: ignore[union-attr]
        answer = await pool.request(message, 10)
        pool.close()
        listener.close()
        return received[0], answer

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        received, answer = runner.run(story())
    assert received == body
    assert answer.body == b"ok"


def test_every_request_of_a_connection_has_its_own_time(folder: Path) -> None:
    """The timer of one request is used by the next, whose time may be longer or shorter."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await reader.readuntil(b"\r\n\r\n")
        # Longer than the first request had.
        await asyncio.sleep(0.2)
        writer.write(ANSWER)
        await reader.readuntil(b"\r\n\r\n")

    async def story(pool: ChannelPool) -> None:
        for timeout_s in (0.1, 30.0):
            assert (await pool.request(PING, timeout_s)).status == 200
        with pytest.raises(ServerTimeoutError, match=r"within 0\.01 s"):
            await pool.request(PING, 0.01)

    talk(folder, converse, story)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    bodies=st.lists(st.sampled_from([b"", b"one", b"two", b"\r\n\r\n", b"longer"]), min_size=2),
    cut=st.integers(0, 60),
)
def test_heads_seen_before_mean_what_they_meant(
    folder: Path, bodies: list[bytes], cut: int
) -> None:
    answers = [said(body, b"X-One: 1") for body in bodies]
    pieces = [[each] for each in answers]
    pieces[-1] = [answers[-1][:cut], answers[-1][cut:]]

    async def story(pool: ChannelPool) -> list[Answer]:
        return [await pool.request(PING, 10.0) for _ in bodies]

    found = talk(folder, saying_again(pieces), story)
    assert [(each.status, each.body) for each in found] == [(200, body) for body in bodies]
    assert {each.headers["x-one"] for each in found} == {"1"}


def test_a_known_head_with_too_short_a_body_is_waited_for(folder: Path) -> None:
    whole = said(b"whole")

    async def story(pool: ChannelPool) -> bytes:
        await pool.request(PING, 10.0)
        return (await pool.request(PING, 10.0)).body

    assert talk(folder, saying_again([[whole], [whole[:-2], whole[-2:]]]), story) == b"whole"


def test_a_known_head_with_too_long_a_body_ends_the_connection(folder: Path) -> None:
    connections = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await saying_again([[said(b"ok")], [said(b"ok") + b"more"]])(reader, writer)

    async def story(pool: ChannelPool) -> list[bytes]:
        return [(await pool.request(PING, 10.0)).body for _ in range(3)]

    assert talk(folder, converse, story) == [b"ok"] * 3
    assert connections == 2


def test_a_known_head_that_nobody_asked_for_ends_the_connection(folder: Path) -> None:
    connections = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said(b"ok"))
        if connections == 1:
            await asyncio.sleep(0.01)
            writer.write(said(b"no"))
        await reader.read()

    async def story(pool: ChannelPool) -> bytes:
        await pool.request(PING, 10.0)
        await asyncio.sleep(0.05)
        return (await pool.request(PING, 10.0)).body

    assert talk(folder, converse, story) == b"ok"
    assert connections == 2
