"""Ten kinds of bad data for every built-in algorithm, each by an ordinary client: CreateTrainingJob
is accepted, and the job ends as Failed with a reason that names the cause.

All jobs of the session are made at once and run beside each other; the tests look at their ends.
What the kinds are is in `tests/unit/algorithms/bad_data.py`, and an algorithm's own in the
`contract_example.py` of its test folder.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from tests.unit.algorithms.bad_data import KINDS, LABEL_KINDS, bad_data_of
from tests.unit.algorithms.contract import Example
from tests.unit.algorithms.contract_examples import EXAMPLES

from sagebrush.algorithms import algorithm_names, card_of
from sagebrush.launch import PrivateServer

BUCKET = "bad-data"
ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
REGISTRY = "382416733822.dkr.ecr.us-east-1.amazonaws.com"
TERMINAL = ("Completed", "Failed", "Stopped")
LIMIT_S = 120.0
WORKERS = 8


def name_of(example: Example, kind: str) -> str:
    parts = (example.algorithm, example.name, kind)
    return "-".join(filter(None, parts)).replace("_", "-")


def is_tried(example: Example, kind: str) -> bool:
    """Whether the kind may end otherwise for this example than for its algorithm's first one."""
    first = next(each for each in EXAMPLES if each.algorithm == example.algorithm)
    own = example.bad_data.get(kind, first.bad_data.get(kind))
    return example is first or kind in LABEL_KINDS or own is not first.bad_data.get(kind)


PAIRS = [(example, kind) for example in EXAMPLES for kind in KINDS if is_tried(example, kind)]
CASES = [pytest.param(example, kind, id=name_of(example, kind)) for example, kind in PAIRS]


class Jobs:
    """A server on which all jobs with bad data have been made."""

    def __init__(self, server: PrivateServer) -> None:
        access = {
            "endpoint_url": server.endpoint,
            "region_name": "us-east-1",
            "aws_access_key_id": "a",
            "aws_secret_access_key": "b",
        }
        self.sagemaker = boto3.client("sagemaker", **access)
        self.s3 = boto3.client("s3", **access)
        self.s3.create_bucket(Bucket=BUCKET)
        self.creations: dict[str, Future[None]] = {}

    def create(self, example: Example, kind: str) -> None:
        """Upload the data and create the job; nothing where the algorithm has no such kind."""
        bad = bad_data_of(example, kind)
        if isinstance(bad, str):
            return
        name = name_of(example, kind)
        data = example.training(bad.content_type) if bad.data is None else bad.data
        channels = []
        for channel, body in {"train": data, **bad.channels}.items():
            self.s3.put_object(Bucket=BUCKET, Key=f"{name}/{channel}/part-0", Body=body)
            channels.append(self.channel(example, channel, f"{name}/{channel}", bad.content_type))
        given = example.hyperparameters | bad.hyperparameters
        stated = {key: value for key, value in given.items() if value is not None}
        self.start(name, example, stated, channels)

    def start(
        self,
        name: str,
        example: Example,
        hyperparameters: dict[str, str],
        channels: list[dict[str, Any]],
    ) -> None:
        """Call CreateTrainingJob."""
        repository = card_of(example.algorithm).repositories[0]
        self.sagemaker.create_training_job(
            TrainingJobName=name,
            RoleArn=ROLE,
            AlgorithmSpecification={
                "TrainingImage": f"{REGISTRY}/{repository}:1",
                "TrainingInputMode": "File",
            },
            HyperParameters=hyperparameters,
            InputDataConfig=channels,
            OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/output"},
            ResourceConfig={
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            StoppingCondition={"MaxRuntimeInSeconds": 60},
        )

    def channel(
        self, example: Example, channel: str, folder: str, content_type: str | None = None
    ) -> dict[str, Any]:
        """Return an entry of InputDataConfig as the algorithm wants it."""
        declared = card_of(example.algorithm).channel(channel)
        assert declared is not None
        source = {
            "S3DataType": "S3Prefix",
            "S3Uri": f"s3://{BUCKET}/{folder}/",
            "S3DataDistributionType": declared.distributions[0],
        }
        described = {"ChannelName": channel, "DataSource": {"S3DataSource": source}}
        return described | ({"ContentType": content_type} if content_type else {})

    def end(self, name: str) -> dict[str, Any]:
        """Wait for a job and return its description; raises what kept it from being created."""
        self.creations[name].result()
        give_up = time.monotonic() + LIMIT_S
        while time.monotonic() < give_up:
            found: dict[str, Any] = self.sagemaker.describe_training_job(TrainingJobName=name)
            if found["TrainingJobStatus"] in TERMINAL:
                return found
            time.sleep(0.05)
        raise AssertionError(f"{name} has no end after {LIMIT_S:g} s")


@pytest.fixture(scope="module")
def jobs() -> Iterator[Jobs]:
    with PrivateServer() as server:
        made = Jobs(server)
        with ThreadPoolExecutor(WORKERS) as pool:
            for example, kind in PAIRS:
                task = pool.submit(made.create, example, kind)
                made.creations[name_of(example, kind)] = task
        yield made


def test_every_algorithm_is_tried() -> None:
    assert {example.algorithm for example in EXAMPLES} == set(algorithm_names())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: name_of(example, "nothing"))
def test_a_source_without_objects_is_refused_at_once(jobs: Jobs, example: Example) -> None:
    """AWS answers CreateTrainingJob with this; the job is not made."""
    name = name_of(example, "nothing")
    channels = [jobs.channel(example, "train", f"{name}/train")]
    with pytest.raises(ClientError, match="No S3 objects found under S3 URL") as raised:
        jobs.start(name, example, example.hyperparameters, channels)
    assert raised.value.response["Error"]["Code"] == "ValidationException"
    with pytest.raises(ClientError, match="Requested resource not found"):
        jobs.sagemaker.describe_training_job(TrainingJobName=name)


@pytest.mark.parametrize(("example", "kind"), CASES)
def test_bad_data_fail_the_job_with_a_reason_that_names_the_cause(
    jobs: Jobs, example: Example, kind: str
) -> None:
    bad = bad_data_of(example, kind)
    if isinstance(bad, str):
        pytest.skip(bad)
    ended = jobs.end(name_of(example, kind))
    assert ended["TrainingJobStatus"] == "Failed"
    assert ended["FailureReason"].startswith("ClientError: ")
    assert re.search(bad.reason, ended["FailureReason"], re.DOTALL), ended["FailureReason"]
