"""InvokeEndpoint: what reaches the model server, what comes back, what is counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httptools
import pytest

from sagebrush.base.errors import ApiError
from sagebrush.engines.fleets import (
    Answer,
    Attempt,
    FleetError,
    Instance,
    NoSuchFleetError,
    NoSuchInstanceError,
    NoSuchVariantError,
    NotLoadedError,
    NotReadyError,
    ServerLostError,
    ServerTimeoutError,
    Variant,
)
from sagebrush.engines.fleets.fleets import Ask
from sagebrush.services.sagemaker_runtime.request_metrics import metrics_of
from sagebrush.services.served import Served, ServedContainer

ACCOUNT = "111122223333"
OK = Answer(200, {"content-type": "text/csv; charset=utf-8"}, b"0.5\n")


class Server:
    """Remembers what it is asked and answers as told."""

    healthy = True
    outstanding = 0

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    async def request(self, message: bytes, timeout_s: float) -> Answer:
        assert timeout_s == 60.0
        self._fleet.messages.append(message)
        self._fleet.takes()
        if isinstance(self._fleet.says, FleetError):
            raise self._fleet.says
        return self._fleet.says


class Fleet:
    """Answers as told, or raises it, and remembers the requests."""

    def __init__(self) -> None:
        server: Any = Server(self)
        instances = [Instance(ordinal, {"": server}, f"key-{ordinal}") for ordinal in range(2)]
        served = Served(
            *(ACCOUNT, "us-east-1", "e", "config", {}, {}),
            (ServedContainer("", "primary", {}),),
        )
        self.variant = Variant("blue", 1.0, instances, traits=served)
        self.says: Answer | FleetError = OK
        self.messages: list[bytes] = []
        self.instances: list[int] = []
        self.asked: list[tuple[str, str | None]] = []
        self.addresses: list[str] = []
        self.takes: Callable[[], None] = lambda: None

    async def invoke(
        self,
        address: str,
        ask: Ask[Any],
        *,
        target: str | None,
        instance_key: str | None,
        first: Attempt | None,
    ) -> tuple[Any, Variant]:
        self.asked.append((address, target))
        instance = self.variant.instances[0] if first is None else first.instance
        if instance_key is not None:
            found = [each for each in self.variant.instances if each.key == instance_key]
            if not found:
                raise NoSuchInstanceError(instance_key)
            (instance,) = found
        self.instances.append(instance.ordinal)
        return await ask(self.variant, instance), self.variant


@pytest.fixture
def fleet(handlers: Any) -> Fleet:
    handlers.platform.fleets = Fleet()
    return handlers.platform.fleets  # type: ignore[no-any-return]


def invoke(handlers: Any, **request: Any) -> dict[str, Any]:
    return dict(handlers.call("sagemaker-runtime", "InvokeEndpoint", EndpointName="e", **request))


def failure(handlers: Any, **request: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        invoke(handlers, **request)
    return caught.value


def sent(fleet: Fleet) -> tuple[str, dict[str, str], bytes]:
    """Return the last request as an HTTP parser reads it."""
    headers: dict[str, str] = {}
    seen: dict[str, bytes] = {"url": b"", "body": b""}

    class Receiver:
        def on_url(self, url: bytes) -> None:
            seen["url"] += url

        def on_header(self, name: bytes, value: bytes) -> None:
            headers[name.decode()] = value.decode()

        def on_body(self, body: bytes) -> None:
            seen["body"] += body

    parser = httptools.HttpRequestParser(Receiver())
    parser.feed_data(fleet.messages[-1])
    return f"{parser.get_method().decode()} {seen['url'].decode()}", headers, seen["body"]


def metrics(handlers: Any) -> dict[str, Any]:
    metrics_of(handlers.platform).flush()
    found = handlers.call(
        "cloudwatch",
        "GetMetricData",
        StartTime=handlers.clock.now() - 3600,
        EndTime=handlers.clock.now() + 3600,
        MetricDataQueries=[
            {
                "Id": f"m{number}",
                "Label": f"{name} {statistic}",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/SageMaker",
                        "MetricName": name,
                        "Dimensions": [
                            {"Name": "EndpointName", "Value": "e"},
                            {"Name": "VariantName", "Value": "blue"},
                        ],
                    },
                    "Period": 60,
                    "Stat": statistic,
                },
            }
            for number, (name, statistic) in enumerate(
                (name, statistic)
                for name in (
                    *("Invocations", "InvocationsPerInstance", "ModelLatency", "OverheadLatency"),
                    "ConcurrentRequestsPerModel",
                    *("Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors"),
                )
                for statistic in ("Sum", "Maximum", "Minimum", "SampleCount")
            )
        ],
    )
    return {item["Label"]: sum(item["Values"]) for item in found["MetricDataResults"]}


def test_the_body_and_some_headers_reach_the_model_server(handlers: Any, fleet: Fleet) -> None:
    answer = invoke(
        handlers,
        Body=b"1,2\n\x00\xff",
        ContentType="text/csv",
        Accept="application/json",
        CustomAttributes="trace=1",
        InferenceId="id-1",
        TargetVariant="blue",
    )
    assert answer == {
        "Body": b"0.5\n",
        "ContentType": "text/csv; charset=utf-8",
        "InvokedProductionVariant": "blue",
        "CustomAttributes": None,
    }
    address, target = fleet.asked[0]
    assert (address, target) == (f"{ACCOUNT}/us-east-1/e", "blue")
    line, headers, body = sent(fleet)
    assert line == "POST /invocations"
    assert body == b"1,2\n\x00\xff"
    assert headers == {
        "host": "model",
        "content-type": "text/csv",
        "accept": "application/json",
        "x-amzn-sagemaker-custom-attributes": "trace=1",
        "x-amzn-sagemaker-inference-id": "id-1",
        "content-length": "6",
    }


def test_an_invocation_of_nothing(handlers: Any, fleet: Fleet) -> None:
    fleet.says = Answer(200, {"x-amzn-sagemaker-custom-attributes": "back=2"}, b"")
    answer = invoke(handlers)
    assert (answer["Body"], answer["ContentType"], answer["CustomAttributes"]) == (
        b"",
        None,
        "back=2",
    )
    assert sent(fleet)[1] == {"host": "model", "content-length": "0"}


@pytest.mark.parametrize(
    "member",
    [
        {"EnableExplanations": "`true`"},
    ],
)
def test_what_is_not_supported_is_refused_by_name(
    handlers: Any, fleet: Fleet, member: dict[str, str]
) -> None:
    error = failure(handlers, **member)
    assert error.code == "ValidationError"
    assert next(iter(member)) in error.message
    assert fleet.messages == []


@pytest.mark.parametrize(
    ("member", "words"),
    [
        ({"TargetModel": "m.tar.gz"}, "not a multi-model endpoint"),
        ({"TargetContainerHostname": "h"}, "not a multi-container endpoint"),
    ],
)
def test_what_the_endpoint_has_not_is_refused(
    handlers: Any, fleet: Fleet, member: dict[str, str], words: str
) -> None:
    error = failure(handlers, **member)
    assert error.code == "ValidationError"
    assert words in error.message
    assert fleet.messages == []


def test_a_body_over_the_limit(handlers: Any, fleet: Fleet) -> None:
    invoke(handlers, Body=bytes(25 << 20))
    error = failure(handlers, Body=bytes((25 << 20) + 1))
    assert error.code == "ValidationError"
    assert str(25 << 20) in error.message
    assert len(fleet.asked) == 1


@pytest.mark.parametrize(
    ("trouble", "code", "message"),
    [
        (NoSuchFleetError("x"), "ValidationError", f"Endpoint e of account {ACCOUNT} not found."),
        (NoSuchVariantError("x"), "ValidationError", "Variant None is not found in endpoint e."),
        (NotReadyError("all restart"), "ServiceUnavailable", "Endpoint e: all restart"),
    ],
)
def test_nobody_to_ask(
    handlers: Any, fleet: Fleet, trouble: FleetError, code: str, message: str
) -> None:
    fleet.says = trouble
    error = failure(handlers)
    assert (error.code, error.message) == (code, message)
    assert metrics(handlers)["Invocations Sum"] == 0


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "client"), (404, "client"), (500, "server"), (503, "server")]
)
def test_a_refusal_of_the_model_is_told_in_full(
    handlers: Any, fleet: Fleet, status: int, kind: str
) -> None:
    fleet.says = Answer(status, {}, "ungültig \u2028 \xff".encode() + b"\xfe")
    error = failure(handlers)
    text = "ungültig \u2028 \xff\ufffd"
    assert error.code == "ModelError"
    assert error.message == (
        f'Received {kind} error ({status}) from primary with message "{text}". See'
        " https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1"
        f"#logEventViewer:group=/aws/sagemaker/Endpoints/e in account {ACCOUNT} for more"
        " information."
    )
    assert error.members == {
        "OriginalStatusCode": status,
        "OriginalMessage": text,
        "LogStreamArn": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/sagemaker/Endpoints/e",
    }


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (ServerTimeoutError("x"), "Your invocation timed out while waiting for a response"),
        (ServerLostError("gone"), "Amazon SageMaker could not get a response from the e endpoint."),
        (NotLoadedError("no room for model a"), "no room for model a"),
    ],
)
def test_no_answer_at_all_is_a_model_error_and_counted(
    handlers: Any, fleet: Fleet, trouble: FleetError, words: str
) -> None:
    trouble.variant = fleet.variant
    fleet.says = trouble
    error = failure(handlers)
    assert error.code == "ModelError"
    assert error.members["OriginalStatusCode"] == 0
    assert error.members["OriginalMessage"].startswith(words)
    counted = metrics(handlers)
    assert counted["Invocations Sum"] == 1
    assert counted["InvocationModelErrors Sum"] == 1
    assert counted["Invocation5XXErrors Sum"] == counted["Invocation4XXErrors Sum"] == 0


def test_every_outcome_is_counted_in_its_minute(handlers: Any, fleet: Fleet) -> None:
    fleet.takes = lambda: handlers.clock.advance(9)
    for status in (200, 204, 415, 500):
        fleet.says = Answer(status, {}, b"")
        if status < 300:
            invoke(handlers)
        else:
            failure(handlers)
    counted = metrics(handlers)
    assert counted["Invocations Sum"] == counted["Invocations SampleCount"] == 4
    assert counted["Invocation4XXErrors Sum"] == counted["Invocation5XXErrors Sum"] == 1
    assert counted["Invocation4XXErrors SampleCount"] == 4
    assert counted["Invocation4XXErrors Minimum"] == 0
    assert counted["InvocationModelErrors Sum"] == 2
    assert counted["InvocationModelErrors Maximum"] == 1
    # Two instances served.
    assert counted["InvocationsPerInstance Sum"] == 2.0
    # One request at a time, on one of both.
    assert counted["ConcurrentRequestsPerModel Sum"] == 2.0
    # The clock of the test moved while the model server was asked; latencies are in real time.
    assert counted["ModelLatency Sum"] + counted["OverheadLatency Sum"] < 4 * 9e6
    assert counted["ModelLatency Minimum"] > 0
    # What was stored is not stored again.
    assert metrics(handlers) == counted


def test_a_minute_of_nothing_but_errors(handlers: Any, fleet: Fleet) -> None:
    fleet.says = Answer(400, {}, b"")
    for _ in range(2):
        failure(handlers)
    counted = metrics(handlers)
    assert counted["Invocation4XXErrors Minimum"] == counted["Invocation4XXErrors Maximum"] == 1
    assert counted["Invocation5XXErrors Maximum"] == 0


def test_minutes_are_kept_apart(handlers: Any, fleet: Fleet) -> None:
    for _ in range(3):
        invoke(handlers)
        handlers.clock.advance(60)
    metrics_of(handlers.platform).flush()
    found = handlers.call(
        "cloudwatch",
        "GetMetricStatistics",
        Namespace="AWS/SageMaker",
        MetricName="Invocations",
        Dimensions=[
            {"Name": "EndpointName", "Value": "e"},
            {"Name": "VariantName", "Value": "blue"},
        ],
        StartTime=handlers.clock.now() - 3600,
        EndTime=handlers.clock.now() + 3600,
        Period=60,
        Statistics=["Sum"],
    )
    assert [point["Sum"] for point in found["Datapoints"]] == [1, 1, 1]


def test_a_session_stays_on_its_instance(handlers: Any, fleet: Fleet) -> None:
    opened = "id-1; Expires=2023-11-14T23:00:00Z"
    fleet.variant.instances.reverse()
    fleet.says = Answer(200, {"x-amzn-sagemaker-new-session-id": opened}, b"")
    assert invoke(handlers, SessionId="NEW_SESSION")["NewSessionId"] == opened
    assert sent(fleet)[1]["x-amzn-sagemaker-session-id"] == "NEW_SESSION"
    fleet.variant.instances.reverse()
    fleet.says = OK
    answer = invoke(handlers, SessionId="id-1")
    assert answer["NewSessionId"] is None
    assert sent(fleet)[1]["x-amzn-sagemaker-session-id"] == "id-1"
    assert fleet.instances == [1, 1]
    invoke(handlers)
    assert fleet.instances[-1] == 0


def test_a_session_ends_when_the_model_closes_it(handlers: Any, fleet: Fleet) -> None:
    fleet.says = Answer(200, {"x-amzn-sagemaker-new-session-id": "id-1"}, b"")
    invoke(handlers, SessionId="NEW_SESSION")
    fleet.says = Answer(200, {"x-amzn-sagemaker-closed-session-id": "id-1"}, b"")
    assert invoke(handlers, SessionId="id-1")["ClosedSessionId"] == "id-1"
    assert "Session id-1 is not found" in failure(handlers, SessionId="id-1").message


def test_a_session_expires_on_the_clock(handlers: Any, fleet: Fleet) -> None:
    opened = "id-1; Expires=2023-11-14T22:30:00Z"
    fleet.says = Answer(200, {"x-amzn-sagemaker-new-session-id": opened}, b"")
    invoke(handlers, SessionId="NEW_SESSION")
    invoke(handlers, SessionId="id-1")
    handlers.clock.advance(3600)
    assert failure(handlers, SessionId="id-1").code == "ValidationError"


def test_a_session_ends_with_its_instance(handlers: Any, fleet: Fleet) -> None:
    fleet.says = Answer(200, {"x-amzn-sagemaker-new-session-id": "id-1"}, b"")
    invoke(handlers, SessionId="NEW_SESSION")
    del fleet.variant.instances[0]
    assert "Session id-1 is not found" in failure(handlers, SessionId="id-1").message
