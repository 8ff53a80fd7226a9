"""Transform jobs through unmodified boto3 on a server of their own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.endpoints.conftest import Hosting

from sagebrush.launch import PrivateServer

LIMIT_S = 60.0
TERMINAL = ("Completed", "Failed", "Stopped")


class Transforms(Hosting):
    """One account's models and transform jobs."""

    def create(
        self, name: str, model: str, source: str, accept: str = "text/csv", **changes: Any
    ) -> None:
        """Create a job over the objects below `source`, a line a record; outputs below `name`/."""
        given = {
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{self.bucket}/{source}"}
            },
            "ContentType": "text/csv",
            "SplitType": "Line",
        }
        given |= {member: changes.pop(member) for member in tuple(given) if member in changes}
        request: dict[str, Any] = {
            "TransformJobName": name,
            "ModelName": model,
            "TransformInput": given,
            "TransformOutput": {
                "S3OutputPath": f"s3://{self.bucket}/{name}",
                "Accept": accept,
                "AssembleWith": "Line",
            },
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        }
        self.sagemaker.create_transform_job(**request | changes)

    def end(self, name: str) -> Any:
        """Return a job's description once it is over."""
        give_up = time.monotonic() + LIMIT_S
        while time.monotonic() < give_up:
            found = self.sagemaker.describe_transform_job(TransformJobName=name)
            if found["TransformJobStatus"] in TERMINAL:
                return found
            time.sleep(0.05)
        raise AssertionError(f"{name} has no end after {LIMIT_S:g} s")

    def outputs(self, name: str) -> dict[str, bytes]:
        """Return a job's outputs by key below its folder."""
        s3 = self.client("s3")
        found = s3.list_objects_v2(Bucket=self.bucket, Prefix=f"{name}/").get("Contents", [])
        return {
            item["Key"].removeprefix(f"{name}/"): s3.get_object(
                Bucket=self.bucket, Key=item["Key"]
            )["Body"].read()
            for item in found
        }


@pytest.fixture
def transforms(server: PrivateServer, tmp_path: Path) -> Transforms:
    """An account of the test's own."""
    return Transforms(server, tmp_path)
