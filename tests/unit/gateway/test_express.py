"""Requests that are taken by their heads: which, what their handler gets, what goes back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sagebrush.base.errors import ApiError
from sagebrush.engines.identity import Identity
from sagebrush.gateway import messages
from sagebrush.gateway.authentication import Claims
from sagebrush.gateway.express import Express
from sagebrush.gateway.messages import Response
from sagebrush.services import SERVICES
from sagebrush.services.declaration import PromptHandler, Respond
from sagebrush.services.platform import Context
from sagebrush.wire import Request, Route, Router, catalogue

ACCOUNT = "111122223333"
ROUTER = Router(catalogue(), frozenset(SERVICES))
ANSWER: dict[str, Any] = {
    "Body": b"0.5\n",
    "ContentType": "text/csv",
    "InvokedProductionVariant": "blue",
    "CustomAttributes": None,
}


def message(body: bytes = b"1,2\n", **other: str) -> bytes:
    """Return an invocation as boto3 writes it; `other` are values of headers."""
    headers = {
        "Host": "127.0.0.1:4566",
        "Content-Type": "text/csv",
        "Accept": "application/json",
        "X-Amz-Date": "20261121T231809Z",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={ACCOUNT}/20261121/us-east-1/sagemaker"
        "/aws4_request, SignedHeaders=host, Signature=71e3",
        "amz-sdk-invocation-id": "6d43470f",
    }
    headers |= {name.replace("_", "-"): value for name, value in other.items()}
    lines = ["POST /endpoints/e/invocations HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "\r\n"]).encode() + body


def routed(method: str = "POST", path: str = "/endpoints/e/invocations") -> Route:
    service = "sagemaker" if path.startswith("/endpoints") else "s3"
    scope = f"Credential={ACCOUNT}/20261121/us-east-1/{service}/aws4_request"
    headers = {"authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=71e3"}
    return ROUTER.route(Request(method, path, "", headers, b""))


class Connection:
    """Takes note of what is delivered."""

    def __init__(self, address: str = "127.0.0.1", *, secure: bool = False) -> None:
        self.secure = secure
        self.client_address = address
        self.plan: Any = None
        self.strange_requests = 0
        self.busy = False
        self.written: list[bytes] = []
        self.responses: list[Response] = []
        self.at_once: list[bool] = []
        self.closed = False

    def engage(self) -> None:
        assert not self.busy
        self.busy = True

    def release(self) -> None:
        self.busy = False

    def deliver(self, response: Response) -> None:
        self.release()
        self.responses.append(response)

    def deliver_message(
        self, message: bytes, *, at_once: bool = False, close: bool = False
    ) -> None:
        self.release()
        self.written.append(message)
        self.at_once.append(at_once)
        self.closed |= close

    def deliver_later(self, response: Awaitable[Response]) -> None:
        async def delivered() -> None:
            self.deliver(await response)

        asyncio.run(delivered())


class Scene:
    """An `Express`, and everything it stands on."""

    def __init__(self, *, verify_signatures: bool = False) -> None:
        self.platform: Any = SimpleNamespace(
            settings=SimpleNamespace(verify_signatures=verify_signatures),
            injection=SimpleNamespace(operations=[]),
        )
        self.handle: PromptHandler = self.keep
        self.prompt = {"InvokeEndpoint"}
        self.contexts: list[Context] = []
        self.requests: list[dict[str, Any]] = []
        self.responds: list[Respond] = []
        self.claimed: list[messages.Request] = []
        self.express = Express(self.platform, ROUTER, cast("Any", self), cast("Any", self))

    # What a handler does unless told otherwise: it answers when the test does.
    def keep(self, context: Context, request: dict[str, Any], respond: Respond) -> bool:
        self.contexts.append(context)
        self.requests.append(request)
        self.responds.append(respond)
        return True

    # The registry's part.
    def prompt_handler(self, _service: str, operation: str) -> PromptHandler | None:
        return self._handled if operation in self.prompt else None

    def _handled(self, context: Context, request: dict[str, Any], respond: Respond) -> bool:
        return self.handle(context, request, respond)

    # The authenticator's part.
    def claims(self, request: messages.Request, route: Route) -> Claims:
        self.claimed.append(request)
        return Claims(
            *(ACCOUNT, route.service, route.operation, "us-east-1", "http://here"),
            *(request.client_address, None, None, ""),
        )

    def context(self, claims: Claims, identifier: str) -> Context:
        principal = Identity(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, ACCOUNT, "Root", ACCOUNT)
        return Context(
            *(self.platform, claims.service, claims.operation, ACCOUNT, claims.region, principal),
            *(identifier, 0.0, claims.endpoint, claims.client_address),
        )

    def take(self, connection: Connection, data: bytes) -> bool:
        return self.express.take(cast("Any", connection), data)

    @property
    def under_way(self) -> int:
        return self.express._under_way


@pytest.fixture
def scene() -> Scene:
    """Someone has invoked an endpoint already, and once with the head of `message`."""
    made = Scene()
    made.express.learn(routed())
    assert not made.take(Connection(), message())
    return made


def taken(scene: Scene, connection: Connection, data: bytes) -> Respond:
    """Have a request taken; return how it is answered."""
    assert scene.take(connection, data)
    assert connection.busy
    return scene.responds[-1]


def plain(written: bytes) -> bytes:
    """Return an answer without what differs between equal ones."""
    shown = re.sub(rb"(x-amzn-requestid: )\S+", rb"\1", written, flags=re.IGNORECASE)
    return re.sub(rb"date: [^\r]+", b"date: ", shown)


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


def test_the_memory_of_answers_is_limited(scene: Scene) -> None:
    connection = Connection()
    for number in range(200):
        taken(scene, connection, message())({**ANSWER, "CustomAttributes": f"n={number}"})
        assert b"n=%d\r\n" % number in connection.written[-1]
    assert len(connection.plan.beginnings) <= 64


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
