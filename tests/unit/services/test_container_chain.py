"""Containers in turn: what each is asked, what stops them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sagebrush.engines.fleets import Answer, FleetError, ServerLostError, ServerTimeoutError
from sagebrush.services.container_chain import (
    ChainReply,
    Link,
    Message,
    OversizedError,
    ask_in_turn,
)


class Server:
    """Answers as told and remembers what it was asked."""

    def __init__(self, *says: Answer | FleetError) -> None:
        self.says = list(says)
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self.timeouts_s: list[float] = []

    async def request(self, message: bytes, timeout_s: float) -> Answer:
        head, _, body = message.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in rest)
        self.asked.append((first, headers, body))
        self.timeouts_s.append(timeout_s)
        said = self.says.pop(0)
        if isinstance(said, FleetError):
            raise said
        return said


def says(body: bytes, content_type: str | None = None, status: int = 200) -> Answer:
    return Answer(status, {} if content_type is None else {"content-type": content_type}, body)


def ask(
    *servers: Server, message: Message | None = None, timeout_s: float = 60.0, **options: Any
) -> ChainReply:
    links: list[Any] = [Link(f"c{number}", server) for number, server in enumerate(servers)]
    asked = message or Message("text/csv", "t/last", [("x-custom", "1")], b"start")
    return asyncio.run(ask_in_turn(links, asked, timeout_s, **options))


def test_bodies_and_content_types_are_passed_on() -> None:
    first, second, third = (
        Server(says(b"one", "t/one")),
        Server(says(b"two")),
        Server(says(b"three", "t/three")),
    )
    reply = ask(first, second, third)
    assert (reply.answer.body, reply.container) == (b"three", "c2")
    assert [name for name, _ in reply.latencies] == ["c0", "c1", "c2"]
    (one,), (two,), (three,) = first.asked, second.asked, third.asked
    assert (one[0], one[2]) == ("POST /invocations HTTP/1.1", b"start")
    assert one[1]["content-type"] == "text/csv"
    assert (two[1]["content-type"], two[2]) == ("t/one", b"one")
    assert three[2] == b"two"
    # What has no content type is passed on without one.
    assert "content-type" not in three[1]
    # Only the last is told what the client accepts; all get the client's other headers.
    assert [each[1].get("accept") for each in (one, two, three)] == [None, None, "t/last"]
    assert all(each[1]["x-custom"] == "1" for each in (one, two, three))


def test_a_link_may_have_its_own_path_and_headers() -> None:
    server = Server(says(b"x"))
    link: Any = Link("many", server, "/models/m/invoke", [("x-model", "m.tar.gz")])  # type: ignore[arg-type]
    asyncio.run(ask_in_turn([link], Message(None, None, (), b""), 1.0))
    ((line, headers, _),) = server.asked
    assert line == "POST /models/m/invoke HTTP/1.1"
    assert headers["x-model"] == "m.tar.gz"


@pytest.mark.parametrize("status", [301, 400, 500])
def test_a_refusal_ends_the_chain(status: int) -> None:
    last = Server()
    reply = ask(Server(says(b"one")), Server(says(b"no", status=status)), last)
    assert (reply.answer.status, reply.container) == (status, "c1")
    assert last.asked == []


def test_no_answer_names_the_container() -> None:
    with pytest.raises(ServerLostError) as caught:
        ask(Server(says(b"one")), Server(ServerLostError("gone")))
    assert caught.value.container == "c1"


def test_too_much_is_not_passed_on() -> None:
    last = Server(says(b"x"))
    with pytest.raises(OversizedError) as caught:
        ask(Server(says(b"x" * 2097153)), last, limit_bytes=2 << 20)
    assert str(caught.value) == (
        "Received response from c0 with status code 200. However, the request payload from c0 to c1"
        " is 2097153 bytes, which has exceeded the maximum limit of 2 MB."
    )
    assert last.asked == []
    # Exactly the limit is not too much, and the last container's answer goes to nobody else.
    assert ask(Server(says(b"xx")), Server(says(b"xxx")), limit_bytes=2).answer.body == b"xxx"


def test_all_containers_share_the_time() -> None:
    class Slow(Server):
        async def request(self, message: bytes, timeout_s: float) -> Answer:
            await asyncio.sleep(0.02)
            return await super().request(message, timeout_s)

    first, second = Slow(says(b"one")), Server(says(b"two"))
    ask(first, second, timeout_s=10.0)
    assert second.timeouts_s[0] <= first.timeouts_s[0] - 0.02
    with pytest.raises(ServerTimeoutError) as caught:
        ask(Slow(says(b"one")), Server(says(b"two")), timeout_s=0.01)
    assert caught.value.container == "c1"
