"""What users' faults do to training jobs: no capacity, spot interruptions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .conftest import ACCOUNT, Server

_SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60},
}
_RESUMES = (
    "cd $1/checkpoints; if [ -e half ]; then echo resumed; exit 0; fi; "
    "trap 'echo 1 > half; exit 0' TERM; while :; do sleep 0.01; done"
)


@pytest.fixture(autouse=True)
def _no_fault_stays(server: Server) -> Iterator[None]:
    yield
    server.platform.injection.clear()


def struck(server: Server) -> list[int]:
    return [fault["struck"] for fault in server.platform.injection.shown()]


def test_no_capacity_fails_the_jobs_it_is_for(server: Server) -> None:
    fault = {"kind": "capacity", "target": "training-job/short-*", "account": ACCOUNT}
    server.platform.injection.add(fault)
    job = server.train("short-of-hosts", "exit 0")
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == (
        "CapacityError: Unable to provision requested ML compute capacity. Please retry using a"
        " different ML instance type."
    )
    assert "TrainingStartTime" not in job
    assert struck(server) == [1]
    assert server.train("other", "exit 0")["TrainingJobStatus"] == "Completed"
    server.platform.injection.clear()
    assert server.train("short-no-more", "exit 0")["TrainingJobStatus"] == "Completed"


def test_a_spot_interruption_strikes_a_running_job_that_resumes(server: Server) -> None:
    bucket = server.bucket()
    request = {"CheckpointConfig": {"S3Uri": f"s3://{bucket}/c"}, **_SPOT}
    server.create("spot-by-fault", _RESUMES, **request)
    server.wait("spot-by-fault", "Training")

    async def interrupt() -> None:
        target = "training-job/spot-by-fault"
        # Not before the script can be told: it gets SIGTERM and has two minutes.
        fault = {"kind": "spot-interruption", "target": target, "delay_s": 0.3}
        server.platform.injection.add(fault)

    server.run(interrupt())
    job = server.wait("spot-by-fault")
    assert job["TrainingJobStatus"] == "Completed"
    statuses = [item["Status"] for item in job["SecondaryStatusTransitions"]]
    again = ["Starting", "Downloading", "Training"]
    assert statuses == [*again, "Interrupted", *again, "Uploading", "Completed"]
    assert job["BillableTimeInSeconds"] <= job["TrainingTimeInSeconds"] + 1
    assert server.log("spot-by-fault") == {"algo-1": ["resumed"]}
    assert struck(server) == [1]


def test_only_spot_jobs_are_interrupted(server: Server) -> None:
    server.platform.injection.add({"kind": "spot-interruption", "target": "training-job/*"})
    job = server.train("on-demand", "sleep 0.2")
    assert job["TrainingJobStatus"] == "Completed"
    assert struck(server) == [0]
