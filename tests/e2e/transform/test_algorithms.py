"""Every algorithm of the registry in batch transform: trained, then asked about its rows.

What a job writes is what the model that the training job left answers in process.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.transform.conftest import Transforms
from tests.unit.algorithms.contract import Example
from tests.unit.algorithms.contract_examples import EXAMPLES
from tests.unit.algorithms.test_contract import numbers_in

from sagebrush.algorithms import algorithm_names, card_of
from sagebrush.algorithms.card import load_attribute
from sagebrush.launch import PrivateServer

ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
REGISTRY = "382416733822.dkr.ecr.us-east-1.amazonaws.com"
FIRST = {example.algorithm: example for example in reversed(EXAMPLES)}
ROWS = 9
WORKERS = 4


class Trained(Transforms):
    """Models of all algorithms, trained at once."""

    def train(self, example: Example) -> Path:
        """Train an algorithm and make its model; return the artefact's folder."""
        name, card = example.algorithm, card_of(example.algorithm)
        channel = card.channel("train")
        assert channel is not None
        source = {
            "S3DataType": "S3Prefix",
            "S3Uri": f"{self.upload(f'{name}/train/part-0', example.training(None))}"[:-6],
            "S3DataDistributionType": channel.distributions[0],
        }
        image = f"{REGISTRY}/{card.repositories[0]}:1"
        self.sagemaker.create_training_job(
            TrainingJobName=name,
            RoleArn=ROLE,
            AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
            HyperParameters=example.hyperparameters,
            InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
            OutputDataConfig={"S3OutputPath": f"s3://{self.bucket}/models"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 60},
        )
        waiter = self.sagemaker.get_waiter("training_job_completed_or_stopped")
        waiter.wait(TrainingJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 90})
        job = self.sagemaker.describe_training_job(TrainingJobName=name)
        artefact = job["ModelArtifacts"]["S3ModelArtifacts"]
        self.sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=ROLE,
            PrimaryContainer={"Image": image, "ModelDataUrl": artefact},
        )
        return self.unpacked(name, artefact)

    def unpacked(self, name: str, artefact: str) -> Path:
        """Return the folder of an artefact's files."""
        key = artefact.partition(f"{self.bucket}/")[2]
        body = self.client("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read()
        folder = self._folder / name
        with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as tar:
            tar.extractall(folder, filter="data")
        return folder


@pytest.fixture(scope="module")
def training(
    server: PrivateServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Trained, dict[str, Future[Path]]]]:
    trained = Trained(server, tmp_path_factory.mktemp("models"))
    with ThreadPoolExecutor(WORKERS) as pool:
        yield trained, {name: pool.submit(trained.train, each) for name, each in FIRST.items()}


def test_every_algorithm_is_tried() -> None:
    assert set(FIRST) == set(algorithm_names())


@pytest.mark.parametrize("algorithm", FIRST)
def test_a_job_answers_as_the_model_does(
    training: tuple[Trained, dict[str, Future[Path]]], algorithm: str
) -> None:
    trained, models = training
    example, card = FIRST[algorithm], card_of(algorithm)
    folder = models[algorithm].result()
    kind = "text/csv" if "text/csv" in card.content_types else "application/jsonlines"
    trained.upload(f"{algorithm}/rows/data", example.request(kind, range(ROWS)))
    for strategy in ("SingleRecord", "MultiRecord"):
        trained.create(
            f"{algorithm}-{strategy}",
            algorithm,
            f"{algorithm}/rows/",
            accept=card.default_accept,
            ContentType=kind,
            BatchStrategy=strategy,
        )
    predictor: Any = load_attribute(card.load)(folder, {"SM_NUM_CPUS": "1"})
    expected = [
        numbers_in(*predictor.invoke(example.request(kind, range(i, i + 1)), kind, accept))
        for accept in [card.default_accept]
        for i in range(ROWS)
    ]
    singly, at_once = (
        body_of(trained, f"{algorithm}-{s}") for s in ("SingleRecord", "MultiRecord")
    )
    lines = singly.splitlines()
    assert len(lines) == ROWS
    for line, numbers in zip(lines, expected, strict=True):
        assert numbers
        assert numbers_in(line, answered(example, kind)) == pytest.approx(numbers, rel=1e-5)
    flat = [number for numbers in expected for number in numbers]
    assert numbers_in(at_once, answered(example, kind)) == pytest.approx(flat, rel=1e-5)


RECORDIO = "application/x-recordio-protobuf"
OF_RECORDIO = [name for name in FIRST if RECORDIO in card_of(name).content_types]


@pytest.mark.parametrize("algorithm", OF_RECORDIO)
def test_recordio_is_answered_however_it_is_cut(
    training: tuple[Trained, dict[str, Future[Path]]], algorithm: str
) -> None:
    trained, models = training
    example, card = FIRST[algorithm], card_of(algorithm)
    folder = models[algorithm].result()
    trained.upload(f"{algorithm}/records/data", example.request(RECORDIO, range(ROWS)))
    cuts = {
        "singly": {"SplitType": "RecordIO", "BatchStrategy": "SingleRecord"},
        "at-once": {"SplitType": "RecordIO", "BatchStrategy": "MultiRecord"},
        "whole": {"SplitType": "None"},
    }
    for name, cut in cuts.items():
        trained.create(
            f"{algorithm}-{name}",
            algorithm,
            f"{algorithm}/records/",
            accept=card.default_accept,
            ContentType=RECORDIO,
            **cut,
        )
    predictor: Any = load_attribute(card.load)(folder, {"SM_NUM_CPUS": "1"})
    asked = example.request(RECORDIO, range(ROWS))
    expected = numbers_in(*predictor.invoke(asked, RECORDIO, card.default_accept))
    assert len(expected) >= ROWS
    bodies = {name: body_of(trained, f"{algorithm}-{name}") for name in cuts}
    assert len(bodies["singly"].splitlines()) == ROWS
    for name, body in bodies.items():
        lines = body.splitlines() if name == "singly" else [body]
        found = [number for line in lines for number in numbers_in(line, card.default_accept)]
        assert found == pytest.approx(expected, rel=1e-5), name


def answered(example: Example, kind: str) -> str:
    """Return the content type of the answers."""
    return kind if example.accept_ignored else card_of(example.algorithm).default_accept


def body_of(trained: Trained, name: str) -> bytes:
    job = trained.end(name)
    assert job["TransformJobStatus"] == "Completed", job["FailureReason"]
    (body,) = trained.outputs(name).values()
    return body
