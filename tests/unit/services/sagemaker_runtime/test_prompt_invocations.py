"""InvokeEndpoint without a task: answered at once where one model server's answer is all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.unit.services.sagemaker_runtime.test_invocations import (
    ACCOUNT,
    OK,
    Fleet,
    Server,
    invoke,
    metrics,
    sent,
)

from sagebrush.base.errors import ApiError
from sagebrush.engines.fleets import (
    Answer,
    Attempt,
    FleetError,
    Instance,
    NoSuchFleetError,
    NotReadyError,
    Outcome,
    ServerLostError,
    ServerTimeoutError,
    Variant,
)
from sagebrush.engines.fleets.channel import Done
from sagebrush.services.sagemaker_runtime import invocations
from sagebrush.services.sagemaker_runtime.invocations import begin_invoke_endpoint
from sagebrush.services.sagemaker_runtime.refusals import QUEUES
from sagebrush.services.served import ServedContainer

Result = dict[str, Any] | Awaitable[dict[str, Any]]


class PromptServer(Server):
    """Can be asked at once as well, where it is free."""

    def __init__(self, fleet: PromptFleet) -> None:
        super().__init__(fleet)
        self._prompt_fleet = fleet

    def ask(self, message: bytes, timeout_s: float, done: Done) -> bool:
        assert timeout_s == 60.0
        if self._prompt_fleet.free:
            self._prompt_fleet.messages.append(message)
            self._prompt_fleet.waiting.append(done)
        return self._prompt_fleet.free


class PromptFleet(Fleet):
    """A fleet whose first instance is chosen always; remembers who was asked first."""

    def __init__(self) -> None:
        super().__init__()
        server: Any = PromptServer(self)
        self.variant.instances = [Instance(each, {"": server}, f"key-{each}") for each in range(2)]
        self.free = True
        self.waiting: list[Done] = []
        self.chosen: list[str] = []
        self.refuses: FleetError | None = None
        self.firsts: list[Attempt | None] = []

    def choose(self, address: str) -> tuple[Variant, Instance]:
        self.chosen.append(address)
        if self.refuses is not None:
            raise self.refuses
        return self.variant, self.variant.instances[1]

    async def invoke(self, *given: Any, first: Attempt | None, **named: Any) -> Any:
        self.firsts.append(first)
        return await super().invoke(*given, first=first, **named)

    def serve(self, **changes: Any) -> None:
        self.variant.traits = replace(self.variant.traits, **changes)


class Invocation:
    """An invocation, and what it came to."""

    def __init__(self, handlers: Any, **members: Any) -> None:
        self.results: list[Result] = []
        context = handlers._context("sagemaker-runtime", "InvokeEndpoint")
        request = {"EndpointName": "e", "Body": b"1,2\n", **members}
        self.begun = begin_invoke_endpoint(context, request, self.results.append)

    @property
    def result(self) -> dict[str, Any]:
        """What was told at once."""
        (result,) = self.results
        assert isinstance(result, dict)
        return result

    @property
    def later(self) -> dict[str, Any]:
        """What comes of the awaitable that was told."""
        (result,) = self.results
        assert not isinstance(result, dict)

        async def awaited() -> dict[str, Any]:
            return await result

        return asyncio.run(awaited())

    @property
    def failure(self) -> ApiError:
        with pytest.raises(ApiError) as caught:
            self.later  # noqa: B018
        return caught.value


@pytest.fixture
def fleet(handlers: Any) -> PromptFleet:
    handlers.platform.fleets = PromptFleet()
    return cast("PromptFleet", handlers.platform.fleets)


def settle(fleet: PromptFleet, outcome: Outcome) -> None:
    (done,) = fleet.waiting
    done(outcome)


def test_a_good_answer_is_told_at_once_and_counted_once(handlers: Any, fleet: PromptFleet) -> None:
    invocation = Invocation(handlers, ContentType="text/csv", Accept="text/plain")
    assert invocation.begun
    assert invocation.results == []
    settle(fleet, OK)
    assert invocation.result == {
        "Body": b"0.5\n",
        "ContentType": "text/csv; charset=utf-8",
        "InvokedProductionVariant": "blue",
        "CustomAttributes": None,
    }
    assert fleet.chosen == [f"{ACCOUNT}/us-east-1/e"]
    assert fleet.asked == []
    counted = metrics(handlers)
    assert counted["Invocations Sum"] == counted["Invocations SampleCount"] == 1
    assert counted["InvocationModelErrors Sum"] == 0
    assert counted["ModelLatency Minimum"] > 0
    assert counted["ConcurrentRequestsPerModel Sum"] == 0.5


def test_an_answer_that_cannot_be_counted_is_told(
    handlers: Any, fleet: PromptFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_arguments: object) -> None:
        raise OSError("no counting today")

    monkeypatch.setattr(invocations, "count", fails)
    invocation = Invocation(handlers)
    with pytest.raises(OSError, match="no counting today"):
        settle(fleet, OK)
    assert invocation.result["Body"] == b"0.5\n"


def test_it_asks_and_tells_what_the_long_way_does(handlers: Any, fleet: PromptFleet) -> None:
    members = {
        "Body": b"1,2\n\x00",
        "ContentType": "text/csv",
        "Accept": "application/json",
        "CustomAttributes": "trace=1",
        "InferenceId": "id-1",
    }
    fleet.says = Answer(200, {"x-amzn-sagemaker-custom-attributes": "back=2"}, b"")
    told = invoke(handlers, **members)
    asked = sent(fleet)
    invocation = Invocation(handlers, **members)
    settle(fleet, fleet.says)
    assert invocation.result == told
    assert sent(fleet) == asked
    assert len(fleet.messages) == 2


@pytest.mark.parametrize(("status", "kind"), [(400, "client"), (500, "server")])
def test_a_refusal_of_the_model_is_a_model_error(
    handlers: Any, fleet: PromptFleet, status: int, kind: str
) -> None:
    invocation = Invocation(handlers)
    settle(fleet, Answer(status, {}, b"bad row"))
    error = invocation.failure
    assert error.code == "ModelError"
    assert error.message.startswith(
        f'Received {kind} error ({status}) from primary with message "bad row".'
    )
    assert error.members == {
        "OriginalStatusCode": status,
        "OriginalMessage": "bad row",
        "LogStreamArn": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/sagemaker/Endpoints/e",
    }
    # The model is not asked again for that.
    assert len(fleet.messages) == 1
    counted = metrics(handlers)
    assert counted["Invocations Sum"] == counted["InvocationModelErrors Sum"] == 1
    assert counted[f"Invocation{status // 100}XXErrors Sum"] == 1


def test_a_lost_connection_is_the_first_of_two_attempts(handlers: Any, fleet: PromptFleet) -> None:
    invocation = Invocation(handlers)
    lost = ServerLostError("gone")
    settle(fleet, lost)
    assert invocation.failure.members["OriginalStatusCode"] == 0
    (first,) = fleet.firsts
    assert first is not None
    assert (first.variant, first.instance) == (fleet.variant, fleet.variant.instances[1])
    # This fleet gives up at the first, which was asked already.
    assert len(fleet.messages) == 1
    assert lost.container == "primary"


def test_a_lost_request_is_asked_once_more_and_counted_once(
    handlers: Any, fleet: PromptFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = fleet.invoke

    async def twice(*given: Any, first: Attempt | None, **named: Any) -> Any:
        with pytest.raises(ServerLostError, match="gone"):
            await once(*given, first=first, **named)
        return await once(*given, first=None, **named)

    monkeypatch.setattr(fleet, "invoke", twice)
    invocation = Invocation(handlers)
    settle(fleet, ServerLostError("gone"))
    assert invocation.later["Body"] == b"0.5\n"
    assert len(fleet.messages) == 2
    assert fleet.messages[0] == fleet.messages[1]
    assert metrics(handlers)["Invocations Sum"] == 1


def test_a_timeout_is_a_model_error(handlers: Any, fleet: PromptFleet) -> None:
    invocation = Invocation(handlers)
    late = ServerTimeoutError("late")
    late.variant = fleet.variant
    settle(fleet, late)
    assert invocation.failure.members["OriginalMessage"].startswith("Your invocation timed out")
    assert len(fleet.messages) == 1
    assert metrics(handlers)["InvocationModelErrors Sum"] == 1


@pytest.mark.parametrize(
    "member",
    [
        {"TargetModel": "m.tar.gz"},
        {"TargetVariant": "blue"},
        {"TargetContainerHostname": "h"},
        {"SessionId": "NEW_SESSION"},
        {"InferenceComponentName": "c"},
        {"EnableExplanations": "`true`"},
    ],
)
def test_what_one_server_alone_cannot_answer_is_declined(
    handlers: Any, fleet: PromptFleet, member: dict[str, str]
) -> None:
    invocation = Invocation(handlers, **member)
    assert not invocation.begun
    assert (invocation.results, fleet.chosen, fleet.messages) == ([], [], [])


@pytest.mark.parametrize("trouble", [NoSuchFleetError("x"), NotReadyError("all restart")])
def test_nobody_to_ask_is_declined(handlers: Any, fleet: PromptFleet, trouble: FleetError) -> None:
    fleet.refuses = trouble
    invocation = Invocation(handlers)
    assert not invocation.begun
    assert invocation.results == []
    assert metrics(handlers)["Invocations Sum"] == 0


def test_asynchronous_endpoints_are_declined(handlers: Any, fleet: PromptFleet) -> None:
    addresses: list[str] = []
    queues = SimpleNamespace(find=lambda address: addresses.append(address) or "a queue")
    handlers.platform.workers[QUEUES] = queues
    invocation = Invocation(handlers)
    assert not invocation.begun
    assert addresses == [f"{ACCOUNT}/us-east-1/e"]
    assert (invocation.results, fleet.chosen) == ([], [])


def test_where_no_connection_is_free_it_is_asked_later(handlers: Any, fleet: PromptFleet) -> None:
    fleet.free = False
    invocation = Invocation(handlers)
    assert invocation.begun
    assert invocation.later["Body"] == b"0.5\n"
    assert fleet.instances == [1]
    assert len(fleet.chosen) == len(fleet.messages) == 1
    assert metrics(handlers)["Invocations Sum"] == 1


def test_what_is_captured_is_asked_later_and_captured(
    handlers: Any, fleet: PromptFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    captured: list[bytes] = []
    monkeypatch.setattr(invocations, "capture", lambda *given: captured.append(given[-1].body))
    fleet.serve(config={"DataCaptureConfig": {"EnableCapture": True}})
    invocation = Invocation(handlers)
    assert fleet.waiting == []
    assert invocation.later["Body"] == b"0.5\n"
    assert captured == [b"0.5\n"]
    assert (fleet.chosen, fleet.instances) == ([f"{ACCOUNT}/us-east-1/e"], [1])


def test_what_a_shadow_gets_is_asked_later_and_copied(
    handlers: Any, fleet: PromptFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied: list[Any] = []
    monkeypatch.setattr(invocations, "mirror", lambda *given: copied.append(given[-1]))
    fleet.serve(config={"ShadowProductionVariants": [{"VariantName": "dark"}]})
    invocation = Invocation(handlers)
    assert fleet.waiting == []
    assert invocation.later["Body"] == b"0.5\n"
    assert copied == [fleet.variant]
    assert (len(fleet.chosen), fleet.instances) == (1, [1])


def test_several_containers_are_asked_later(
    handlers: Any, fleet: PromptFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.serve(containers=(ServedContainer("a", "a", {}), ServedContainer("b", "b", {})))
    invocation = Invocation(handlers)
    assert fleet.waiting == fleet.messages == []
    asked: list[Instance] = []

    async def invoke(*_: Any, first: Attempt, **__: Any) -> Any:
        asked.append(first.instance)
        return SimpleNamespace(answer=OK, container="b", latencies=()), fleet.variant

    monkeypatch.setattr(fleet, "invoke", invoke)
    assert invocation.later["Body"] == b"0.5\n"
    assert asked == [fleet.variant.instances[1]]
    assert len(fleet.chosen) == 1
