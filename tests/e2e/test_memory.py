"""Algorithms that stream train from S3 on three times the memory that a job may use.

In Pipe mode, and in File mode where there is no other or another way of reading. LightGBM and
CatBoost are not among them: the libraries hold all rows, as they do at AWS.

The server's `--job-memory` is the limit. That it is one is seen from a job that holds all rows:
the same data end it for want of memory. A new algorithm is found through the registry and its
contract example; `Example.large_data` says what it needs.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import numpy as np
import pytest
from tests.unit.algorithms.contract import Example
from tests.unit.algorithms.contract_examples import EXAMPLES

from sagebrush.algorithms import algorithm_names, card_of
from sagebrush.algorithms.card import load_attribute
from sagebrush.algorithms.formats.recordio_protobuf_writer import write_dense
from sagebrush.launch import PrivateServer
from sagebrush.run import limits

pytestmark = pytest.mark.slow

# Limits of a process count what it has from the preloaded parent, too, and every thread's stack;
# those of a control group count what it takes.
LIMIT_BYTES = (160 if limits.detect()[0].startswith("cgroup") else 352) << 20
OBJECT_BYTES = LIMIT_BYTES // 4
OBJECTS = 3 * LIMIT_BYTES // OBJECT_BYTES
FEATURE_DIM = 200
MINI_BATCH_ROWS = 5000
JOB_LIMIT_S = 300.0
RECORDIO = "application/x-recordio-protobuf"
BUCKET = "larger-than-memory"
ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
REGISTRY = "382416733822.dkr.ecr.us-east-1.amazonaws.com"
TERMINAL = ("Completed", "Failed", "Stopped")


def first_example(algorithm: str) -> Example:
    return next(example for example in EXAMPLES if example.algorithm == algorithm)


def reads_pipes(algorithm: str) -> bool:
    channel = card_of(algorithm).channel("train")
    return channel is not None and "Pipe" in channel.modes


PIPED = [name for name in algorithm_names() if reads_pipes(name)]
FILED = ["ipinsights", "xgboost"]
STREAMING = [name for name in PIPED if not isinstance(first_example(name).large_data, str)]


class Rows:
    """A server whose jobs may use `LIMIT_BYTES`, and the objects that they read."""

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
        self.folders: dict[bytes, str] = {}

    def folder(self, block: bytes) -> str:
        """Return the prefix of three times the limit of objects made of a block of rows."""
        name = self.folders.setdefault(block, f"rows-{len(self.folders)}")
        if self.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{name}/")["KeyCount"] == 0:
            body = block * (-(-OBJECT_BYTES // len(block)))
            self.s3.put_object(Bucket=BUCKET, Key=f"{name}/0", Body=body)
            source = {"Bucket": BUCKET, "Key": f"{name}/0"}
            for number in range(1, OBJECTS):
                self.s3.copy_object(Bucket=BUCKET, Key=f"{name}/{number}", CopySource=source)
        return name

    def train(
        self,
        example: Example,
        content_type: str,
        hyperparameters: dict[str, str],
        purpose: str = "large",
        mode: str = "Pipe",
    ) -> Any:
        """Train and return the description of the ended job."""
        card = card_of(example.algorithm)
        channel = card.channel("train")
        assert channel is not None
        name = f"{example.algorithm}-{purpose}"
        source = {
            "S3DataType": "S3Prefix",
            "S3Uri": f"s3://{BUCKET}/{self.folder(block_of(example))}/",
            "S3DataDistributionType": channel.distributions[0],
        }
        self.sagemaker.create_training_job(
            TrainingJobName=name,
            RoleArn=ROLE,
            AlgorithmSpecification={
                "TrainingImage": f"{REGISTRY}/{card.repositories[0]}:{example.large_image_tag}",
                "TrainingInputMode": mode,
            },
            HyperParameters=hyperparameters,
            InputDataConfig=[
                {
                    "ChannelName": "train",
                    "ContentType": content_type,
                    "DataSource": {"S3DataSource": source},
                }
            ],
            OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/output"},
            ResourceConfig={
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            StoppingCondition={"MaxRuntimeInSeconds": int(JOB_LIMIT_S)},
        )
        return self.end(name)

    def end(self, name: str) -> Any:
        give_up = time.monotonic() + JOB_LIMIT_S + 30
        while time.monotonic() < give_up:
            found = self.sagemaker.describe_training_job(TrainingJobName=name)
            if found["TrainingJobStatus"] in TERMINAL:
                return found
            time.sleep(0.2)
        raise AssertionError(f"{name} has no end")


@pytest.fixture(scope="module")
def rows() -> Iterator[Rows]:
    with PrivateServer(options=("--job-memory", f"{LIMIT_BYTES >> 20}M")) as server:
        yield Rows(server)


_SHARED: list[bytes] = []


def block_of(example: Example) -> bytes:
    """Some rows of the example: counts with labels 0 and 1 where rows are numbers, else its own."""
    if example.large_rows is not None:
        return example.large_rows()
    if not example.numeric:
        return example.training(content_type_of(example))
    if not _SHARED:
        generator = np.random.default_rng(5)
        features = generator.poisson(3.0, size=(20_000, FEATURE_DIM)).astype(np.float32)
        labels = (features[:, :3].sum(axis=1) > 9).astype(np.float32)
        out = io.BytesIO()
        write_dense(out, features, labels)
        _SHARED.append(out.getvalue())
    return _SHARED[0]


def content_type_of(example: Example) -> str:
    channel = card_of(example.algorithm).channel("train")
    assert channel is not None
    return RECORDIO if RECORDIO in channel.content_types else channel.content_types[0]


def large_hyperparameters(example: Example) -> dict[str, str]:
    """The example's hyperparameters for the large data."""
    wanted = {"mini_batch_size": str(MINI_BATCH_ROWS), "epochs": "1"}
    if example.numeric:
        wanted["feature_dim"] = str(FEATURE_DIM)
    given = dict(example.hyperparameters)
    for item in load_attribute(card_of(example.algorithm).hyperparameters).fields:
        if item.name in wanted:
            # What is out of the algorithm's range stays as the example has it.
            with contextlib.suppress(ValueError):
                item.parse(wanted[item.name])
                given[item.name] = wanted[item.name]
    own = example.large_data
    return given if isinstance(own, str) else given | own


@pytest.mark.parametrize("algorithm", STREAMING)
def test_a_pass_over_three_times_the_memory_completes(rows: Rows, algorithm: str) -> None:
    example = first_example(algorithm)
    ended = rows.train(example, content_type_of(example), large_hyperparameters(example))
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")


@pytest.mark.parametrize("algorithm", FILED)
def test_files_of_three_times_the_memory_are_read(rows: Rows, algorithm: str) -> None:
    example = first_example(algorithm)
    ended = rows.train(
        example,
        content_type_of(example),
        large_hyperparameters(example),
        purpose="large-files",
        mode="File",
    )
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")


def distinct_rows() -> bytes:
    """An object of rows in which no value occurs twice; a sketch of them takes the most memory."""
    generator = np.random.default_rng(6)
    count = OBJECT_BYTES // (4 * FEATURE_DIM)
    features = generator.normal(size=(count, FEATURE_DIM)).astype(np.float32)
    out = io.BytesIO()
    write_dense(out, features, (features[:, :3].sum(axis=1) > 0).astype(np.float32))
    return out.getvalue()


@pytest.mark.parametrize(("mode", "depth"), [("Pipe", "6"), ("File", "2")])
def test_version_1_7_of_xgboost_reads_three_times_the_memory(
    rows: Rows, mode: str, depth: str
) -> None:
    example = replace(first_example("xgboost"), large_image_tag="1.7-1", large_rows=distinct_rows)
    small = large_hyperparameters(example) | {"num_round": "1", "max_depth": depth}
    ended = rows.train(example, RECORDIO, small, f"large-1-7-{mode.lower()}", mode)
    assert ended["TrainingJobStatus"] == "Completed", ended.get("FailureReason")


def test_what_holds_all_its_rows_finds_the_limit(rows: Rows) -> None:
    """K-Means holds a mini-batch, here one of all rows."""
    example = first_example("kmeans")
    whole = large_hyperparameters(example) | {"mini_batch_size": "10000000"}
    ended = rows.train(example, RECORDIO, whole, "hoarding")
    assert ended["TrainingJobStatus"] == "Failed"
    assert "Please use an instance type with more memory" in ended["FailureReason"]
