"""Asynchronous endpoints through unmodified boto3: queue, answers in S3, notices, metrics, crashes.

The server's clock stands still unless a test moves it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.e2e.endpoints.conftest import Hosting
from tests.e2e.hosting.steering import clock, control, crash

from sagebrush.launch import PrivateServer

LIMIT_S = 30.0
POINT = b"3,4"
INSTANT = {"ModelName": "centre"}


class Asynchronous(Hosting):
    """One account's asynchronous endpoint, its bucket, its topics."""

    def create(self, name: str, status: str = "InService", **output: Any) -> Any:
        """Create an endpoint of a K-Means model whose centre is the origin."""
        self.configure(name, **output)
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        return self.settled(name, status)

    def configure(self, name: str, *, at_once: int | None = None, **output: Any) -> None:
        """Create the configuration of an asynchronous endpoint."""
        client = {} if at_once is None else {"MaxConcurrentInvocationsPerInstance": at_once}
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": "all",
                    "InstanceType": "ml.m5.large",
                    "InitialInstanceCount": 1,
                    **INSTANT,
                }
            ],
            AsyncInferenceConfig={
                "OutputConfig": {
                    "S3OutputPath": f"s3://{self.bucket}/{name}/out/",
                    "S3FailurePath": f"s3://{self.bucket}/{name}/failures",
                    **output,
                },
                "ClientConfig": client,
            },
        )

    def ask(self, name: str, body: bytes = POINT, key: str = "in", **fields: Any) -> Any:
        """Upload an input and invoke."""
        location = self.upload(f"{name}/{key}", body)
        return self.runtime.invoke_endpoint_async(
            EndpointName=name, InputLocation=location, ContentType="text/csv", **fields
        )

    def object(self, location: str) -> Any:
        """Return an object once it exists."""
        bucket, _, key = location.removeprefix("s3://").partition("/")
        s3 = self.client("s3")
        give_up = time.monotonic() + LIMIT_S
        while True:
            try:
                found = s3.get_object(Bucket=bucket, Key=key)
                return found | {"Body": found["Body"].read()}
            except s3.exceptions.NoSuchKey:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.02)

    def answer(self, location: str) -> float:
        """Return the distance that an answer tells."""
        (prediction,) = json.loads(self.object(location)["Body"])["predictions"]
        return float(prediction["distance_to_cluster"])

    def exists(self, location: str) -> bool:
        bucket, _, key = location.removeprefix("s3://").partition("/")
        listed = self.client("s3").list_objects_v2(Bucket=bucket, Prefix=key)
        return listed["KeyCount"] > 0

    def topic(self, name: str) -> tuple[str, Callable[[], list[dict[str, Any]]]]:
        """Return a topic and what gives its messages so far."""
        sns, sqs = self.client("sns"), self.client("sqs")
        arn = sns.create_topic(Name=name)["TopicArn"]
        queue = sqs.create_queue(QueueName=name)["QueueUrl"]
        (queue_arn,) = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])[
            "Attributes"
        ].values()
        attributes = {"RawMessageDelivery": "true"}
        sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn, Attributes=attributes)

        def messages() -> list[dict[str, Any]]:
            received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
            return [json.loads(message["Body"]) for message in received.get("Messages", ())]

        return arn, messages

    def metric(self, endpoint: str, name: str, statistic: str, **dimensions: str) -> list[float]:
        """Return a metric's values by minute, the oldest first."""
        now = datetime.fromtimestamp(clock(self.server)["now_s"], UTC)
        found = self.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=name,
            Dimensions=[
                {"Name": key, "Value": value}
                for key, value in {"EndpointName": endpoint, **dimensions}.items()
            ],
            StartTime=now - timedelta(hours=12),
            EndTime=now + timedelta(minutes=2),
            Period=60,
            Statistics=[statistic],
        )["Datapoints"]
        return [point[statistic] for point in sorted(found, key=lambda each: each["Timestamp"])]

    def log(self, endpoint: str) -> list[str]:
        """Return the lines of the endpoint's data logs."""
        group = f"/aws/sagemaker/Endpoints/{endpoint}"
        logs = self.client("logs")
        streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
        return [
            event["message"]
            for stream in streams
            if stream["logStreamName"].endswith("/data-log")
            for event in logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
            )["events"]
        ]


def refusal(call: Callable[..., Any], **request: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    """A server that these tests may kill, and whose clock stands still."""
    with PrivateServer(tmp_path_factory.mktemp("async"), ("--clock", "stopped")) as running:
        yield running


@pytest.fixture
def hosting(server: PrivateServer, tmp_path: Path) -> Iterator[Asynchronous]:
    scene = Asynchronous(server, tmp_path)
    scene.model("centre", scene.kmeans((0.0, 0.0)))
    yield scene
    control(server, "faults", "DELETE")
    for endpoint in scene.sagemaker.list_endpoints()["Endpoints"]:
        scene.settled(endpoint["EndpointName"], endpoint["EndpointStatus"])
        scene.sagemaker.delete_endpoint(EndpointName=endpoint["EndpointName"])
        scene.gone(endpoint["EndpointName"])


def test_answers_lie_in_s3_and_topics_are_told(hosting: Asynchronous) -> None:
    good, told_good = hosting.topic("good")
    bad, told_bad = hosting.topic("bad")
    notices = {
        "SuccessTopic": good,
        "ErrorTopic": bad,
        "IncludeInferenceResponseIn": ["SUCCESS_NOTIFICATION_TOPIC"],
    }
    hosting.create("whole", NotificationConfig=notices)
    test = {"eventVersion": "1.0", "eventSource": "aws:sagemaker", "eventName": "TestNotification"}
    assert told_good() == [test]
    assert told_bad() == [test]

    accepted = hosting.ask("whole", InferenceId="first", Accept="application/json")
    assert accepted["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert accepted["InferenceId"] == "first"
    out = f"s3://{hosting.bucket}/whole/out/first.out"
    assert accepted["OutputLocation"] == out
    assert accepted["FailureLocation"] == f"s3://{hosting.bucket}/whole/failures/first-error.out"
    assert hosting.answer(out) == 5.0
    assert hosting.object(out)["ContentType"] == "application/json"
    (notice,) = told_good()
    assert notice["invocationStatus"] == "Completed"
    assert notice["inferenceId"] == "first"
    assert notice["eventName"] == "InferenceResult"
    assert notice["requestParameters"] == {
        "contentType": "text/csv",
        "endpointName": "whole",
        "inputLocation": f"s3://{hosting.bucket}/whole/in",
    }
    assert notice["responseParameters"] == {
        "contentType": "application/json",
        "outputLocation": out,
    }
    assert notice["responseBody"]["encoding"] == "BASE64"

    refused = hosting.ask("whole", b"no,numbers", InferenceId="second")
    assert hosting.object(refused["FailureLocation"])["Body"]
    assert not hosting.exists(refused["OutputLocation"])
    (notice,) = told_bad()
    assert notice["invocationStatus"] == "Failed"
    assert "Received client error (4" in notice["failureReason"]
    assert "responseBody" not in notice

    lines = hosting.log("whole")
    assert any("[first] Inference request succeeded. " in line for line in lines)
    assert any("[second] Received client error (4" in line for line in lines)


def test_inline_bodies_file_names_and_generated_ids(hosting: Asynchronous) -> None:
    hosting.create("inline")
    accepted = hosting.runtime.invoke_endpoint_async(
        EndpointName="inline",
        Body=POINT,
        ContentType="text/csv",
        Accept="application/json",
        Filename="answer.json",
        S3OutputPathExtension="today/",
    )
    assert accepted["OutputLocation"] == f"s3://{hosting.bucket}/inline/out/today/answer.json"
    assert len(accepted["InferenceId"]) == 36
    assert hosting.answer(accepted["OutputLocation"]) == 5.0


def test_what_is_refused(hosting: Asynchronous) -> None:
    hosting.create("only")
    hosting.endpoint("usual", INSTANT)
    invoke, ask = hosting.runtime.invoke_endpoint, hosting.runtime.invoke_endpoint_async
    for kind, call, name in (("Asynchronous", invoke, "only"), ("Realtime", ask, "usual")):
        fields = {"Body": POINT} if call is invoke else {"InputLocation": "s3://b/k"}
        assert refusal(call, EndpointName=name, **fields) == (
            "ValidationError",
            f"Endpoint {name} of type {kind} does not support this inference type.",
        )
    code, message = refusal(ask, EndpointName="nobody", InputLocation="s3://b/k")
    assert (code, "nobody" in message) == ("ValidationError", True)
    for fields in ({}, {"Body": POINT, "InputLocation": "s3://b/k"}, {"Body": b"x" * 128_001}):
        assert refusal(ask, EndpointName="only", **fields)[0] == "ValidationError"
    arn = "arn:aws:sns:us-east-1:000000000001:none"
    for output in (
        {"S3OutputPath": "https://example.com/x"},
        {"NotificationConfig": {"IncludeInferenceResponseIn": ["ERROR_NOTIFICATION_TOPIC"]}},
    ):
        with pytest.raises(ClientError, match="ValidationException"):
            hosting.configure("bad", **output)
    size = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    assert refusal(
        hosting.sagemaker.create_endpoint_config,
        EndpointConfigName="two",
        ProductionVariants=[{"VariantName": name} | INSTANT | size for name in "ab"],
        AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": f"s3://{hosting.bucket}/"}},
    ) == (
        "ValidationException",
        "Multiple production variants are not supported when specifying an AsyncInferenceConfig.",
    )
    hosting.configure("silent", NotificationConfig={"SuccessTopic": arn})
    create = hosting.sagemaker.create_endpoint
    code, message = refusal(create, EndpointName="silent", EndpointConfigName="silent")
    assert (code, arn in message) == ("ValidationException", True)


def test_requests_of_an_endpoint_without_instances_wait(hosting: Asynchronous) -> None:
    hosting.create("empty")
    scale(hosting, "empty", 0)
    first = hosting.ask("empty", b"6,8", "one")
    second = hosting.ask("empty", b"0,1", "two")
    clock(hosting.server, advance_s=120)
    assert not hosting.exists(first["OutputLocation"])
    assert hosting.metric("empty", "HasBacklogWithoutCapacity", "Maximum")[-1] == 1.0
    assert hosting.metric("empty", "ApproximateBacklogSize", "Maximum")[-1] == 2.0
    assert hosting.metric("empty", "ApproximateBacklogSizePerInstance", "Maximum")[-1] == 2.0
    age_s = hosting.metric("empty", "ApproximateAgeOfOldestRequest", "Maximum")[-1]
    assert 60.0 < age_s <= 120.0
    crash(hosting.server)
    third = hosting.ask("empty", b"0,2", "three")
    scale(hosting, "empty", 1)
    for accepted, distance in ((first, 10.0), (second, 1.0), (third, 2.0)):
        assert hosting.answer(accepted["OutputLocation"]) == distance
    clock(hosting.server, advance_s=120)
    assert hosting.metric("empty", "HasBacklogWithoutCapacity", "Maximum")[-1] == 0.0
    assert hosting.metric("empty", "ApproximateBacklogSize", "Maximum")[-1] == 0.0
    waited_ms = hosting.metric("empty", "TimeInBacklog", "Maximum", VariantName="all")
    assert max(waited_ms) >= 120_000


def test_requests_expire_on_the_clock(hosting: Asynchronous) -> None:
    hosting.create("late")
    scale(hosting, "late", 0)
    short = hosting.ask("late", RequestTTLSeconds=60)
    long = hosting.ask("late", key="other")
    clock(hosting.server, advance_s=61)
    assert b"expired" in hosting.object(short["FailureLocation"])["Body"]
    crash(hosting.server)
    clock(hosting.server, advance_s=21_600)
    assert b"expired" in hosting.object(long["FailureLocation"])["Body"]
    assert sum(hosting.metric("late", "ExpiredRequests", "Sum", VariantName="all")) == 2.0
    scale(hosting, "late", 1)
    assert hosting.answer(hosting.ask("late")["OutputLocation"]) == 5.0
    assert not hosting.exists(short["OutputLocation"])


def test_a_killed_server_answers_each_request_once(hosting: Asynchronous) -> None:
    good, told = hosting.topic("once")
    hosting.client("s3").put_bucket_versioning(
        Bucket=hosting.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    hosting.create("once", at_once=2, NotificationConfig={"SuccessTopic": good})
    told()
    control(hosting.server, "faults", kind="model-delay", target="endpoint/once", delay_s=0.05)
    accepted = [
        hosting.ask("once", f"{number},0".encode(), f"in-{number}", InferenceId=f"id-{number}")
        for number in range(12)
    ]
    for _ in range(3):
        time.sleep(0.1)
        crash(hosting.server)
    for number, one in enumerate(accepted):
        assert hosting.answer(one["OutputLocation"]) == number
    versions = hosting.client("s3").list_object_versions(Bucket=hosting.bucket, Prefix="once/out/")[
        "Versions"
    ]
    assert sorted(each["Key"] for each in versions) == sorted(
        f"once/out/id-{number}.out" for number in range(12)
    )
    notices: list[str] = []
    while batch := told():
        notices += [notice["inferenceId"] for notice in batch]
    assert sorted(notices) == sorted(f"id-{number}" for number in range(12))


def test_a_model_that_dies_is_asked_again_and_then_no_more(hosting: Asynchronous) -> None:
    hosting.create("frail")
    control(hosting.server, "faults", kind="model-crash", target="endpoint/frail", times=1)
    assert hosting.answer(hosting.ask("frail")["OutputLocation"]) == 5.0
    control(hosting.server, "faults", kind="model-crash", target="endpoint/frail", times=2)
    failed = hosting.ask("frail", key="again")
    assert b"Received server error (0)" in hosting.object(failed["FailureLocation"])["Body"]
    assert hosting.answer(hosting.ask("frail", key="third")["OutputLocation"]) == 5.0


def test_slow_models_and_missing_inputs_fail_by_name(hosting: Asynchronous) -> None:
    hosting.create("slow")
    missing = hosting.runtime.invoke_endpoint_async(
        EndpointName="slow", InputLocation=f"s3://{hosting.bucket}/nowhere"
    )
    assert b"nowhere" in hosting.object(missing["FailureLocation"])["Body"]
    control(hosting.server, "faults", kind="model-delay", target="endpoint/slow", delay_s=2)
    failed = hosting.ask("slow", InvocationTimeoutSeconds=1)
    assert b"timed out" in hosting.object(failed["FailureLocation"])["Body"]
    control(hosting.server, "faults", "DELETE")
    assert hosting.answer(hosting.ask("slow")["OutputLocation"]) == 5.0
    for name, total in (
        ("RequestDownloadFailures", 1.0),
        ("InvocationFailures", 2.0),
        ("InvocationsProcesssed", 3.0),
        ("Invocation5XXErrors", 1.0),
    ):
        assert sum(hosting.metric("slow", name, "Sum", VariantName="all")) == total
    listed = hosting.client("cloudwatch").list_metrics(
        Namespace="AWS/SageMaker", Dimensions=[{"Name": "EndpointName", "Value": "slow"}]
    )["Metrics"]
    names = {metric["MetricName"] for metric in listed}
    assert not names & {"Invocations", "InvocationsPerInstance", "OverheadLatency"}
    assert {"ModelLatency", "RequestDownloadLatency", "TotalProcessingTime"} <= names


def test_updating_keeps_the_queue_and_deleting_drops_it(hosting: Asynchronous) -> None:
    hosting.create("queue", at_once=1)
    control(hosting.server, "faults", kind="model-delay", target="endpoint/queue", delay_s=0.1)
    accepted = [hosting.ask("queue", key=f"in-{number}") for number in range(6)]
    hosting.configure("queue-2", at_once=4)
    hosting.sagemaker.update_endpoint(EndpointName="queue", EndpointConfigName="queue-2")
    hosting.settled("queue")
    for one in accepted:
        assert hosting.answer(one["OutputLocation"]) == 5.0
    scale(hosting, "queue", 0)
    waiting = hosting.ask("queue")
    hosting.sagemaker.delete_endpoint(EndpointName="queue")
    hosting.gone("queue")
    control(hosting.server, "faults", "DELETE")
    hosting.sagemaker.create_endpoint(EndpointName="queue", EndpointConfigName="queue")
    hosting.settled("queue")
    assert hosting.answer(hosting.ask("queue", key="new")["OutputLocation"]) == 5.0
    assert not hosting.exists(waiting["OutputLocation"])


def scale(hosting: Asynchronous, name: str, count: int) -> None:
    hosting.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=name,
        DesiredWeightsAndCapacities=[{"VariantName": "all", "DesiredInstanceCount": count}],
    )
    hosting.settled(name)
