"""Guarded deployments of real model servers under load: no request is lost, whatever happens."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.e2e.endpoints.conftest import Hosting
from tests.e2e.hosting.steering import clock, crash

from sagebrush.launch import PrivateServer

OLD, NEW = 1.0, 2.0
INTERVAL_S = 3600
LIMIT_S = 60.0
THREADS = 4


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    """A server whose clock moves only when told."""
    with PrivateServer(tmp_path_factory.mktemp("deployed"), ("--clock", "stopped")) as running:
        yield running


@pytest.fixture
def hosting(server: PrivateServer, tmp_path: Path) -> Iterator[Any]:
    """An account with two models: how far the answer is from the origin tells which one it was."""
    scene = Hosting(server, tmp_path)
    scene.model("one", scene.kmeans((OLD, 0.0)))
    scene.model("two", scene.kmeans((NEW, 0.0)))
    scene.model("broken", scene.kmeans((NEW, 0.0, 0.0)))
    yield scene
    for endpoint in scene.sagemaker.list_endpoints()["Endpoints"]:
        scene.sagemaker.delete_endpoint(EndpointName=endpoint["EndpointName"])
        scene.gone(endpoint["EndpointName"])


def advance(hosting: Any, seconds: float) -> None:
    moved = clock(hosting.server, advance_s=seconds, limit_s=30)
    assert not moved["unsettled"], moved


def variant(model: str, count: int) -> dict[str, Any]:
    return {"VariantName": "all", "ModelName": model, "InitialInstanceCount": count}


def policy(kind: str, *alarms: str) -> dict[str, Any]:
    one = {"Type": "INSTANCE_COUNT", "Value": 1}
    whole: dict[str, Any] = {}
    if kind == "ROLLING":
        update = {"MaximumBatchSize": one, "WaitIntervalInSeconds": INTERVAL_S}
        whole["RollingUpdatePolicy"] = update
    else:
        routing: dict[str, Any] = {"Type": kind, "WaitIntervalInSeconds": INTERVAL_S}
        sizes = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}
        routing |= {sizes[kind]: one} if kind in sizes else {}
        update = {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": INTERVAL_S}
        whole["BlueGreenUpdatePolicy"] = update
    if alarms:
        whole["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in alarms]}
    return whole


class Load:
    """Requests without a pause, and what became of them."""

    def __init__(self, hosting: Any, name: str, *, patient: bool = False) -> None:
        self._hosting = hosting
        self._name = name
        # Whether a server that is not there is waited for, as clients do that try again.
        self._patient = patient
        # When each request was sent, and which model answered it.
        self._answers: list[tuple[float, float]] = []
        self.errors: list[str] = []
        self._over = threading.Event()
        self._workers = [threading.Thread(target=self._work) for _ in range(THREADS)]

    def __enter__(self) -> Load:
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for worker in self._workers:
            worker.join()

    def _work(self) -> None:
        while not self._over.is_set():
            sent = time.monotonic()
            try:
                self._answers.append((sent, self._hosting.distance(self._name)[0]))
            except ClientError as error:
                self.errors.append(str(error))
            except BotoCoreError as error:
                if not self._patient:
                    self.errors.append(str(error))
                time.sleep(0.02)

    def next(self, number: int = 200) -> Counter[float]:
        """Return which model answered the next requests, sent from now on."""
        start, now = len(self._answers), time.monotonic()
        give_up = now + LIMIT_S
        while True:
            seen = [model for sent, model in self._answers[start:] if sent >= now]
            assert not self.errors, self.errors[:3]
            if len(seen) >= number:
                return Counter(seen[:number])
            assert time.monotonic() < give_up, "nobody answers"
            time.sleep(0.01)


def share(seen: Counter[float]) -> float:
    return seen[NEW] / sum(seen.values())


def begin(hosting: Any, name: str, deployment: dict[str, Any], count: int, model: str) -> None:
    hosting.config(f"{name}-new", variant(model, count))
    hosting.sagemaker.update_endpoint(
        EndpointName=name, EndpointConfigName=f"{name}-new", DeploymentConfig=deployment
    )
    baking(hosting, name)


def baking(hosting: Any, name: str) -> dict[str, Any]:
    """Return the description of an endpoint once its deployment bakes."""
    give_up = time.monotonic() + LIMIT_S
    while True:
        told: dict[str, Any] = hosting.sagemaker.describe_endpoint(EndpointName=name)
        pending = told["PendingDeploymentSummary"]["ProductionVariants"][0]
        if pending["VariantStatus"][0]["Status"] == "Baking":
            return told
        assert time.monotonic() < give_up, told
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("kind", "count", "expected"),
    [
        ("ALL_AT_ONCE", 1, [1.0]),
        ("CANARY", 3, [1 / 3, 1.0]),
        ("LINEAR", 3, [1 / 3, 2 / 3, 1.0]),
        ("ROLLING", 2, [1 / 2, 1.0]),
    ],
)
def test_traffic_moves_step_by_step_and_no_request_is_lost(
    hosting: Any, kind: str, count: int, expected: list[float]
) -> None:
    hosting.endpoint("moved", variant("one", count))
    with Load(hosting, "moved") as load:
        assert share(load.next()) == 0
        begin(hosting, "moved", policy(kind), count, "two")
        for part in expected:
            assert share(load.next(300)) == pytest.approx(part, abs=0.05)
            if part < 1:
                advance(hosting, INTERVAL_S)
                baking(hosting, "moved")
        advance(hosting, INTERVAL_S)
        told = hosting.settled("moved")
        assert share(load.next()) == 1
    assert not load.errors
    assert told["EndpointConfigName"] == "moved-new"
    assert told["ProductionVariants"][0]["CurrentInstanceCount"] == count
    assert told["LastDeploymentConfig"] == policy(kind)


@pytest.mark.parametrize(("kind", "count"), [("CANARY", 3), ("LINEAR", 2), ("ROLLING", 2)])
def test_errors_of_the_new_model_lead_back_without_a_lost_request(
    hosting: Any, kind: str, count: int
) -> None:
    hosting.endpoint("guarded", variant("one", count))
    alarm = f"errors-{kind}"
    hosting.client("cloudwatch").put_metric_alarm(
        AlarmName=alarm,
        Namespace="AWS/SageMaker",
        MetricName="Invocation4XXErrors",
        Dimensions=[
            {"Name": "EndpointName", "Value": "guarded"},
            {"Name": "VariantName", "Value": "all"},
            {"Name": "EndpointConfigName", "Value": "guarded-new"},
        ],
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0.5,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    begin(hosting, "guarded", policy(kind, alarm), count, "broken")
    outcomes: Counter[str] = Counter()
    for _ in range(20):
        try:
            hosting.distance("guarded")
            outcomes["old"] += 1
        except ClientError as error:
            outcomes[error.response["Error"]["Code"]] += 1
    # The new model was made for rows of another length, and says so itself.
    assert set(outcomes) == {"old", "ModelError"}
    advance(hosting, 120)
    told = hosting.settled("guarded")
    assert told["EndpointConfigName"] == "guarded"
    assert f"alarm {alarm} " in told["FailureReason"]
    with Load(hosting, "guarded") as load:
        assert share(load.next()) == 0
    assert not load.errors


@pytest.mark.parametrize(("kind", "count"), [("CANARY", 3), ("ROLLING", 2)])
def test_a_rollback_under_load_loses_no_request(hosting: Any, kind: str, count: int) -> None:
    hosting.endpoint("back", variant("one", count))
    alarms = hosting.client("cloudwatch")
    alarm = {
        "AlarmName": f"back-{kind}",
        "Namespace": "Test",
        "MetricName": "nothing",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    alarms.put_metric_alarm(**alarm, TreatMissingData="notBreaching")
    with Load(hosting, "back") as load:
        begin(hosting, "back", policy(kind, f"back-{kind}"), count, "two")
        advance(hosting, INTERVAL_S)
        baking(hosting, "back")
        assert share(load.next()) == 1
        alarms.put_metric_alarm(**alarm, TreatMissingData="breaching")
        # Alarms are evaluated at every full minute of the clock.
        advance(hosting, 60)
        told = hosting.settled("back")
        assert share(load.next()) == 0
    assert not load.errors
    assert f"alarm back-{kind} " in told["FailureReason"]
    assert told["ProductionVariants"][0]["CurrentInstanceCount"] == count


def test_capacity_changes_in_place_without_a_lost_request(hosting: Any) -> None:
    hosting.endpoint("scaled", variant("one", 1))
    change = hosting.sagemaker.update_endpoint_weights_and_capacities
    with Load(hosting, "scaled") as load:
        for count in (3, 1):
            desired = [{"VariantName": "all", "DesiredInstanceCount": count}]
            change(EndpointName="scaled", DesiredWeightsAndCapacities=desired)
            told = hosting.settled("scaled")
            assert told["ProductionVariants"][0]["CurrentInstanceCount"] == count
            load.next()
    assert not load.errors
    assert {model for _, model in load._answers} == {OLD}


@contextmanager
def killing(hosting: Any) -> Iterator[None]:
    """Kill model servers, one after the other, meanwhile."""
    over = threading.Event()

    def work() -> None:
        from tests.e2e.endpoints.test_variants import model_servers

        while not over.wait(0.4):
            for pid in sorted(model_servers(hosting.server.data))[:1]:
                _kill(pid)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join()


def _kill(pid: int) -> None:
    import os
    import signal

    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it has just ended by itself


@pytest.mark.parametrize("kind", ["ALL_AT_ONCE", "CANARY", "LINEAR", "ROLLING"])
def test_model_servers_that_are_killed_do_not_stop_a_deployment(hosting: Any, kind: str) -> None:
    hosting.endpoint("killed", variant("one", 2))
    with Load(hosting, "killed") as load:
        begin(hosting, "killed", policy(kind), 2, "two")
        with killing(hosting):
            load.next(100)
            advance(hosting, INTERVAL_S)
            load.next(100)
        advance(hosting, INTERVAL_S)
        told = hosting.settled("killed")
    assert not load.errors
    assert told["EndpointConfigName"] == "killed-new"


@pytest.mark.parametrize("kind", ["ALL_AT_ONCE", "CANARY", "LINEAR", "ROLLING"])
def test_a_server_that_is_killed_goes_on_with_the_deployment(hosting: Any, kind: str) -> None:
    hosting.endpoint("crash", variant("one", 2))
    stages = 1 if kind == "ALL_AT_ONCE" else 2
    with Load(hosting, "crash", patient=True) as load:
        begin(hosting, "crash", policy(kind), 2, "two")
        for number in range(1, stages + 1):
            crash(hosting.server)
            baking(hosting, "crash")
            # The row says so at once; the new fleet takes requests when it has been adopted.
            assert _until(lambda: share(load.next(20)) > 0)
            assert share(load.next(100)) == pytest.approx(number / stages, abs=0.1)
            advance(hosting, INTERVAL_S)
        told = hosting.settled("crash")
        assert share(load.next(50)) == 1
    assert not load.errors
    assert told["EndpointConfigName"] == "crash-new"
    running = _until(lambda: _servers(hosting) == 2)
    assert running, _servers(hosting)


def _servers(hosting: Any) -> int:
    from tests.e2e.endpoints.test_variants import model_servers

    return len(model_servers(hosting.server.data))


def _until(holds: Callable[[], bool]) -> bool:
    give_up = time.monotonic() + LIMIT_S
    while not holds() and time.monotonic() < give_up:
        time.sleep(0.05)
    return holds()
