"""What goes back for requests that are taken by their heads."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, cast

import pytest
from tests.unit.gateway.express_scene import (
    ANSWER,
    Connection,
    Scene,
    message,
    taken,
)

from sagebrush.base.errors import ApiError
from sagebrush.services.platform import Context


def plain(written: bytes) -> bytes:
    """Return an answer without what differs between equal ones."""
    shown = re.sub(rb"(x-amzn-requestid: )\S+", rb"\1", written, flags=re.IGNORECASE)
    return re.sub(rb"date: [^\r]+", b"date: ", shown)


def test_the_answer_as_it_goes_over_the_wire(scene: Scene) -> None:
    connection = Connection()
    taken(scene, connection, message())(dict(ANSWER))
    head, _, body = connection.written[0].partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}
    assert line == "HTTP/1.1 200 OK"
    assert body == b"0.5\n"
    assert headers.pop("date")
    assert headers == {
        "content-type": "text/csv",
        "x-amzn-invoked-production-variant": "blue",
        "x-amzn-requestid": scene.contexts[0].request_id,
        "content-length": "4",
    }
    assert not connection.busy
    assert not connection.closed


def test_a_remembered_beginning_says_what_the_first_answer_said(scene: Scene) -> None:
    connection = Connection()
    for body in (b"0.5\n", b"0.5\n", b"", b"\r\n\r\n" * 9):
        taken(scene, connection, message())({**ANSWER, "Body": body})
    first, second, empty, longer = connection.written
    assert plain(second) == plain(first)
    assert [
        context.request_id.encode() in written
        for context, written in zip(scene.contexts, connection.written, strict=True)
    ] == [True] * 4
    assert scene.contexts[0].request_id.encode() not in second
    assert plain(empty) == plain(first).replace(b"th: 4", b"th: 0").removesuffix(b"0.5\n")
    assert longer.endswith(b"\r\n\r\n" + b"\r\n\r\n" * 9)
    assert b"content-length: 36\r\n" in longer


def test_answers_of_other_members_have_other_heads(scene: Scene) -> None:
    connection = Connection()
    for _ in range(2):
        for name, value in (("blue", None), ("green", None), ("blue", "back=2")):
            given = {"InvokedProductionVariant": name, "CustomAttributes": value}
            taken(scene, connection, message())(ANSWER | given)
    for written in connection.written[1::3]:
        assert b"variant: green\r\n" in written.lower()
    for number, written in enumerate(connection.written):
        assert (b"back=2" in written) == (number % 3 == 2)
        assert (b"blue" in written) == (number % 3 != 1)


def test_an_answer_without_a_body(scene: Scene) -> None:
    connection = Connection()
    for _ in range(2):
        taken(scene, connection, message())({"ContentType": "text/csv"})
    assert all(b"content-length: 0\r\n" in each for each in connection.written)


async def _result(outcome: Exception | dict[str, Any]) -> dict[str, Any]:
    await asyncio.sleep(0)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def test_a_result_that_is_awaited(scene: Scene) -> None:
    connection = Connection()
    taken(scene, connection, message())(_result(dict(ANSWER)))
    (response,) = connection.responses
    assert (response.status, response.body) == (200, b"0.5\n")
    assert ("x-amzn-requestid", scene.contexts[0].request_id) in [
        (name.lower(), value) for name, value in response.headers
    ]
    assert not connection.busy
    assert scene.under_way == 0


def test_an_awaited_refusal_is_told_in_the_protocol(scene: Scene) -> None:
    connection = Connection()
    error = ApiError("ValidationError", "no such endpoint", status=400)
    taken(scene, connection, message())(_result(error))
    (response,) = connection.responses
    assert response.status == 400
    assert b"no such endpoint" in cast("bytes", response.body)
    assert any("ValidationError" in value for _, value in response.headers)
    assert not connection.busy
    assert scene.under_way == 0


def test_an_awaited_defect_is_logged(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    connection = Connection()
    taken(scene, connection, message())(_result(ValueError("a defect")))
    assert connection.responses[0].status == 500
    assert scene.contexts[0].request_id in caplog.text
    assert scene.under_way == 0


def test_a_result_that_cannot_be_told_is_a_defect(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    connection = Connection()
    taken(scene, connection, message())({"Body": b"", "ContentType": ["no text"]})
    assert [each.status for each in connection.responses] == [500]
    assert not connection.busy
    assert scene.under_way == 0
    assert scene.contexts[0].request_id in caplog.text


def test_headers_and_status_of_one_answer_are_not_the_next_ones(scene: Scene) -> None:
    connection = Connection()
    settings: list[Callable[[Context], None]] = [
        lambda _: None,
        lambda context: context.extra_headers.update({"x-one": "1"}),
        lambda context: setattr(context, "status", 206),
        lambda _: None,
    ]
    for given in settings:
        respond = taken(scene, connection, message())
        given(scene.contexts[-1])
        respond(dict(ANSWER))
    first, extra, status, last = connection.written
    assert b"\r\nx-one: 1\r\n" in extra
    assert extra.startswith(b"HTTP/1.1 200 OK\r\n")
    assert status.startswith(b"HTTP/1.1 206 ")
    assert b"x-one" not in first + status + last
    assert plain(last) == plain(first)


def test_unusual_answers_first_do_not_shape_those_that_follow(scene: Scene) -> None:
    connection = Connection()
    respond = taken(scene, connection, message())
    scene.contexts[-1].status = 206
    scene.contexts[-1].extra_headers["x-one"] = "1"
    respond(dict(ANSWER))
    taken(scene, connection, message())(dict(ANSWER))
    assert connection.written[1].startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"x-one" not in connection.written[1]


def test_only_who_is_alone_is_answered_at_once(scene: Scene) -> None:
    one, two = Connection(), Connection()
    taken(scene, one, message())(dict(ANSWER))
    first = taken(scene, one, message())
    second = taken(scene, two, message())
    assert scene.under_way == 2
    first(dict(ANSWER))
    second(dict(ANSWER))
    assert scene.under_way == 0
    assert (one.at_once[1], two.at_once) == (False, [True])
    taken(scene, one, message())(dict(ANSWER))
    assert one.at_once[2]


def test_the_memory_of_answers_is_limited(scene: Scene) -> None:
    connection = Connection()
    for number in range(200):
        taken(scene, connection, message())({**ANSWER, "CustomAttributes": f"n={number}"})
        assert b"n=%d\r\n" % number in connection.written[-1]
    assert len(connection.plan.beginnings) <= 64
