"""Containers that answer one after another: what one answers is what the next is asked.

Real-time endpoints and batch transform send their requests through here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

from sagebrush.engines.fleets import Answer, FleetError, ModelServer, ServerTimeoutError, compose

Headers = Sequence[tuple[str, str]]


class Link(NamedTuple):
    """A container of a chain: what users call it, its server, where that takes requests.

    `headers` are those that this container gets beside everybody's.
    """

    name: str
    server: ModelServer
    path: str = "/invocations"
    headers: Headers = ()


class Message(NamedTuple):
    """What a chain is asked.

    `accept` is what the last container shall answer; those before it are free to answer what they
    answer by default. `headers` go to every container.
    """

    content_type: str | None
    accept: str | None
    headers: Headers
    body: bytes


class ChainReply(NamedTuple):
    """What came out: of the last container, or of one that did not answer with a 2xx.

    `latencies` has the seconds that each container took, in their order.
    """

    answer: Answer
    container: str
    latencies: tuple[tuple[str, float], ...]


class OversizedError(FleetError):
    """What one container answered is more than may be passed on to the next."""


async def ask_in_turn(
    links: Sequence[Link], message: Message, timeout_s: float, limit_bytes: int | None = None
) -> ChainReply:
    """Return what a chain of containers answers within `timeout_s`, all of them together.

    Raises:
        OversizedError: more than `limit_bytes` would have to be passed on.
        FleetError: one of them gave no answer; it is named.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    content_type, body = message.content_type, message.body
    latencies: list[tuple[str, float]] = []
    for number, link in enumerate(links):
        following = links[number + 1] if number + 1 < len(links) else None
        headers = [*message.headers, *link.headers]
        if content_type is not None:
            headers.append(("content-type", content_type))
        if following is None and message.accept is not None:
            headers.append(("accept", message.accept))
        started = time.perf_counter()
        request = compose("POST", link.path, headers, body)
        answer = await _ask(link, request, deadline - loop.time())
        latencies.append((link.name, time.perf_counter() - started))
        if following is None or not 200 <= answer.status < 300:
            return ChainReply(answer, link.name, tuple(latencies))
        content_type, body = answer.headers.get("content-type"), answer.body
        if limit_bytes is not None and len(body) > limit_bytes:
            raise _oversized(link.name, following.name, answer, limit_bytes)
    raise AssertionError("a chain has a last link")


async def _ask(link: Link, request: bytes, left_s: float) -> Answer:
    try:
        if left_s <= 0:
            raise ServerTimeoutError("the containers before it took all the time there is")
        return await link.server.request(request, left_s)
    except FleetError as error:
        error.container = link.name
        raise


def _oversized(sender: str, receiver: str, answer: Answer, limit_bytes: int) -> OversizedError:
    error = OversizedError(
        f"Received response from {sender} with status code {answer.status}. However, the request"
        f" payload from {sender} to {receiver} is {len(answer.body)} bytes, which has exceeded the"
        f" maximum limit of {limit_bytes >> 20} MB."
    )
    error.container = sender
    return error
