"""Variants, instances, updates: who answers, and that somebody always does."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

FIRST = {"VariantName": "first", "ModelName": "one"}
SECOND = {"VariantName": "second", "ModelName": "two"}
# K-Means' single centre tells which model answered: its distance from the origin.
DISTANCE = {"first": 1.0, "second": 2.0}


@pytest.fixture
def models(hosting: Any) -> Any:
    hosting.model("one", hosting.kmeans((1.0, 0.0)))
    hosting.model("two", hosting.kmeans((2.0, 0.0)))
    return hosting


def shares(hosting: Any, name: str, count: int = 40) -> Counter[str]:
    seen: Counter[str] = Counter()
    for _ in range(count):
        distance, variant = hosting.distance(name)
        assert distance == DISTANCE[variant]
        seen[variant] += 1
    return seen


@contextmanager
def load(hosting: Any, name: str, threads: int = 4) -> Iterator[list[Any]]:
    """Invoke without pause meanwhile; yield what came back, distances and errors."""
    outcomes: list[Any] = []
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            try:
                outcomes.append(hosting.distance(name)[0])
            except ClientError as error:
                outcomes.append(error)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield outcomes
    finally:
        over.set()
        for worker in workers:
            worker.join()


def model_servers(data: Path) -> set[int]:
    """Return the processes that model servers' shims run in."""
    found = set()
    for shim in data.glob("fleets/*/*/shim.json"):
        pid = int(shim.read_text().partition('"pid":')[2].partition(",")[0])
        if Path(f"/proc/{pid}").exists():
            found.add(pid)
    return found


def test_weights_share_the_traffic(models: Any) -> None:
    first, second = FIRST | {"InitialVariantWeight": 3}, SECOND | {"InitialVariantWeight": 1}
    models.endpoint("shared", first, second)
    seen = shares(models, "shared")
    assert abs(seen["first"] - 30) <= 2
    assert seen["first"] + seen["second"] == 40


def test_a_target_variant_gets_the_request_whatever_its_weight(
    models: Any, refused: Callable[..., tuple[str, str]]
) -> None:
    models.endpoint("target", FIRST, SECOND | {"InitialVariantWeight": 0})
    assert shares(models, "target", 10) == {"first": 10}
    assert models.distance("target", TargetVariant="second") == (2.0, "second")
    code, message = refused(
        models.runtime.invoke_endpoint, EndpointName="target", Body=b"", TargetVariant="third"
    )
    assert code == "ValidationError"
    assert "third" in message


def test_weights_change_at_once_and_stay(
    models: Any, refused: Callable[..., tuple[str, str]]
) -> None:
    models.endpoint("reweighed", FIRST, SECOND)
    change = models.sagemaker.update_endpoint_weights_and_capacities
    desired = [{"VariantName": "first", "DesiredWeight": 0}]
    change(EndpointName="reweighed", DesiredWeightsAndCapacities=desired)
    assert shares(models, "reweighed", 10) == {"second": 10}
    told = models.settled("reweighed")["ProductionVariants"]
    assert [item["CurrentWeight"] for item in told] == [0, 1]
    nothing = [{"VariantName": "second", "DesiredWeight": 0}]
    for wrong in (nothing, [{"VariantName": "third", "DesiredWeight": 1}]):
        code, _ = refused(change, EndpointName="reweighed", DesiredWeightsAndCapacities=wrong)
        assert code == "ValidationException"
    assert shares(models, "reweighed", 10) == {"second": 10}


def test_instances_of_a_variant_take_turns_and_stand_in_for_each_other(models: Any) -> None:
    before = model_servers(models.server.data)
    models.endpoint("several", FIRST | {"InitialInstanceCount": 3})
    servers = model_servers(models.server.data) - before
    assert len(servers) == 3
    assert models.settled("several")["ProductionVariants"][0]["CurrentInstanceCount"] == 3
    with load(models, "several") as outcomes:
        os.kill(servers.pop(), signal.SIGKILL)
        wanted = len(outcomes) + 100
        while len(outcomes) < wanted:
            time.sleep(0.01)
    assert set(outcomes) == {1.0}


def test_an_update_under_load_loses_no_request(models: Any) -> None:
    models.endpoint("updated", FIRST)
    models.config("updated-2", SECOND)
    before = model_servers(models.server.data)
    with load(models, "updated") as outcomes:
        models.sagemaker.update_endpoint(EndpointName="updated", EndpointConfigName="updated-2")
        described = models.sagemaker.describe_endpoint(EndpointName="updated")
        assert described["EndpointStatus"] == "Updating"
        assert described["EndpointConfigName"] == "updated"
        pending = described["PendingDeploymentSummary"]
        assert pending["EndpointConfigName"] == "updated-2"
        assert pending["ProductionVariants"][0]["VariantName"] == "second"
        description = models.settled("updated")
        wanted = len(outcomes) + 50
        while len(outcomes) < wanted:
            time.sleep(0.01)
    assert set(outcomes) == {1.0, 2.0}
    # Once the new fleet has answered, the old one never does again.
    assert outcomes[-20:] == [2.0] * 20
    assert description["EndpointConfigName"] == "updated-2"
    assert "PendingDeploymentSummary" not in description
    give_up = time.monotonic() + 30
    while len(model_servers(models.server.data)) > len(before):
        assert time.monotonic() < give_up, "the old fleet goes on"
        time.sleep(0.02)


def test_capacities_change_under_load(models: Any) -> None:
    models.endpoint("scaled", FIRST)
    desired = [{"VariantName": "first", "DesiredInstanceCount": 2}]
    with load(models, "scaled") as outcomes:
        models.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName="scaled", DesiredWeightsAndCapacities=desired
        )
        during = models.sagemaker.describe_endpoint(EndpointName="scaled")
        description = models.settled("scaled")
    assert during["EndpointStatus"] == "Updating"
    assert during["ProductionVariants"][0]["CurrentInstanceCount"] == 1
    assert during["ProductionVariants"][0]["DesiredInstanceCount"] == 2
    assert description["ProductionVariants"][0]["CurrentInstanceCount"] == 2
    assert set(outcomes) == {1.0}


def test_an_endpoint_serves_on_without_its_model_and_configuration(
    models: Any, refused: Callable[..., tuple[str, str]]
) -> None:
    models.endpoint("kept", FIRST)
    models.sagemaker.delete_model(ModelName="one")
    models.sagemaker.delete_endpoint_config(EndpointConfigName="kept")
    models.client("s3").delete_object(Bucket=models.bucket, Key="one.tar.gz")
    assert models.distance("kept") == (1.0, "first")
    code, message = refused(
        models.sagemaker.update_endpoint, EndpointName="kept", EndpointConfigName="kept"
    )
    arn = f"arn:aws:sagemaker:us-east-1:{models.account}:endpoint-config/kept"
    assert (code, message) == (
        "ValidationException",
        f'Could not find endpoint configuration "{arn}".',
    )
    models.sagemaker.delete_endpoint(EndpointName="kept")
    models.gone("kept")


def test_a_deleted_endpoint_answers_nothing_and_frees_its_name(
    models: Any, refused: Callable[..., tuple[str, str]]
) -> None:
    models.endpoint("again", FIRST)
    models.sagemaker.delete_endpoint(EndpointName="again")
    code, message = refused(models.runtime.invoke_endpoint, EndpointName="again", Body=b"0,0")
    assert code == "ValidationError"
    assert message == f"Endpoint again of account {models.account} not found."
    models.gone("again")
    models.config("again-2", SECOND)
    models.sagemaker.create_endpoint(EndpointName="again", EndpointConfigName="again-2")
    models.settled("again")
    assert models.distance("again") == (2.0, "second")


def test_the_server_comes_back_with_the_endpoints_it_had(tmp_path: Path, hosting: Any) -> None:
    """A clean stop ends the model servers; the next start brings them back, weights and all."""
    from sagebrush.launch import PrivateServer

    with PrivateServer(tmp_path / "data") as server:
        own = type(hosting)(server, tmp_path)
        own.model("one", own.kmeans((1.0, 0.0)))
        own.model("two", own.kmeans((2.0, 0.0)))
        own.endpoint("back", FIRST, SECOND)
        desired = [{"VariantName": "first", "DesiredWeight": 0}]
        own.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName="back", DesiredWeightsAndCapacities=desired
        )
        own.client("s3").delete_object(Bucket=own.bucket, Key="two.tar.gz")
        server.stop()
        assert not model_servers(server.data)
        server.start()
        # Requests that come early wait.
        assert shares(own, "back", 10) == {"second": 10}
