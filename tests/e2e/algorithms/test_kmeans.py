"""K-Means by its image URI through boto3: pipes, metrics, artefact, endpoint."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest

from sagebrush.algorithms.kmeans.model import KMeans
from sagebrush.launch import PrivateServer

IMAGE = "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1"
ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
BUCKET, JOB = "kmeans-e2e", "kmeans-by-image"
CLUSTERS, WIDTH = 6, 5
WAIT = {"Delay": 1, "MaxAttempts": 60}


class Trained:
    """A job that has completed, the rows it has learned from, and their true clusters."""

    def __init__(self, server: PrivateServer) -> None:
        access = {
            "endpoint_url": server.endpoint,
            "region_name": "us-east-1",
            "aws_access_key_id": "a",
            "aws_secret_access_key": "b",
        }
        self.sagemaker = boto3.client("sagemaker", **access)
        self.runtime = boto3.client("sagemaker-runtime", **access)
        self.s3 = boto3.client("s3", **access)
        generator = np.random.default_rng(8)
        self.centers = generator.normal(scale=20, size=(CLUSTERS, WIDTH))
        self.truth = generator.integers(0, CLUSTERS, 4000)
        noise = generator.normal(size=(4000, WIDTH))
        self.rows = (self.centers[self.truth] + noise).astype(np.float32)
        self.s3.create_bucket(Bucket=BUCKET)
        for channel, part in (("train", slice(0, 3000)), ("test", slice(3000, None))):
            self.s3.put_object(
                Bucket=BUCKET, Key=f"{channel}/rows.csv", Body=csv_of(self.rows[part])
            )

    def train(self) -> dict[str, Any]:
        self.sagemaker.create_training_job(
            TrainingJobName=JOB,
            RoleArn=ROLE,
            AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "Pipe"},
            HyperParameters={
                "k": str(CLUSTERS),
                "feature_dim": str(WIDTH),
                "mini_batch_size": "500",
                "epochs": "2",
                "init_method": "kmeans++",
                "eval_metrics": '["msd", "ssd"]',
            },
            InputDataConfig=[channel("train"), channel("test")],
            OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/output"},
            ResourceConfig={
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            StoppingCondition={"MaxRuntimeInSeconds": 60},
        )
        waiter = self.sagemaker.get_waiter("training_job_completed_or_stopped")
        waiter.wait(TrainingJobName=JOB, WaiterConfig=WAIT)
        described: dict[str, Any] = self.sagemaker.describe_training_job(TrainingJobName=JOB)
        return described

    def artefact(self, folder: Path) -> Path:
        key = f"output/{JOB}/output/model.tar.gz"
        body = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            archive.extractall(folder, filter="data")
        return folder


def channel(name: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{name}/"}
    # The hosted image's channels for a test are delivered whole to every instance.
    source["S3DataDistributionType"] = "FullyReplicated"
    return {
        "ChannelName": name,
        "ContentType": "text/csv;label_size=0",
        "DataSource": {"S3DataSource": source},
    }


def csv_of(rows: np.ndarray) -> bytes:
    return "".join(",".join(map(repr, row)) + "\n" for row in rows.tolist()).encode()


@pytest.fixture(scope="module")
def trained(server: PrivateServer) -> Trained:
    return Trained(server)


@pytest.fixture(scope="module")
def job(trained: Trained) -> dict[str, Any]:
    return trained.train()


def test_pipes_train_to_the_noise_floor(job: dict[str, Any]) -> None:
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    values = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
    # Unit variance in WIDTH dimensions is what the best centres leave.
    assert values["test:msd"] == pytest.approx(WIDTH, rel=0.1)
    assert values["test:ssd"] == pytest.approx(values["test:msd"] * 1000, rel=1e-3)


def test_the_artefact_holds_the_true_centres(
    trained: Trained, job: dict[str, Any], tmp_path: Path
) -> None:
    model = KMeans.load(trained.artefact(tmp_path))
    assert (tmp_path / "model_algo-1").is_file()
    distances = np.linalg.norm(model.centers_[:, None] - trained.centers[None], axis=2)
    assert sorted(distances.argmin(axis=1)) == list(range(CLUSTERS))
    assert distances.min(axis=1).max() < 0.5


def test_an_endpoint_tells_clusters_and_distances_in_every_type(
    trained: Trained, job: dict[str, Any]
) -> None:
    sagemaker, runtime = trained.sagemaker, trained.runtime
    artefact = job["ModelArtifacts"]["S3ModelArtifacts"]
    sagemaker.create_model(
        ModelName=JOB,
        ExecutionRoleArn=ROLE,
        PrimaryContainer={"Image": IMAGE, "ModelDataUrl": artefact},
    )
    variant = {"VariantName": "all", "ModelName": JOB, "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(
        EndpointConfigName=JOB, ProductionVariants=[variant | {"InstanceType": "ml.m5.large"}]
    )
    sagemaker.create_endpoint(EndpointName=JOB, EndpointConfigName=JOB)
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName=JOB, WaiterConfig=WAIT)
    rows = trained.rows[:50]
    instances = [{"features": row} for row in rows.tolist()]
    bodies = {
        "text/csv": csv_of(rows),
        "application/json": json.dumps({"instances": instances}).encode(),
        "application/jsonlines": "\n".join(map(json.dumps, instances)).encode(),
    }
    answers = {}
    for kind, body in bodies.items():
        answer = runtime.invoke_endpoint(
            EndpointName=JOB, ContentType=kind, Accept="application/json", Body=body
        )
        answers[kind] = json.loads(answer["Body"].read())["predictions"]
    assert answers["text/csv"] == answers["application/json"] == answers["application/jsonlines"]
    clusters = [answer["closest_cluster"] for answer in answers["text/csv"]]
    pairs = set(zip(clusters, trained.truth[:50].tolist(), strict=True))
    assert len(pairs) == len(set(clusters)) == len(set(trained.truth[:50].tolist()))
    assert max(answer["distance_to_cluster"] for answer in answers["text/csv"]) < 2 * WIDTH
    sagemaker.delete_endpoint(EndpointName=JOB)
