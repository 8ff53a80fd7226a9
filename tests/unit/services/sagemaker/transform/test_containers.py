"""Jobs of models with several containers: their rows, and what they cannot be made of."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest

from sagebrush.base.errors import ApiError
from sagebrush.services.sagemaker.service import SERVICE


def test_jobs_of_an_earlier_release_have_one_container() -> None:
    assert SERVICE.migrations is not None
    script = (SERVICE.migrations / "0430_transform_containers.sql").read_text("utf-8")
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE sagemaker_transform_jobs (id INTEGER, progress BLOB)")
    old = {
        "container": {"Image": "i", "Environment": {"A": "ä"}},
        "isolated": True,
        "listed": False,
    }
    new = {"containers": [{"Image": "n"}], "isolated": False}
    for number, progress in enumerate((old, new)):
        database.execute(
            "INSERT INTO sagemaker_transform_jobs VALUES (?, ?)",
            (number, json.dumps(progress).encode()),
        )
    database.executescript(script)
    rows = database.execute("SELECT progress FROM sagemaker_transform_jobs ORDER BY id").fetchall()
    assert all(isinstance(row[0], bytes) for row in rows)
    found = [json.loads(row[0]) for row in rows]
    assert found[0] == {"containers": [old["container"]], "isolated": True, "listed": False}
    assert found[1] == new


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"Containers": ["a", "b"], "InferenceExecutionConfig": {"Mode": "Direct"}},
            "does not support models with InferenceExecutionConfig Mode Direct",
        ),
        ({"PrimaryContainer": "many"}, "does not support containers in MultiModel mode"),
    ],
)
def test_models_that_no_job_can_use(server: Any, fields: dict[str, Any], words: str) -> None:
    bucket = server.bucket(**{"model.tar.gz": b"x", "rows.csv": b"1,2\n"})
    image = "382416733822.dkr.ecr.us-east-1.amazonaws.com/knn:1"

    def container(name: str) -> dict[str, str]:
        if name == "many":
            return {"Image": image, "Mode": "MultiModel", "ModelDataUrl": f"s3://{bucket}/"}
        url = f"s3://{bucket}/model.tar.gz"
        return {"Image": image, "ModelDataUrl": url, "ContainerHostname": name}

    request = dict(fields)
    if "Containers" in request:
        request["Containers"] = [container(name) for name in request["Containers"]]
    else:
        request["PrimaryContainer"] = container(request["PrimaryContainer"])
    name = "direct" if "Containers" in request else "many"
    server.call("CreateModel", ModelName=name, **request)
    with pytest.raises(ApiError, match=words):
        server.call(
            "CreateTransformJob",
            TransformJobName=name,
            ModelName=name,
            TransformInput={
                "DataSource": {
                    "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/rows"}
                }
            },
            TransformOutput={"S3OutputPath": f"s3://{bucket}/out"},
            TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        )
