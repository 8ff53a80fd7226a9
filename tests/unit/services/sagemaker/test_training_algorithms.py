"""The whole way with real algorithms: data in S3, a preloaded parent, an artefact that loads."""

from __future__ import annotations

import contextlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xgboost

from sagebrush.gateway.assembly import FAMILIES

from .conftest import Server

_XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"


def _csv(rows: np.ndarray) -> bytes:
    text = io.StringIO()
    np.savetxt(text, rows, delimiter=",", fmt="%.6f")
    return text.getvalue().encode()


@pytest.fixture(scope="module")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("data"))
    server.platform.supervisor.zygotes.families.update(FAMILIES)
    with contextlib.closing(server.loop):
        yield server
        server.stop()


def test_xgboost_trains_and_its_artefact_predicts(real_server: Server, tmp_path: Path) -> None:
    server = real_server
    features = np.random.default_rng(7).normal(size=(400, 4))
    labels = (features[:, 0] > 0).astype(float)
    rows = np.column_stack([labels, features])
    data = server.bucket(train__a=_csv(rows[:300]), validation__a=_csv(rows[300:]))
    channels = [
        {
            "ChannelName": name,
            "ContentType": "text/csv",
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{data}/{name}/"}
            },
        }
        for name in ("train", "validation")
    ]
    server.call(
        "CreateTrainingJob",
        **server.request(
            "xgb",
            AlgorithmSpecification={"TrainingImage": _XGBOOST, "TrainingInputMode": "File"},
            HyperParameters={
                "num_round": "10",
                "objective": "binary:logistic",
                "eval_metric": "error",
            },
            InputDataConfig=channels,
            OutputDataConfig={"S3OutputPath": f"s3://{data}/out"},
        ),
    )
    job = server.wait("xgb")
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    final = {item["MetricName"]: item["Value"] for item in job["FinalMetricDataList"]}
    assert final["validation:error"] < 0.1
    assert any("#011validation-error:" in line for line in server.log("xgb")["algo-1"])
    archive = io.BytesIO(server.read(data, "out/xgb/output/model.tar.gz"))
    with tarfile.open(fileobj=archive) as tar:
        tar.extractall(tmp_path / "model", filter="data")
    model = (tmp_path / "model" / "xgboost-model").rename(tmp_path / "model.ubj")
    booster = xgboost.Booster(model_file=str(model))
    predicted = booster.predict(xgboost.DMatrix(features[300:])) > 0.5
    assert float(np.mean(predicted == labels[300:])) > 0.9


def test_wrong_hyperparameter_fails_with_client_error(real_server: Server) -> None:
    server = real_server
    data = server.bucket(train__a="1,2\n3,4\n")
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{data}/train/"}
    channel = {
        "ChannelName": "train",
        "ContentType": "text/csv",
        "DataSource": {"S3DataSource": source},
    }
    server.call(
        "CreateTrainingJob",
        **server.request(
            "bad", HyperParameters={"k": "0", "feature_dim": "2"}, InputDataConfig=[channel]
        ),
    )
    job = server.wait("bad")
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: The value '0' is not valid for the 'k'")
