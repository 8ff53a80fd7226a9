"""Endpoints of small models whose answers are known, through unmodified boto3."""

from __future__ import annotations

import io
import itertools
import json
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
import xgboost
from botocore.config import Config
from botocore.exceptions import ClientError

from sagebrush.algorithms.kmeans.artifact import write_centers
from sagebrush.algorithms.linear_learner.artifact import write_model
from sagebrush.algorithms.linear_learner.linear_model import LinearModel
from sagebrush.algorithms.linear_learner.settings import Settings
from sagebrush.launch import PrivateServer

REGION = "us-east-1"
ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
IMAGES = {
    "kmeans": "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1",
    "linear-learner": "382416733822.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1",
    "xgboost": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5",
    "xgboost-0.90": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:0.90-1-cpu-py3",
    "xgboost-1.2": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.2-1",
    "xgboost-1.7": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1",
}
LIMIT_S = 60.0
_accounts = itertools.count(400_000_000_000)


class Hosting:
    """One account's models and endpoints."""

    def __init__(self, server: PrivateServer, folder: Path) -> None:
        self.account = str(next(_accounts))
        self.server = server
        self._folder = folder
        self.sagemaker = self.client("sagemaker")
        self.runtime = self.client("sagemaker-runtime")
        self.bucket = f"models-{self.account}"
        self.client("s3").create_bucket(Bucket=self.bucket)

    def again(self) -> Hosting:
        """Return the same account with clients of a server that has been started again."""
        self.sagemaker = self.client("sagemaker")
        self.runtime = self.client("sagemaker-runtime")
        return self

    def client(self, service: str) -> Any:
        """Return a client that never tries twice."""
        return boto3.client(
            service,
            endpoint_url=self.server.endpoint,
            region_name=REGION,
            aws_access_key_id=self.account,
            aws_secret_access_key="any",
            config=Config(retries={"total_max_attempts": 1}, max_pool_connections=20),
        )

    def upload(self, key: str, body: bytes) -> str:
        """Write an object and return its URL."""
        self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def kmeans(self, *centers: tuple[float, ...]) -> bytes:
        """Return the archive of a K-Means model."""
        path = self._folder / "centers"
        write_centers(path, np.array(centers, np.float32))
        return archive({"model_algo-1": path.read_bytes()})

    def linear(self, weights: list[float], bias: float, predictor_type: str) -> bytes:
        """Return the archive of a Linear Learner model."""
        path = self._folder / "linear"
        model = LinearModel(np.array([weights]), np.array([bias]), 0.5)
        write_model(path, model, Settings(predictor_type=predictor_type))
        return archive({"model_algo-1": path.read_bytes()})

    def boosted(self, booster: xgboost.Booster) -> bytes:
        """Return the archive of an XGBoost model."""
        return archive({"xgboost-model": bytes(booster.save_raw("ubj"))})

    def model(self, name: str, body: bytes, image: str = "kmeans", **fields: Any) -> None:
        """Create a model of an archive; `fields` go into its container definition."""
        container = {"Image": IMAGES[image], "ModelDataUrl": self.upload(f"{name}.tar.gz", body)}
        self.sagemaker.create_model(
            ModelName=name, PrimaryContainer=container | fields, ExecutionRoleArn=ROLE
        )

    def config(self, name: str, *variants: dict[str, Any]) -> None:
        """Create an endpoint configuration; each variant gives ModelName and what it wants."""
        defaults = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        named = [
            {"VariantName": f"variant-{number}"} | defaults | variant
            for number, variant in enumerate(variants)
        ]
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=named)

    def endpoint(self, name: str, *variants: dict[str, Any], status: str = "InService") -> Any:
        """Create an endpoint and return its description once it has settled."""
        self.config(name, *variants or ({"ModelName": name},))
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        return self.settled(name, status)

    def settled(self, name: str, status: str = "InService") -> Any:
        """Return the description of an endpoint once nothing of it is under way."""
        give_up = time.monotonic() + LIMIT_S
        while time.monotonic() < give_up:
            description = self.sagemaker.describe_endpoint(EndpointName=name)
            if description["EndpointStatus"] not in ("Creating", "Updating", "Deleting"):
                assert description["EndpointStatus"] == status, description
                return description
            time.sleep(0.02)
        raise AssertionError(f"{name} is still {description['EndpointStatus']}")

    def gone(self, name: str) -> None:
        """Return once an endpoint is deleted."""
        give_up = time.monotonic() + LIMIT_S
        while time.monotonic() < give_up:
            try:
                self.sagemaker.describe_endpoint(EndpointName=name)
            except ClientError:
                return
            time.sleep(0.02)
        raise AssertionError(f"{name} is still there")

    def invoke(self, name: str, body: bytes | str = b"0,0", **fields: Any) -> Any:
        """Return the answer to an invocation, its body read."""
        settings = {"ContentType": "text/csv", "Accept": "application/json"}
        answer = self.runtime.invoke_endpoint(EndpointName=name, Body=body, **settings | fields)
        return answer | {"Body": answer["Body"].read()}

    def distance(self, name: str, **fields: Any) -> tuple[float, str]:
        """Return how far K-Means' nearest centre is from the origin, and the variant."""
        answer = self.invoke(name, **fields)
        (prediction,) = json.loads(answer["Body"])["predictions"]
        return prediction["distance_to_cluster"], answer["InvokedProductionVariant"]


def archive(members: dict[str, bytes], level: int = 9) -> bytes:
    """Return a gzip tar of files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=level) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    """A server for a file of tests."""
    with PrivateServer(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def hosting(server: PrivateServer, tmp_path: Path) -> Hosting:
    """An account of the test's own."""
    return Hosting(server, tmp_path)


@pytest.fixture(scope="module")
def shared_hosting(server: PrivateServer, tmp_path_factory: pytest.TempPathFactory) -> Hosting:
    """An account for a file of tests."""
    return Hosting(server, tmp_path_factory.mktemp("models"))


@pytest.fixture
def refused() -> Callable[..., tuple[str, str]]:
    """Return a function that gives code and message of the error a call ends in."""

    def of(call: Callable[..., Any], **request: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            call(**request)
        error = caught.value.response["Error"]
        return error["Code"], error["Message"]

    return of
