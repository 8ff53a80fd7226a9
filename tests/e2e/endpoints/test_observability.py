"""Logs and metrics of endpoints, and images of old versions."""

from __future__ import annotations

import datetime as dt
import json
import tarfile
import time
from typing import Any

import numpy as np
import pytest
import xgboost
from botocore.exceptions import ClientError

MODEL = {"ModelName": "observed"}


@pytest.fixture
def observed(hosting: Any) -> Any:
    hosting.model("observed", hosting.kmeans((1.0, 0.0)))
    hosting.endpoint("observed", MODEL)
    return hosting


def streams(hosting: Any, name: str) -> dict[str, list[str]]:
    logs = hosting.client("logs")
    group = f"/aws/sagemaker/Endpoints/{name}"
    try:
        found = logs.describe_log_streams(logGroupName=group)["logStreams"]
    except logs.exceptions.ResourceNotFoundException:
        return {}
    return {
        stream["logStreamName"]: [
            event["message"]
            for event in logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
            )["events"]
        ]
        for stream in found
    }


def test_the_last_words_of_a_model_server_are_in_its_stream(hosting: Any) -> None:
    hosting.model("speechless", _archive_without_a_model())
    hosting.endpoint("speechless", status="Failed")
    (stream, lines), *others = streams(hosting, "speechless").items()
    variant, _, instance = stream.partition("/")
    assert variant == "variant-0"
    assert instance.startswith("i-0")
    assert len(instance) == 19
    assert not others
    # Every attempt to start says so, once.
    said = [line for line in lines if "ERROR" in line]
    assert len(said) == 3


def test_what_a_container_refuses_is_in_its_stream(observed: Any) -> None:
    with pytest.raises(ClientError):
        observed.invoke("observed", b"no,numbers")

    def said() -> list[str]:
        return [line for lines in streams(observed, "observed").values() for line in lines]

    deadline = time.monotonic() + 20
    while not any("ERROR" in line and "Customer Error" in line for line in said()):
        assert time.monotonic() < deadline, said()
        time.sleep(0.05)


def _archive_without_a_model() -> bytes:
    import io

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("something-else"))
    return buffer.getvalue()


def test_every_invocation_is_counted(observed: Any) -> None:
    for _ in range(8):
        observed.invoke("observed")
    for _ in range(2):
        with pytest.raises(ClientError):
            observed.invoke("observed", ContentType="image/png")
    metrics = observed.client("cloudwatch")
    dimensions = [
        {"Name": "EndpointName", "Value": "observed"},
        {"Name": "VariantName", "Value": "variant-0"},
    ]

    def statistics(name: str) -> dict[str, float]:
        now = dt.datetime.now(dt.UTC)
        points = metrics.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=name,
            Dimensions=dimensions,
            StartTime=now - dt.timedelta(hours=1),
            EndTime=now + dt.timedelta(hours=1),
            Period=7200,
            Statistics=["Sum", "Average", "Minimum", "Maximum", "SampleCount"],
        )["Datapoints"]
        return points[0] if len(points) == 1 else {}

    give_up = time.monotonic() + 30
    while statistics("Invocations").get("Sum") != 10:
        assert time.monotonic() < give_up, statistics("Invocations")
        time.sleep(0.2)
    assert statistics("Invocation4XXErrors")["Sum"] == 2
    assert statistics("Invocation4XXErrors")["Average"] == pytest.approx(0.2)
    assert statistics("Invocation5XXErrors")["Sum"] == 0
    assert statistics("InvocationModelErrors")["Sum"] == 2
    assert statistics("InvocationsPerInstance")["Average"] == 1
    model, overhead = statistics("ModelLatency"), statistics("OverheadLatency")
    assert 0 < model["Minimum"] <= model["Average"] <= model["Maximum"] < 60e6
    assert overhead["SampleCount"] == 10
    assert model["Unit"] == overhead["Unit"] == "Microseconds"


def test_metrics_are_there_after_a_stop(tmp_path: Any, hosting: Any) -> None:
    from sagebrush.launch import PrivateServer

    with PrivateServer(tmp_path / "data") as server:
        own = type(hosting)(server, tmp_path)
        own.model("observed", own.kmeans((1.0, 0.0)))
        own.endpoint("observed", MODEL | {"InitialInstanceCount": 2})
        own.invoke("observed")
        server.stop()
        server.start()
        listed = own.client("cloudwatch").list_metrics(Namespace="AWS/SageMaker")["Metrics"]
        assert "InvocationsPerInstance" in {metric["MetricName"] for metric in listed}


def test_a_killed_server_loses_no_metrics_of_answered_requests(tmp_path: Any, hosting: Any) -> None:
    from sagebrush.launch import PrivateServer

    with PrivateServer(tmp_path / "data") as server:
        own = type(hosting)(server, tmp_path)
        own.model("observed", own.kmeans((1.0, 0.0)))
        own.endpoint("observed", MODEL)
        for number in (1, 2):
            for _ in range(20):
                own.invoke("observed")
            with pytest.raises(ClientError):
                own.invoke("observed", ContentType="image/png")
            # Sooner than anything is stored: that happens every five seconds.
            assert server._process is not None
            server._process.kill()
            server._process.wait()
            server.start()
            own.again().settled("observed")
            assert metric_sum(own, "Invocations") == 21 * number
            assert metric_sum(own, "Invocation4XXErrors") == number


def metric_sum(own: Any, name: str) -> float:
    now = dt.datetime.now(dt.UTC)
    points = own.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName=name,
        Dimensions=[
            {"Name": "EndpointName", "Value": "observed"},
            {"Name": "VariantName", "Value": "variant-0"},
        ],
        StartTime=now - dt.timedelta(hours=1),
        EndTime=now + dt.timedelta(hours=1),
        Period=7200,
        Statistics=["Sum"],
    )["Datapoints"]
    return sum(point["Sum"] for point in points)


@pytest.mark.slow
def test_a_model_of_an_old_image_is_served_in_its_own_environment(hosting: Any) -> None:
    random = np.random.default_rng(2)
    X = random.normal(size=(300, 4)).astype(np.float32)
    y = X @ np.array([1.0, 2.0, 0.0, -1.0])
    booster = xgboost.train({"max_depth": 2, "nthread": 1}, xgboost.DMatrix(X, y), 10)
    model = json.loads(bytes(booster.save_raw("json")))
    # Version 1.7 reads the same trees, but not the list that newer versions put around the score.
    score = model["learner"]["learner_model_param"]["base_score"]
    model["learner"]["learner_model_param"]["base_score"] = score.strip("[]")
    body = hosting_archive(hosting, json.dumps(model).encode())
    expected = booster.predict(xgboost.DMatrix(X[:5]))
    rows = "\n".join(",".join(map(str, row)) for row in X[:5].tolist())
    # AWS's images up to 1.2-1 separate rows by commas.
    for version, separator in (("xgboost-1.7", "\n"), ("xgboost-1.2", ",")):
        name = version.replace(".", "-")
        hosting.model(name, body, version)
        hosting.endpoint(name)
        answer = hosting.invoke(name, rows, Accept="text/csv")["Body"].decode()
        predictions = [float(value) for value in answer.strip().split(separator)]
        np.testing.assert_allclose(predictions, expected, rtol=1e-5, atol=1e-5)


def hosting_archive(hosting: Any, model: bytes) -> bytes:
    class Saved:
        def save_raw(self, _form: str) -> bytes:
            return model

    return bytes(hosting.boosted(Saved()))
