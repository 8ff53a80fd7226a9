"""Streams that break and sessions with state, of a model server that is a user's own program.

`programs/server_of_own_models.py` says what of this is not the server's own way.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError
from tests.e2e.endpoints.conftest import Hosting

from sagebrush.launch import PrivateServer

PROGRAMS = Path(__file__).parent / "programs"
LIMIT_S = 30.0
SESSIONS = 12


class Own(Hosting):
    """An account whose endpoints are of the own model server."""

    def deploy(self, **instances: int) -> None:
        """Create endpoints with so many instances of the model."""
        self.model(
            "own",
            self.kmeans((1.0,)),
            Environment={"OWN_PROGRAM": str(PROGRAMS / "own_model.py")},
        )
        for name, count in instances.items():
            self.endpoint(name, {"ModelName": "own", "InitialInstanceCount": count})

    def ask(self, endpoint: str, session: str | None = None, **body: Any) -> dict[str, Any]:
        """Return what the model tells, and the members of sessions that the answer has."""
        named = {} if session is None else {"SessionId": session}
        answer = self.invoke(endpoint, json.dumps(body), ContentType="application/json", **named)
        kept = {
            name: answer[name] for name in ("NewSessionId", "ClosedSessionId") if name in answer
        }
        return json.loads(answer["Body"]) | kept

    def open(self, endpoint: str, **body: Any) -> tuple[str, str]:
        """Open a session; return its id and the process that has it."""
        told = self.ask(endpoint, "NEW_SESSION", **body)
        return told["NewSessionId"].partition(";")[0], told["process"]

    def stream(self, endpoint: str, session: str | None = None, **body: Any) -> Iterator[bytes]:
        """Yield the parts of a stream."""
        named = {} if session is None else {"SessionId": session}
        answer = self.runtime.invoke_endpoint_with_response_stream(
            EndpointName=endpoint,
            Body=json.dumps(body),
            ContentType="application/json",
            **named,
        )
        for part in answer["Body"]:
            yield part["PayloadPart"]["Bytes"]

    def sum(self, metric: str, endpoint: str) -> float:
        """Return the sum of a metric of the endpoint's requests."""
        now = datetime.now(UTC)
        found = self.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=[
                {"Name": "EndpointName", "Value": endpoint},
                {"Name": "VariantName", "Value": "variant-0"},
            ],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
            Period=7200,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(found[0]["Sum"]) if found else 0.0


COMMAND = (sys.executable, str(PROGRAMS / "server_of_own_models.py"))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    with PrivateServer(tmp_path_factory.mktemp("own"), command=COMMAND) as server:
        scene = Own(server, tmp_path_factory.mktemp("models"))
        scene.deploy(one=1, three=3)
        yield scene


def until(condition: Any, what: str) -> None:
    give_up = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < give_up, what
        time.sleep(0.05)


def broken(parts: Iterator[bytes]) -> tuple[bytes, dict[str, Any]]:
    """Return what came of a stream before the error that it ended in, and that error's event."""
    received = []
    with pytest.raises(EventStreamError) as caught:
        received.extend(parts)
    return b"".join(received), caught.value.response


def test_parts_arrive_while_the_model_still_works(own: Own) -> None:
    parts = own.stream("one", parts=["early", "late"], wait_for="go")
    assert next(parts) == b"early"
    # The model holds the rest back until this other request has reached it.
    own.ask("one", release="go")
    assert b"".join(parts) == b"late"


@pytest.mark.parametrize("end", ["die", "hang up", "garble"])
def test_a_stream_that_ends_in_the_middle_says_so(own: Own, end: str) -> None:
    before = own.ask("one")["process"]
    failures, invocations = (own.sum(m, "one") for m in ("InvocationModelErrors", "Invocations"))
    received, error = broken(own.stream("one", parts=["a", "b", "c"], then=end))
    assert received == b"abc"
    assert error["Error"]["Code"] == "ModelStreamError"
    # The endpoint serves on: by the same process, or by the next if it died.
    assert (own.ask("one")["process"] == before) == (end != "die")
    assert b"".join(own.stream("one", parts=["d"])) == b"d"
    assert own.sagemaker.describe_endpoint(EndpointName="one")["EndpointStatus"] == "InService"
    assert own.sum("InvocationModelErrors", "one") == failures + 1
    assert own.sum("Invocations", "one") == invocations + 3


def test_a_stream_that_takes_too_long_is_broken_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OWN_STREAM_LIMIT_S", "1.0")
    with PrivateServer(tmp_path / "data", command=COMMAND) as server:
        own = Own(server, tmp_path)
        own.deploy(slow=1)
        received, error = broken(own.stream("slow", parts=["a", "b"], wait_for="nobody"))
        assert received == b"a"
        assert error["Error"]["Code"] == "ModelStreamError"
        assert "took longer than 1 seconds" in error["Error"]["Message"]
        assert own.sum("InvocationModelErrors", "slow") == 1.0
        # The model, which waits to this day, answers others.
        assert b"".join(own.stream("slow", parts=["c"])) == b"c"


def test_the_event_of_a_broken_stream_has_the_documented_code(own: Own) -> None:
    answer = own.runtime.invoke_endpoint_with_response_stream(
        EndpointName="one",
        Body=json.dumps({"parts": ["a"], "then": "hang up"}),
        ContentType="application/json",
    )
    # The client's exception has only code and message; the event itself has what is documented.
    *_, last = answer["Body"]._event_generator
    assert last.headers[":exception-type"] == "ModelStreamError"
    assert json.loads(last.payload)["ErrorCode"] == "StreamBroken"


def test_a_reader_that_leaves_ends_the_models_work(own: Own) -> None:
    before = own.ask("one", cut_streams=True)["cut_streams"]
    client = own.client("sagemaker-runtime")
    answer = client.invoke_endpoint_with_response_stream(
        EndpointName="one",
        Body=json.dumps({"parts": ["a"], "then": "go on"}),
        ContentType="application/json",
    )
    events = iter(answer["Body"])
    assert next(events)["PayloadPart"]["Bytes"]
    answer["Body"].close()
    client.close()
    until(
        lambda: own.ask("one", cut_streams=True)["cut_streams"] == before + 1,
        "the model never learned that nobody reads",
    )


def test_sessions_stay_with_the_instance_that_opened_them(own: Own) -> None:
    opened = [own.open("three", say=str(number)) for number in range(SESSIONS)]
    assert len({process for _, process in opened}) == 3
    for word in ("x", "y"):
        for number, (session, process) in enumerate(opened):
            told = own.ask("three", session, say=word)
            assert told["process"] == process
            assert told["said"] == [str(number), *("xy"[: "xy".index(word) + 1])]
    # Requests without a session go anywhere meanwhile.
    assert len({own.ask("three")["process"] for _ in range(SESSIONS)}) == 3
    for number, (session, _) in enumerate(opened):
        streamed = own.stream("three", session, parts=["!"])
        assert b"".join(streamed) == f"{number}xy!".encode()


def refused(own: Own, session: str) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        own.ask("three", session)
    return caught.value.response


def test_the_model_closes_a_session(own: Own) -> None:
    session, _ = own.open("three", say="a")
    told = own.ask("three", session, say="b", close=True)
    assert (told["said"], told["ClosedSessionId"]) == (["a", "b"], session)
    error = refused(own, session)
    assert error["Error"]["Code"] == "ValidationError"
    assert session in error["Error"]["Message"]
    with pytest.raises(ClientError, match="ValidationError"):
        list(own.stream("three", session, parts=["a"]))


def test_a_session_ends_when_its_time_is_over(own: Own) -> None:
    session, process = own.open("three", lasts_s=3)
    assert own.ask("three", session)["process"] == process
    time.sleep(3.1)
    assert refused(own, session)["Error"]["Code"] == "ValidationError"


def test_a_stream_cannot_open_a_session(own: Own) -> None:
    with pytest.raises(ClientError, match="ValidationError"):
        list(own.stream("three", "NEW_SESSION", parts=["a"]))


def test_a_process_that_dies_forgets_and_its_session_stays_where_it_was(own: Own) -> None:
    session, _ = own.open("three", say="a")
    received, error = broken(own.stream("three", session, parts=["b"], then="die"))
    assert (received, error["Error"]["Code"]) == (b"ab", "ModelStreamError")
    error = refused(own, session)
    # It reached the instance, whose new process knows nothing: the model says so, not the router.
    assert error["Error"]["Code"] == "ModelError"
    assert error["OriginalStatusCode"] == 400
    assert "knows no conversation" in error["OriginalMessage"]


def test_sessions_outlive_the_server(own: Own) -> None:
    opened = [own.open("three", say="kept") for _ in range(4)]
    waiting = own.stream("one", parts=["begun", "never"], wait_for="nobody releases this")
    assert next(waiting) == b"begun"
    assert own.server._process is not None
    own.server._process.kill()
    own.server._process.wait()
    own.server.start()
    own.again()
    own.settled("three")
    for session, process in opened:
        told = own.ask("three", session, say="on")
        assert (told["process"], told["said"]) == (process, ["kept", "on"])


def test_streams_of_many_readers_do_not_mix(own: Own) -> None:
    found: dict[int, bytes] = {}

    def read(number: int) -> None:
        parts = [f"{number}.{part};" for part in range(20)]
        found[number] = b"".join(own.stream("three", parts=parts))

    readers = [threading.Thread(target=read, args=(number,)) for number in range(10)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(LIMIT_S)
    for number in range(10):
        assert found[number] == "".join(f"{number}.{part};" for part in range(20)).encode()
