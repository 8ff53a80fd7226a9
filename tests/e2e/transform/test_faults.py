"""Faults that a user switches on for transform jobs, seen by real clients."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.e2e.hosting.steering import crash, told
from tests.e2e.transform.conftest import Transforms

from sagebrush.launch import PrivateServer
from sagebrush.testing.plugin import Sagebrush

LINES = 40
ROWS = "".join(f"{row % 20},1\n" for row in range(LINES)).encode()


@pytest.fixture
def sagebrush(server: PrivateServer) -> Iterator[Sagebrush]:
    """The plugin's handle; no fault stays."""
    yield Sagebrush(server)
    told(server, "faults", "clear")


@pytest.fixture
def scene(transforms: Transforms) -> Transforms:
    """A model and two files of rows."""
    transforms.model("model", transforms.kmeans((0.0, 0.0), (10.0, 10.0)))
    for name in ("one", "two"):
        transforms.upload(f"in/{name}.csv", ROWS)
    return transforms


def run(scene: Transforms, name: str, **changes: Any) -> Any:
    """Run a job of a request per line and return its description."""
    scene.create(name, "model", "in/", "application/jsonlines", **changes)
    return scene.end(name)


def clusters(scene: Transforms, name: str) -> list[int]:
    """Return how many answers each output has."""
    bodies = scene.outputs(name).values()
    return [len([json.loads(line) for line in body.splitlines()]) for body in bodies]


def log_text(scene: Transforms, name: str) -> str:
    """Return all that a job's log group has of it."""
    events = scene.client("logs").filter_log_events(
        logGroupName="/aws/sagemaker/TransformJobs", logStreamNamePrefix=f"{name}/"
    )["events"]
    return "\n".join(event["message"] for event in events)


def test_a_crash_costs_a_request_that_is_sent_again(
    scene: Transforms, sagebrush: Sagebrush, server: PrivateServer
) -> None:
    log = server.data / "server.log"
    before = log.read_text().count("ended; starting it again")
    with sagebrush.fault("model-crash", "transform-job/frail", times=2) as fault:
        job = run(scene, "frail", BatchStrategy="SingleRecord")
        assert fault.struck == 2
    assert job["TransformJobStatus"] == "Completed", job
    assert clusters(scene, "frail") == [LINES, LINES]
    assert log.read_text().count("ended; starting it again") > before


def test_the_question_for_advice_is_no_request_of_the_job(
    scene: Transforms, sagebrush: Sagebrush
) -> None:
    given = {"status": 400, "message": "not these"}
    with sagebrush.fault("model-error", "transform-job/refused", times=1, **given) as fault:
        job = run(scene, "refused", ModelClientConfig={"InvocationsMaxRetries": 0})
        assert fault.struck == 1
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: See job logs for more information. 1 of 2")
    assert "not these" in log_text(scene, "refused")


@pytest.mark.parametrize(("retries", "status"), [(1, "Completed"), (0, "Failed")])
def test_what_the_container_fails_is_asked_again_as_often_as_wanted(
    scene: Transforms, sagebrush: Sagebrush, retries: int, status: str
) -> None:
    name = f"again-{retries}"
    with sagebrush.fault("model-error", f"transform-job/{name}", times=1) as fault:
        job = run(scene, name, ModelClientConfig={"InvocationsMaxRetries": retries})
        assert fault.struck == 1
    assert job["TransformJobStatus"] == status, job
    if status == "Failed":
        assert "Bad HTTP status received from algorithm: 500" in log_text(scene, name)


def test_a_slow_model_makes_a_slow_job(scene: Transforms, sagebrush: Sagebrush) -> None:
    with sagebrush.fault("model-delay", "transform-job/slow", delay_s=0.6, times=1) as fault:
        started = time.perf_counter()
        job = run(scene, "slow")
        assert time.perf_counter() - started >= 0.6
        assert fault.struck == 1
    assert job["TransformJobStatus"] == "Completed"


def test_a_model_slower_than_the_job_waits_fails_it(
    scene: Transforms, sagebrush: Sagebrush
) -> None:
    patience = {"InvocationsTimeoutInSeconds": 1, "InvocationsMaxRetries": 0}
    with sagebrush.fault("model-delay", "transform-job/late", delay_s=30):
        job = run(scene, "late", ModelClientConfig=patience)
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: See job logs for more information")
    assert "Unable to get response from algorithm" in log_text(scene, "late")


def test_no_capacity_fails_a_job_and_only_while_it_lasts(
    scene: Transforms, sagebrush: Sagebrush
) -> None:
    with sagebrush.fault("capacity", "transform-job/short*") as fault:
        job = run(scene, "short-1")
        assert fault.struck == 1
        assert run(scene, "other")["TransformJobStatus"] == "Completed"
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"] == (
        "CapacityError: Unable to provision requested ML compute capacity. Please retry using a"
        " different ML instance type."
    )
    assert scene.outputs("short-1") == {}
    assert run(scene, "short-2")["TransformJobStatus"] == "Completed"


def test_throttled_operations_of_transform_jobs(scene: Transforms, sagebrush: Sagebrush) -> None:
    with sagebrush.fault("throttle", "sagemaker:*TransformJob", times=2):
        for call in (
            lambda: scene.create("busy", "model", "in/"),
            lambda: scene.sagemaker.describe_transform_job(TransformJobName="busy"),
        ):
            with pytest.raises(ClientError) as caught:
                call()
            assert caught.value.response["Error"]["Code"] == "ThrottlingException"
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert run(scene, "busy")["TransformJobStatus"] == "Completed"


def test_a_fault_outlives_the_server_and_strikes_the_job_it_takes_up(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with PrivateServer(tmp_path_factory.mktemp("server")) as server:
        scene = Transforms(server, tmp_path_factory.mktemp("models"))
        scene.model("model", scene.kmeans((0.0, 0.0), (10.0, 10.0)))
        scene.upload("in/one.csv", ROWS)
        delay = Sagebrush(server).fault("model-delay", "transform-job/kept", delay_s=0.2)
        with delay as fault:
            scene.create("kept", "model", "in/", BatchStrategy="SingleRecord")
            while fault.struck == 0:
                time.sleep(0.01)
            crash(server)
            before = fault.struck
            while fault.struck == before:
                time.sleep(0.01)
        assert scene.again().end("kept")["TransformJobStatus"] == "Completed"
