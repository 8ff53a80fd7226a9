"""Tuning jobs for the tests: K-Means by name, a shell script in fact.

The script finds each hyperparameter as a variable of the same name, and `tell VALUE` prints the
objective as K-Means does.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import Any

from sagebrush.services.sagemaker.tuning import records

from .conftest import ACCOUNT, KMEANS, ROLE, Server

METRIC = "test:msd"
OVER = ("Completed", "Failed", "Stopped")
_HEAD = """
value_of() {
    tr ',' '\\n' < "$1/input/config/hyperparameters.json" |
        sed -n 's/.*"'$2'": *"\\([^"]*\\)".*/\\1/p'
}
for name in epochs mini_batch_size init_method extra_center_factor; do
    eval "$name=$(value_of "$1" $name)"
done
tell() { echo "#quality_metric: host=algo-1, test msd <loss>=$1"; }
wait_for() { while [ ! -e "$1" ]; do sleep 0.01; done; }
"""
RANGES = {
    "IntegerParameterRanges": [{"Name": "mini_batch_size", "MinValue": "100", "MaxValue": "9999"}]
}
GRID = {
    "CategoricalParameterRanges": [
        {"Name": "init_method", "Values": ["random", "kmeans++"]},
        {"Name": "epochs", "Values": ["1", "2"]},
    ]
}
NAMED = "HyperParameterTuningJobName"


def script(body: str) -> str:
    """Return a program that does `body` with the hyperparameters as variables."""
    return _HEAD + body


def definition(server: Server, **changes: Any) -> dict[str, Any]:
    """Return a training job definition with members changed."""
    return {
        "RoleArn": ROLE,
        "AlgorithmSpecification": {"TrainingImage": KMEANS, "TrainingInputMode": "File"},
        "StaticHyperParameters": {"k": "3", "feature_dim": "4"},
        "OutputDataConfig": {"S3OutputPath": f"s3://{server.bucket()}/out"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 1,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    } | changes


def tuning_request(
    server: Server,
    name: str,
    *,
    jobs: int = 4,
    parallel: int = 2,
    definition_changes: dict[str, Any] | None = None,
    top: dict[str, Any] | None = None,
    **config: Any,
) -> dict[str, Any]:
    """Return a CreateHyperParameterTuningJob; `config` are members of its configuration."""
    return {
        NAMED: name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": METRIC},
            "ResourceLimits": {
                "MaxNumberOfTrainingJobs": jobs,
                "MaxParallelTrainingJobs": parallel,
            },
            "ParameterRanges": RANGES,
            "RandomSeed": 7,
        }
        | config,
        "TrainingJobDefinition": definition(server, **(definition_changes or {})),
    } | (top or {})


def tune(server: Server, name: str, body: str, **changes: Any) -> dict[str, Any]:
    """Run a tuning job to its end and return its description."""
    start_tuning(server, name, body, **changes)
    return tuned(server, name)


def start_tuning(server: Server, name: str, body: str, **changes: Any) -> dict[str, Any]:
    """Create a tuning job whose trials do `body`; return the request."""
    server.program = script(body)
    request = tuning_request(server, name, **changes)
    server.call("CreateHyperParameterTuningJob", **request)
    return request


def described(server: Server, name: str) -> dict[str, Any]:
    """Return the description of a tuning job."""
    return server.call("DescribeHyperParameterTuningJob", **{NAMED: name})


def tuned(server: Server, name: str, *statuses: str) -> dict[str, Any]:
    """Return the description of a tuning job once it has one of the statuses, else is over."""

    async def until() -> dict[str, Any]:
        while True:
            job = await server._call("DescribeHyperParameterTuningJob", {NAMED: name})
            consistent(job)
            if job["HyperParameterTuningJobStatus"] in (statuses or OVER):
                return job
            await asyncio.sleep(0.01)

    return server.run(until(), 60.0)


def consistent(job: dict[str, Any]) -> None:
    """Check that a description agrees with itself."""
    statuses = job["TrainingJobStatusCounters"]
    objectives = job["ObjectiveStatusCounters"]
    limits = job["HyperParameterTuningJobConfig"]["ResourceLimits"]
    assert sum(statuses.values()) == sum(objectives.values())
    assert sum(statuses.values()) <= limits["MaxNumberOfTrainingJobs"]
    assert statuses["InProgress"] <= objectives["Pending"] <= limits["MaxParallelTrainingJobs"]
    assert ("BestTrainingJob" in job) == (objectives["Succeeded"] > 0)
    if job["HyperParameterTuningJobStatus"] in OVER:
        assert objectives["Pending"] == 0
        assert "HyperParameterTuningEndTime" in job


def trials(server: Server, name: str, **changes: Any) -> list[dict[str, Any]]:
    """Return every training job of a tuning job, over all pages."""
    found: list[dict[str, Any]] = []
    more: dict[str, Any] = {"MaxResults": 100}
    while True:
        page = server.call(
            "ListTrainingJobsForHyperParameterTuningJob", **{NAMED: name}, **(more | changes)
        )
        found += page["TrainingJobSummaries"]
        if "NextToken" not in page:
            return found
        more = more | {"NextToken": page["NextToken"]}


def wait_for_trials(server: Server, name: str, count: int) -> list[dict[str, Any]]:
    """Return the trials once there are so many."""
    server.until(lambda: _count(server, name) >= count)
    return trials(server, name)


def _count(server: Server, name: str) -> int:
    job = records.find_job(server.platform.db, ACCOUNT, server.region, name)
    return len(records.trials_of(server.platform.db, job.id)) if job else 0


def kill_processes(server: Server, name: str) -> None:
    """Kill the processes of a running training job."""
    record = json.loads((server.root(name).parents[2] / "shim.json").read_bytes())
    os.kill(int(record["pid"]), signal.SIGKILL)


def values(server: Server, name: str) -> list[dict[str, str]]:
    """Return the tuned hyperparameters of the trials in their order."""
    return [trial["TunedHyperParameters"] for trial in trials(server, name)]
