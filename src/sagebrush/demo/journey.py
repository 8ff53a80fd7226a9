"""From data to prediction with plain boto3: what a user's own program would do."""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import numpy as np

from sagebrush.demo.report import write_report
from sagebrush.demo.studies import Array, Score, Study, studies

_BUCKET = "sagebrush-demo"
_ROLE = "arn:aws:iam::000000000000:role/SageMakerRole"
_INSTANCE = "ml.m5.large"
_POLL_S = 0.1
_TERMINAL = ("Completed", "Failed", "Stopped")
_CURVE_LINES = {
    # XGBoost's own evaluation lines, as the log agent escapes their tabs.
    "xgboost": re.compile(r"^\[(\d+)\](.*)$"),
    "first-party": re.compile(
        r"#quality_metric: host=\S+, epoch=(\d+), (train|validation) \S+_objective <loss>=(\S+)"
    ),
}


@dataclass
class Outcome:
    """What became of a study: times in seconds, scores, curves (metric: values per round)."""

    study: Study
    name: str
    status: str = ""
    failure: str = ""
    job_s: float = 0.0
    deploy_s: float = 0.0
    invoke_ms: float = 0.0
    truth: Array = field(default_factory=lambda: np.empty(0))
    predicted: Array = field(default_factory=lambda: np.empty(0))
    scores: list[Score] = field(default_factory=list)
    curves: dict[str, list[float]] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


class Clients:
    """The AWS clients of one server."""

    def __init__(self, endpoint: str) -> None:
        settings: dict[str, Any] = {
            "endpoint_url": endpoint,
            "region_name": "us-east-1",
            "aws_access_key_id": "sagebrush",
            "aws_secret_access_key": "sagebrush",
        }
        self.s3 = boto3.client("s3", **settings)
        self.sagemaker = boto3.client("sagemaker", **settings)
        self.runtime = boto3.client("sagemaker-runtime", **settings)
        self.logs = boto3.client("logs", **settings)


def run(endpoint: str, report: Path) -> bool:
    """Run every study against the server, print as it goes, write the report.

    Returns whether every job completed and every model beats a guess.
    """
    clients = Clients(endpoint)
    clients.s3.create_bucket(Bucket=_BUCKET)
    suffix = time.strftime("%H%M%S")
    outcomes = [_follow(clients, study, suffix) for study in studies()]
    write_report(outcomes, report)
    return all(
        outcome.status == "Completed" and all(score.beats_baseline for score in outcome.scores)
        for outcome in outcomes
    )


def _follow(clients: Clients, study: Study, suffix: str) -> Outcome:
    name = f"{study.title.lower().replace(' ', '-')}-{suffix}"
    outcome = Outcome(study, name)
    print(f"\n{study.title} · {study.algorithm}\n  {study.story}")
    _upload(clients, study, name)
    _train(clients, study, outcome)
    if outcome.status != "Completed":
        print(f"  failed: {outcome.failure}")
        return outcome
    _deploy(clients, study, outcome)
    _predict(clients, study, outcome)
    clients.sagemaker.delete_endpoint(EndpointName=name)
    for score in outcome.scores:
        print(f"  {score.name}: {score.value:.3f} (without a model {score.baseline:.3f})")
    return outcome


def _upload(clients: Clients, study: Study, name: str) -> None:
    train, held_out = study.split()
    cut = int(len(train) * 0.8) if study.curve_metrics else len(train)
    parts = {"train": train[:cut]}
    if study.curve_metrics:
        parts["validation"] = train[cut:]
    for channel, rows in parts.items():
        columns = study.features[rows]
        if study.label_in_training:
            columns = np.column_stack([study.labels[rows], columns])
        body = _csv(columns)
        clients.s3.put_object(Bucket=_BUCKET, Key=f"{name}/{channel}/data.csv", Body=body)
    print(f"  uploaded {len(train)} rows, kept {len(held_out)} to judge the model")


def _train(clients: Clients, study: Study, outcome: Outcome) -> None:
    started = time.perf_counter()
    content_type = "text/csv" if study.label_in_training else "text/csv;label_size=0"
    channels = ["train", "validation"] if study.curve_metrics else ["train"]
    clients.sagemaker.create_training_job(
        TrainingJobName=outcome.name,
        AlgorithmSpecification={"TrainingImage": study.image, "TrainingInputMode": "File"},
        RoleArn=_ROLE,
        HyperParameters=study.hyperparameters,
        InputDataConfig=[
            {
                "ChannelName": channel,
                "ContentType": content_type,
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": f"s3://{_BUCKET}/{outcome.name}/{channel}/",
                    }
                },
            }
            for channel in channels
        ],
        OutputDataConfig={"S3OutputPath": f"s3://{_BUCKET}/models"},
        ResourceConfig={"InstanceType": _INSTANCE, "InstanceCount": 1, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    job = _wait_for_job(clients, outcome, started)
    outcome.status = job["TrainingJobStatus"]
    outcome.failure = job.get("FailureReason", "")
    outcome.job_s = time.perf_counter() - started
    outcome.metrics = {
        item["MetricName"]: item["Value"] for item in job.get("FinalMetricDataList", [])
    }
    outcome.curves = _curves(clients, outcome)
    _progress(f"  {job['SecondaryStatus']} after {outcome.job_s:.2f} s", last=True)


def _wait_for_job(clients: Clients, outcome: Outcome, started: float) -> dict[str, Any]:
    while True:
        job: dict[str, Any] = clients.sagemaker.describe_training_job(TrainingJobName=outcome.name)
        if job["TrainingJobStatus"] in _TERMINAL:
            return job
        _progress(f"  {job['SecondaryStatus']}… {time.perf_counter() - started:.1f} s")
        time.sleep(_POLL_S)


def _curves(clients: Clients, outcome: Outcome) -> dict[str, list[float]]:
    """Read the metric of every round out of the job's log."""
    group = "/aws/sagemaker/TrainingJobs"
    events = clients.logs.filter_log_events(
        logGroupName=group, logStreamNamePrefix=f"{outcome.name}/"
    )["events"]
    curves: dict[str, list[float]] = {}
    for event in events:
        message = event["message"]
        if found := _CURVE_LINES["first-party"].search(message):
            value = found[3].rstrip(",")
            curves.setdefault(f"{found[2]}:objective_loss", []).append(float(value))
        elif found := _CURVE_LINES["xgboost"].match(message):
            for pair in found[2].split("#011"):
                metric, _, value = pair.rpartition(":")
                if metric:
                    curves.setdefault(metric.replace("-", ":", 1), []).append(float(value))
    return {name: curves[name] for name in outcome.study.curve_metrics if name in curves}


def _deploy(clients: Clients, study: Study, outcome: Outcome) -> None:
    started = time.perf_counter()
    job = clients.sagemaker.describe_training_job(TrainingJobName=outcome.name)
    artefact = job["ModelArtifacts"]["S3ModelArtifacts"]
    clients.sagemaker.create_model(
        ModelName=outcome.name,
        PrimaryContainer={"Image": study.image, "ModelDataUrl": artefact},
        ExecutionRoleArn=_ROLE,
    )
    clients.sagemaker.create_endpoint_config(
        EndpointConfigName=outcome.name,
        ProductionVariants=[
            {
                "VariantName": "AllTraffic",
                "ModelName": outcome.name,
                "InstanceType": _INSTANCE,
                "InitialInstanceCount": 1,
            }
        ],
    )
    clients.sagemaker.create_endpoint(EndpointName=outcome.name, EndpointConfigName=outcome.name)
    while True:
        endpoint = clients.sagemaker.describe_endpoint(EndpointName=outcome.name)
        if endpoint["EndpointStatus"] != "Creating":
            break
        _progress(f"  endpoint {endpoint['EndpointStatus']}…")
        time.sleep(_POLL_S / 5)
    outcome.deploy_s = time.perf_counter() - started
    _progress(f"  endpoint {endpoint['EndpointStatus']} after {outcome.deploy_s:.2f} s", last=True)


def _predict(clients: Clients, study: Study, outcome: Outcome) -> None:
    train, held_out = study.split()
    answers: list[float] = []
    started = time.perf_counter()
    for row in held_out:
        response = clients.runtime.invoke_endpoint(
            EndpointName=outcome.name,
            ContentType="text/csv",
            Accept="application/json",
            Body=_csv(study.features[row : row + 1]),
        )
        prediction = json.loads(response["Body"].read())["predictions"][0]
        answers.append(float(prediction[study.predict_field]))
    outcome.invoke_ms = (time.perf_counter() - started) / len(held_out) * 1000
    outcome.truth, outcome.predicted = study.labels[held_out], np.array(answers)
    outcome.scores = study.judge(study.labels[train], outcome.truth, outcome.predicted)
    print(f"  invoked {len(held_out)} times, {outcome.invoke_ms:.1f} ms each")


def _csv(rows: Array) -> bytes:
    return "\n".join(",".join(f"{value:.7g}" for value in row) for row in rows).encode()


def _progress(text: str, *, last: bool = False) -> None:
    """Show a line that the next one replaces; plain lines where nobody watches."""
    if sys.stdout.isatty():
        print(f"\r\033[K{text}", end="\n" if last else "", flush=True)
    elif last:
        print(text)
