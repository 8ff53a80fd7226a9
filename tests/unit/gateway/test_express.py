"""Requests that are taken by their heads: which, and what their handler gets."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.gateway.express_scene import (
    ACCOUNT,
    ANSWER,
    Connection,
    Scene,
    message,
    routed,
    taken,
)

from sagebrush.services.declaration import Respond
from sagebrush.services.platform import Context


def test_nothing_is_taken_before_its_operation_was_asked_for() -> None:
    scene = Scene()
    connection = Connection()
    for _ in range(3):
        assert not scene.take(connection, message())
    scene.express.learn(routed())
    assert not scene.take(connection, message())
    assert scene.take(connection, message())
    assert len(scene.requests) == 1


def test_a_head_that_comes_again_is_taken(scene: Scene) -> None:
    connection = Connection()
    assert scene.take(connection, message(b"first"))
    scene.responds[0](dict(ANSWER))
    assert scene.take(connection, message(b"second", X_Amz_Date="20271121T231809Z"))
    for request, body in zip(scene.requests, (b"first", b"second"), strict=True):
        assert request == {
            "EndpointName": "e",
            "ContentType": "text/csv",
            "Accept": "application/json",
            "Body": body,
        }
    first, second = scene.contexts
    assert (first.service, first.operation) == ("sagemaker-runtime", "InvokeEndpoint")
    assert first.request_id != second.request_id
    assert len(scene.claimed) == 1


def test_what_a_handler_does_to_its_request_is_not_remembered(scene: Scene) -> None:
    connection = Connection()
    respond = taken(scene, connection, message(b"first"))
    scene.requests[0].clear()
    respond(dict(ANSWER))
    assert scene.take(connection, message(b"second"))
    assert scene.requests[1]["ContentType"] == "text/csv"


@pytest.mark.parametrize(
    ("connection", "data"),
    [
        (Connection("10.0.0.7"), message()),
        (Connection(secure=True), message()),
        (Connection(), message(Content_Type="application/json")),
        (Connection(), message().replace(b"/e/", b"/f/")),
        (Connection(), message().replace(ACCOUNT.encode(), b"444455556666")),
    ],
)
def test_whoever_is_another_or_wants_another_thing_has_an_own_plan(
    scene: Scene, connection: Connection, data: bytes
) -> None:
    usual = Connection()
    taken(scene, usual, message())(dict(ANSWER))
    # The same connection too: it is remembered there what came last.
    if (connection.client_address, connection.secure) == (usual.client_address, usual.secure):
        connection = usual
    before = usual.plan
    assert not scene.take(connection, data)
    taken(scene, connection, data)(dict(ANSWER))
    assert connection.plan is not before
    assert scene.claimed[-1].client_address == connection.client_address
    assert scene.claimed[-1].secure == connection.secure
    assert scene.contexts[-1].client_address == connection.client_address
    assert scene.take(Connection(), message())
    assert scene.requests[-1]["ContentType"] == "text/csv"
    assert scene.requests[-1]["EndpointName"] == "e"


def test_a_handler_that_declines_leaves_the_request_alone(scene: Scene) -> None:
    scene.handle = lambda *_: False
    connection = Connection()
    assert not scene.take(connection, message())
    assert (connection.busy, connection.written, scene.under_way) == (False, [], 0)
    scene.handle = scene.keep
    assert scene.take(connection, message())


def test_a_handler_that_fails_leaves_the_request_to_the_long_way(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_context: Context, _request: dict[str, Any], _respond: Respond) -> bool:
        raise ValueError("a defect")

    scene.handle = fails
    connection = Connection()
    assert not scene.take(connection, message())
    assert (connection.busy, connection.written, scene.under_way) == (False, [], 0)
    assert "a defect" in caplog.text


def test_a_handler_that_fails_after_its_answer_is_not_asked_again(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_context: Context, _request: dict[str, Any], respond: Respond) -> bool:
        respond(dict(ANSWER))
        raise ValueError("a defect")

    scene.handle = fails
    connection = Connection()
    assert scene.take(connection, message())
    assert (connection.busy, len(connection.written), scene.under_way) == (False, 1, 0)
    assert "a defect" in caplog.text


def test_faults_of_operations_switch_it_off_and_on(scene: Scene) -> None:
    connection = Connection()
    taken(scene, connection, message())(dict(ANSWER))
    scene.platform.injection.operations.append("a fault")
    assert not scene.take(connection, message())
    scene.platform.injection.operations.clear()
    assert scene.take(connection, message())


def test_signatures_that_are_verified_switch_it_off() -> None:
    scene = Scene(verify_signatures=True)
    scene.express.learn(routed())
    assert not any(scene.take(Connection(), message()) for _ in range(4))


def test_only_operations_with_a_prompt_handler_and_a_blob_are_learnt() -> None:
    scene = Scene()
    scene.prompt = {"ListObjects", "PutObject", "InvokeEndpointAsync"}
    scene.express.learn(routed())
    scene.express.learn(routed("GET", "/bucket"))
    scene.express.learn(routed("PUT", "/bucket/key"))
    assert scene.express._beginnings == ()
    assert not any(scene.take(Connection(), message()) for _ in range(4))


def test_clients_that_never_repeat_a_head_are_given_up(scene: Scene) -> None:
    restless, patient = Connection(), Connection()
    for number in range(30):
        data = message(X_Amzn_SageMaker_Inference_Id=f"{number}")
        assert not scene.take(restless, data)
    assert not scene.take(restless, message())
    assert scene.take(patient, message())


def test_a_head_that_is_known_makes_up_for_some_that_are_not(scene: Scene) -> None:
    connection = Connection()
    for number in range(30):
        data = message(X_Amzn_SageMaker_Inference_Id=f"{number}")
        assert not scene.take(connection, data)
        taken(scene, connection, message())(dict(ANSWER))


def test_the_memory_of_heads_is_limited(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sagebrush.gateway.express._REMEMBERED_HEADS", 4)
    for number in range(20):
        data = message(Accept=f"text/{number}")
        connection = Connection()
        assert not scene.take(connection, data)
        taken(scene, connection, data)(dict(ANSWER))
        assert scene.requests[-1]["Accept"] == f"text/{number}"
    assert len(scene.express._plans) <= 4
    assert len(scene.express._strangers) <= 4


@pytest.mark.parametrize(
    "data",
    [
        message() + message(),
        message()[:-1],
        message(Connection="close"),
        message().replace(b"POST /", b"POST http://127.0.0.1:4566/"),
        message().replace(b"POST ", b"PUT "),
        message().replace(b"invocations", b"elsewhere"),
        message().replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
)
def test_what_is_not_plain_goes_the_long_way_however_often_it_comes(
    scene: Scene, data: bytes
) -> None:
    connection = Connection()
    taken(scene, connection, message())(dict(ANSWER))
    assert not any(scene.take(connection, data) for _ in range(4))
    assert not connection.busy
