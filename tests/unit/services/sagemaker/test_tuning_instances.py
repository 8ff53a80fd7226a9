"""Instances of trials: the first of InstanceConfigs that can be had, for each trial anew."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sagebrush.base.errors import ApiError

from .conftest import Server
from .tuning_example import NAMED, script, trials, tuned, tuning_request, wait_for_trials

SMALL = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
LARGE = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 2}
DOUBLE = {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 3}
SUCCESS = "tell 1.5"


@pytest.fixture(autouse=True)
def _no_fault_stays(server: Server) -> Iterator[None]:
    yield
    server.platform.injection.clear()


def begin(server: Server, name: str, *configs: dict[str, Any], **changes: Any) -> None:
    """Create a tuning job whose trials may run on any of these instances."""
    request = tuning_request(server, name, **{"jobs": 2, "parallel": 1} | changes)
    definition = dict(request["TrainingJobDefinition"])
    del definition["ResourceConfig"]
    wanted = {"InstanceConfigs": list(configs), "AllocationStrategy": "Prioritized"}
    definition["HyperParameterTuningResourceConfig"] = wanted
    server.call("CreateHyperParameterTuningJob", **request | {"TrainingJobDefinition": definition})


def short(server: Server, target: str, **options: Any) -> str:
    """Have instances short; return the fault's id."""
    given = {"kind": "capacity", "target": f"training-job/{target}"} | options
    return str(server.platform.injection.add(given)["id"])


def resources(server: Server, name: str) -> list[dict[str, Any]]:
    """Return on what the trials run, the oldest first."""
    names = [trial["TrainingJobName"] for trial in trials(server, name)]
    jobs = [server.call("DescribeTrainingJob", TrainingJobName=each) for each in sorted(names)]
    return [
        {member: job["ResourceConfig"][member] for member in SMALL}
        | ({"reason": job["FailureReason"]} if "FailureReason" in job else {})
        for job in jobs
    ]


def test_the_next_instances_are_taken_when_the_first_are_short(server: Server) -> None:
    server.program = script(SUCCESS)
    short(server, "fallback-*/ml.m5.large")
    short(server, "fallback-*/ml.m5.xlarge", times=1)
    begin(server, "fallback", SMALL, LARGE, DOUBLE)
    assert tuned(server, "fallback")["HyperParameterTuningJobStatus"] == "Completed"
    # Each trial asks for the preferred ones again.
    assert resources(server, "fallback") == [DOUBLE, LARGE]
    assert [fault["struck"] for fault in server.platform.injection.shown()] == [2, 1]


def test_a_trial_without_any_instances_fails(server: Server) -> None:
    server.program = script(SUCCESS)
    short(server, "nowhere-*")
    begin(server, "nowhere", SMALL, LARGE, jobs=1)
    job = tuned(server, "nowhere")
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    (only,) = resources(server, "nowhere")
    assert only["reason"].startswith("CapacityError: Unable to provision requested ML compute")
    assert [fault["struck"] for fault in server.platform.injection.shown()] == [2]


def test_what_is_not_short_is_not_passed_over(server: Server) -> None:
    server.program = script(SUCCESS)
    short(server, "preferred-*/ml.m5.xlarge")
    begin(server, "preferred", SMALL, LARGE, jobs=1)
    tuned(server, "preferred")
    assert resources(server, "preferred") == [SMALL]


def test_every_configuration_is_checked(server: Server) -> None:
    with pytest.raises(ApiError, match=r"Instance type ml\.nope\.large is not"):
        begin(server, "refused", SMALL, LARGE | {"InstanceType": "ml.nope.large"})


def test_a_restarted_server_finds_the_trial_on_its_instances(own_server: Server) -> None:
    server = own_server
    server.program = script(f"wait_for $1/go; {SUCCESS}")
    identifier = short(server, "moved-*/ml.m5.large")
    begin(server, "moved", SMALL, LARGE, jobs=1)
    (trial,) = wait_for_trials(server, "moved", 1)
    server.wait(trial["TrainingJobName"], "Training")
    server.abandon()
    server.start()
    server.platform.injection.remove(identifier)
    (server.root(trial["TrainingJobName"]) / "go").touch()
    assert tuned(server, "moved")["HyperParameterTuningJobStatus"] == "Completed"
    assert resources(server, "moved") == [LARGE]
    assert server.call("DescribeHyperParameterTuningJob", **{NAMED: "moved"})["BestTrainingJob"]
