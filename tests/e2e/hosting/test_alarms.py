"""Alarms of a real server, from metric data to the message in a queue, over crashes."""

from __future__ import annotations

import itertools
import json
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sagebrush.launch import PrivateServer

REGION = "us-east-1"
LIMIT_S = 20
_accounts = itertools.count(420_000_000_000)
ALARM = {
    "AlarmName": "errors",
    "Namespace": "NS",
    "MetricName": "errors",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 2,
    "Threshold": 5.0,
    "ComparisonOperator": "GreaterThanThreshold",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    """A server whose clock moves only when told, and that these tests may kill."""
    folder = tmp_path_factory.mktemp("alarms")
    with PrivateServer(folder, ("--clock", "stopped")) as running:
        yield running


@pytest.fixture
def client(server: PrivateServer) -> Callable[[str], Any]:
    """Return a function that gives a client in the test's own account."""
    account = str(next(_accounts))
    return lambda service: boto3.client(
        service,
        endpoint_url=server.endpoint,
        region_name=REGION,
        aws_access_key_id=account,
        aws_secret_access_key="any",
    )


def crash(server: PrivateServer) -> None:
    assert server._process is not None
    server._process.kill()
    server._process.wait()
    server.start()


def advance(server: PrivateServer, duration: str) -> dict[str, Any]:
    """Let time pass on the server, event by event."""
    request = urllib.request.Request(
        f"{server.endpoint}/_sagebrush/clock",
        json.dumps({"advance": duration}).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        moved: dict[str, Any] = json.loads(answer.read())
    return moved


class Inbox:
    """A queue that gets what is published to a topic."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        self._sqs = client("sqs")
        sns = client("sns")
        self._url = self._sqs.create_queue(QueueName="inbox")["QueueUrl"]
        asked = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        self.topic: str = sns.create_topic(Name="alarms")["TopicArn"]
        arn = asked["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)

    def next(self) -> tuple[str, dict[str, Any]]:
        """Return subject and message of the next notice."""
        answer = self._sqs.receive_message(QueueUrl=self._url, WaitTimeSeconds=LIMIT_S)
        (message,) = answer["Messages"]
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        notice = json.loads(message["Body"])
        return notice["Subject"], json.loads(notice["Message"])

    def is_empty(self) -> bool:
        """Return whether nothing is there."""
        return not self._sqs.receive_message(QueueUrl=self._url).get("Messages")


def put(cloudwatch: Any, value: float) -> None:
    cloudwatch.put_metric_data(
        Namespace="NS", MetricData=[{"MetricName": "errors", "Value": value}]
    )


def state(cloudwatch: Any, name: str = "errors") -> str:
    answer = cloudwatch.describe_alarms(
        AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    (alarm,) = [*answer["MetricAlarms"], *answer["CompositeAlarms"]]
    return str(alarm["StateValue"])


def history(cloudwatch: Any, name: str, kind: str) -> list[tuple[datetime, str]]:
    """Return times and summaries of an alarm's history, oldest first."""
    pages = cloudwatch.get_paginator("describe_alarm_history").paginate(
        AlarmName=name,
        AlarmTypes=["MetricAlarm", "CompositeAlarm"],
        HistoryItemType=kind,
        ScanBy="TimestampAscending",
    )
    return [
        (item["Timestamp"], item["HistorySummary"])
        for page in pages
        for item in page["AlarmHistoryItems"]
    ]


def test_from_metric_data_to_the_message(server: PrivateServer, client: Any) -> None:
    cloudwatch, inbox = client("cloudwatch"), Inbox(client)
    actions = {"AlarmActions": [inbox.topic], "OKActions": [inbox.topic]}
    cloudwatch.put_metric_alarm(**ALARM | actions | {"AlarmDescription": "too many"})
    for value in (1.0, 1.0, 9.0, 9.0):
        put(cloudwatch, value)
        advance(server, "1m")
    assert state(cloudwatch) == "ALARM"
    subject, message = inbox.next()
    assert subject == 'OK: "errors" in US East (N. Virginia)'
    subject, message = inbox.next()
    assert subject == 'ALARM: "errors" in US East (N. Virginia)'
    trigger = message.pop("Trigger")
    assert trigger == {
        "MetricName": "errors",
        "Namespace": "NS",
        "StatisticType": "Statistic",
        "Statistic": "SUM",
        "Unit": None,
        "Dimensions": [],
        "Period": 60,
        "EvaluationPeriods": 2,
        "DatapointsToAlarm": 2,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 5.0,
        "TreatMissingData": "missing",
        "EvaluateLowSampleCountPercentile": "",
    }
    (alarm,) = cloudwatch.describe_alarms()["MetricAlarms"]
    assert message["NewStateReason"] == alarm["StateReason"]
    assert (message["OldStateValue"], message["NewStateValue"]) == ("OK", "ALARM")
    assert message["AlarmArn"] == alarm["AlarmArn"]
    changed = datetime.strptime(message["StateChangeTime"], "%Y-%m-%dT%H:%M:%S.%f%z")
    assert abs((changed - alarm["StateTransitionedTimestamp"]).total_seconds()) < 0.001
    assert set(message) == {
        *("AlarmName", "AlarmDescription", "AWSAccountId", "AlarmConfigurationUpdatedTimestamp"),
        *("NewStateValue", "NewStateReason", "StateChangeTime", "Region", "AlarmArn"),
        *("OldStateValue", "OKActions", "AlarmActions", "InsufficientDataActions"),
    }
    assert [summary for _, summary in history(cloudwatch, "errors", "Action")] == [
        f"Successfully executed action {inbox.topic}"
    ] * 2


def test_a_day_passes_minute_by_minute(server: PrivateServer, client: Any) -> None:
    cloudwatch = client("cloudwatch")
    put(cloudwatch, 9.0)
    advance(server, "1m")
    for number in range(5):
        cloudwatch.put_metric_alarm(**ALARM | {"AlarmName": f"e{number}", "EvaluationPeriods": 1})
    cloudwatch.put_composite_alarm(AlarmName="all", AlarmRule="ALARM(e0) AND ALARM(e4)")
    moved = advance(server, "24h")
    assert moved["unsettled"] == []
    for number in range(5):
        (up, _), (down, _) = history(cloudwatch, f"e{number}", "StateUpdate")
        # The one point is in the evaluation range of three minutes, then nothing is.
        assert 120 <= (down - up).total_seconds() <= 180
        assert state(cloudwatch, f"e{number}") == "INSUFFICIENT_DATA"
    assert state(cloudwatch, "all") == "OK"


def test_expressions_and_composites_with_a_suppressor(server: PrivateServer, client: Any) -> None:
    cloudwatch, inbox = client("cloudwatch"), Inbox(client)
    stat = {"Metric": {"Namespace": "NS", "MetricName": "errors"}, "Period": 60, "Stat": "Sum"}
    cloudwatch.put_metric_alarm(
        AlarmName="math",
        Metrics=[
            {"Id": "m", "MetricStat": stat, "ReturnData": False},
            {"Id": "e", "Expression": "100 * FILL(m, 0)", "ReturnData": True},
        ],
        EvaluationPeriods=1,
        Threshold=500,
        ComparisonOperator="GreaterThanThreshold",
    )
    cloudwatch.put_metric_alarm(
        **ALARM | {"AlarmName": "away", "MetricName": "none", "TreatMissingData": "ignore"}
    )
    cloudwatch.put_composite_alarm(
        AlarmName="page",
        AlarmRule='ALARM("math")',
        AlarmActions=[inbox.topic],
        ActionsSuppressor="away",
        ActionsSuppressorWaitPeriod=90,
        ActionsSuppressorExtensionPeriod=30,
    )
    advance(server, "2m")
    put(cloudwatch, 9.0)
    advance(server, "1m")
    assert (state(cloudwatch, "math"), state(cloudwatch, "page")) == ("ALARM", "ALARM")
    (page,) = cloudwatch.describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    assert page["ActionsSuppressedBy"] == "WaitPeriod"
    assert inbox.is_empty()
    cloudwatch.set_alarm_state(AlarmName="away", StateValue="ALARM", StateReason="maintenance")
    crash(server)
    put(cloudwatch, 9.0)
    advance(server, "1m")
    assert inbox.is_empty()
    cloudwatch.set_alarm_state(AlarmName="away", StateValue="OK", StateReason="back")
    put(cloudwatch, 9.0)
    advance(server, "30s")
    subject, message = inbox.next()
    assert subject == 'ALARM: "page" in US East (N. Virginia)'
    assert message["AlarmRule"] == 'ALARM("math")'
    (child,) = message["TriggeringChildren"]
    assert child["Arn"].endswith(":alarm:math")
    assert child["State"]["Value"] == "ALARM"


@pytest.mark.parametrize("value", ["ALARM", "OK", "INSUFFICIENT_DATA"])
def test_a_killed_server_loses_neither_state_nor_action(
    server: PrivateServer, client: Any, value: str
) -> None:
    cloudwatch, inbox = client("cloudwatch"), Inbox(client)
    kinds = ("OKActions", "AlarmActions", "InsufficientDataActions")
    cloudwatch.put_metric_alarm(
        **ALARM | {"TreatMissingData": "ignore"} | {kind: [inbox.topic] for kind in kinds}
    )
    if value == "INSUFFICIENT_DATA":
        cloudwatch.set_alarm_state(AlarmName="errors", StateValue="OK", StateReason="first")
        inbox.next()
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue=value, StateReason="then killed")
    crash(server)
    assert state(cloudwatch) == value
    _, message = inbox.next()
    assert (message["NewStateValue"], message["NewStateReason"]) == (value, "then killed")
    assert inbox.is_empty()
    # It goes on from there.
    for _ in range(2):
        put(cloudwatch, 1.0 if value == "ALARM" else 9.0)
        advance(server, "1m")
    assert state(cloudwatch) == ("OK" if value == "ALARM" else "ALARM")


def test_an_action_that_nothing_carries_out_is_in_the_history(client: Any) -> None:
    cloudwatch = client("cloudwatch")
    action = f"arn:aws:lambda:{REGION}:123456789012:function:f"
    cloudwatch.put_metric_alarm(**ALARM | {"TreatMissingData": "ignore", "AlarmActions": [action]})
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="test")
    ((_, summary),) = history(cloudwatch, "errors", "Action")
    assert summary == f"Failed to execute action {action}"


def test_alarms_may_form_a_cycle_but_none_stands_on_itself(client: Any) -> None:
    cloudwatch = client("cloudwatch")
    cloudwatch.put_metric_alarm(**ALARM)
    cloudwatch.put_composite_alarm(AlarmName="first", AlarmRule="ALARM(errors)")
    cloudwatch.put_composite_alarm(AlarmName="second", AlarmRule="ALARM(first)")
    with pytest.raises(ClientError, match=r"ValidationError.*first cannot depend on itself"):
        cloudwatch.put_composite_alarm(AlarmName="first", AlarmRule="ALARM(errors) OR ALARM(first)")
    cloudwatch.put_composite_alarm(AlarmName="first", AlarmRule="ALARM(errors) OR ALARM(second)")
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="test")
    assert [state(cloudwatch, name) for name in ("first", "second")] == ["ALARM", "ALARM"]
