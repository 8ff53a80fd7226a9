"""Alarms through boto3: put, described, tagged, deleted; what is refused, and in which words."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import Any

import pytest

REGION = "us-east-1"
ALARM = {
    "AlarmName": "a",
    "Namespace": "NS",
    "MetricName": "m",
    "Statistic": "Average",
    "Period": 60,
    "EvaluationPeriods": 2,
    "Threshold": 5.0,
    "ComparisonOperator": "GreaterThanThreshold",
}
STAT = {"Metric": {"Namespace": "NS", "MetricName": "m"}, "Period": 60, "Stat": "Sum"}
SUPPRESSION = {"ActionsSuppressorWaitPeriod": 60, "ActionsSuppressorExtensionPeriod": 60}


@pytest.fixture
def cloudwatch(client: Any) -> Any:
    return client("cloudwatch")


def without(*names: str, **members: Any) -> dict[str, Any]:
    """Return a request for alarm a with some members left out and others added."""
    return {name: value for name, value in ALARM.items() if name not in names} | members


def expression(*queries: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Return a request for an alarm on an expression."""
    names = ("Namespace", "MetricName", "Statistic", "Period")
    return without(*names, Metrics=list(queries), **members)


def eventually(check: Callable[[], bool]) -> None:
    """Wait until something is so; the first evaluation comes right after the request."""
    deadline = time.monotonic() + 10
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def names(answer: dict[str, Any]) -> list[str]:
    """Return the names of the alarms in an answer, metric alarms first."""
    alarms = [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]
    return [alarm["AlarmName"] for alarm in alarms]


def test_what_was_put_is_described(cloudwatch: Any, account: str) -> None:
    topic = f"arn:aws:sns:{REGION}:{account}:t"
    request = ALARM | {
        "AlarmDescription": "why",
        "Dimensions": [{"Name": "d", "Value": "v"}],
        "Unit": "Count",
        "DatapointsToAlarm": 1,
        "TreatMissingData": "ignore",
        "AlarmActions": [topic],
    }
    before = time.time()
    cloudwatch.put_metric_alarm(**request)
    (alarm,) = cloudwatch.describe_alarms()["MetricAlarms"]
    assert {name: alarm[name] for name in request} == request
    assert alarm["AlarmArn"] == f"arn:aws:cloudwatch:{REGION}:{account}:alarm:a"
    assert (alarm["OKActions"], alarm["InsufficientDataActions"]) == ([], [])
    assert alarm["ActionsEnabled"] is True
    assert alarm["StateValue"] == "INSUFFICIENT_DATA"
    assert alarm["StateReason"] == "Unchecked: Initial alarm creation"
    for name in ("AlarmConfigurationUpdated", "StateUpdated", "StateTransitioned"):
        assert before - 1 < alarm[f"{name}Timestamp"].timestamp() < before + 60
    assert "StateReasonData" not in alarm
    assert "EvaluationState" not in alarm


@pytest.mark.parametrize("protocol", ["smithy-rpc-v2-cbor", "json", "query"])
def test_every_protocol_carries_the_same(
    client: Any, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.model import ServiceModel

    monkeypatch.setattr(ServiceModel, "resolved_protocol", protocol)
    cloudwatch = client("cloudwatch")
    cloudwatch.put_metric_alarm(**ALARM)
    cloudwatch.put_composite_alarm(AlarmName="c", AlarmRule="ALARM(a)")
    answer = cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    assert names(answer) == ["a", "c"]
    assert answer["MetricAlarms"][0]["Threshold"] == 5.0
    assert answer["CompositeAlarms"][0]["StateValue"] == "OK"
    with pytest.raises(cloudwatch.exceptions.ResourceNotFound):
        cloudwatch.set_alarm_state(AlarmName="none", StateValue="OK", StateReason="")


def test_metrics_that_are_there_are_evaluated_at_once(cloudwatch: Any) -> None:
    now = time.time()
    data = [{"MetricName": "m", "Timestamp": now - 60 * n, "Value": 9.0} for n in (1, 2, 3)]
    cloudwatch.put_metric_data(Namespace="NS", MetricData=data)
    cloudwatch.put_metric_alarm(**ALARM)
    sums = {"Id": "m1", "MetricStat": STAT, "ReturnData": False}
    twice = {"Id": "e1", "Expression": "m1 * 2", "Label": "twice"}
    cloudwatch.put_metric_alarm(**expression(sums, twice, AlarmName="e", Threshold=17.0))
    cloudwatch.put_metric_alarm(**expression(sums, twice, AlarmName="f", Threshold=18.0))
    states = {"a": "ALARM", "e": "ALARM", "f": "OK"}

    def described() -> bool:
        alarms = cloudwatch.describe_alarms()["MetricAlarms"]
        return {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms} == states

    eventually(described)
    alarm = cloudwatch.describe_alarms(AlarmNames=["e"])["MetricAlarms"][0]
    assert json.loads(alarm["StateReasonData"])["recentDatapoints"] == [18.0, 18.0]
    assert [query["ReturnData"] for query in alarm["Metrics"]] == [False, True]


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    (ALARM | {"Period": 15}, "ValidationError", "10, 20, 30 or a multiple of 60"),
    (ALARM | {"Period": 90}, "ValidationError", "10, 20, 30 or a multiple of 60"),
    (ALARM | {"EvaluationPeriods": 1441}, "ValidationError", "must be <= 86400"),
    (ALARM | {"Period": 3600, "EvaluationPeriods": 169}, "ValidationError", "must be <= 604800"),
    (ALARM | {"DatapointsToAlarm": 3}, "ValidationError", "DatapointsToAlarm"),
    (ALARM | {"ExtendedStatistic": "p90"}, "InvalidParameterCombination", "mutually exclusive"),
    (without("Statistic"), "ValidationError", "Statistic and ExtendedStatistic"),
    (without("Statistic", ExtendedStatistic="p101"), "ValidationError", "p101"),
    (without("MetricName"), "ValidationError", "MetricName and Metrics"),
    (without("Namespace"), "MissingParameter", "Namespace"),
    (without("Period"), "MissingParameter", "Period"),
    (without("Threshold"), "MissingParameter", "Threshold"),
    (without("EvaluationPeriods"), "MissingParameter", "EvaluationPeriods"),
    (without("ComparisonOperator"), "MissingParameter", "ComparisonOperator"),
    (ALARM | {"TreatMissingData": "no"}, "ValidationError", "TreatMissingData"),
    (ALARM | {"AlarmActions": ["sns"]}, "ValidationError", "Invalid arn syntax: sns"),
    (ALARM | {"OKActions": ["arn:aws:sns:eu-west-1:1:t"]}, "ValidationError", "eu-west-1"),
    (ALARM | {"AlarmName": "a\nb"}, "ValidationError", "control characters"),
    (
        without("Statistic", ExtendedStatistic="p90", EvaluateLowSampleCountPercentile="no"),
        "ValidationError",
        "evaluate and ignore",
    ),
    (ALARM | {"Threshold": math.inf}, "ValidationError", "finite"),
    (ALARM | {"ComparisonOperator": "GreaterThanUpperThreshold"}, "ValidationError", "anomaly"),
    (without("Threshold", ThresholdMetricId="t"), "ValidationError", "ThresholdMetricId"),
    (ALARM | {"EvaluationInterval": 10}, "ValidationError", "EvaluationInterval"),
    (ALARM | {"Metrics": [{"Id": "m", "MetricStat": STAT}]}, "ValidationError", "MetricName"),
    (ALARM | {"Tags": [{"Key": "aws:x", "Value": ""}]}, "ValidationError", "reserved"),
    (expression(), "ValidationError", "Metrics must not be empty"),
    (expression({"Id": "M", "MetricStat": STAT}), "ValidationError", "pattern"),
    (expression({"Id": "m"}), "ValidationError", "Exactly one of MetricStat and Expression"),
    (expression({"Id": "e", "Expression": "1 +"}), "ValidationError", "Error in expression 'e'"),
    (expression({"Id": "e", "Expression": "SELECT SUM(m)"}), "ValidationError", "Insights"),
    (
        expression({"Id": "e", "Expression": "ANOMALY_DETECTION_BAND(m)"}),
        "ValidationError",
        "ANOMALY_DETECTION_BAND",
    ),
    (
        expression({"Id": "m", "MetricStat": STAT}, {"Id": "n", "MetricStat": STAT}),
        "ValidationError",
        "Exactly one element of the metrics list should return data",
    ),
    (
        expression(
            {"Id": "m", "MetricStat": STAT},
            {"Id": "n", "MetricStat": STAT | {"Period": 120}, "ReturnData": False},
        ),
        "ValidationError",
        "same period",
    ),
]


@pytest.mark.parametrize(("request_", "code", "words"), REFUSED)
def test_what_is_refused(
    cloudwatch: Any, refusal: Any, request_: dict[str, Any], code: str, words: str
) -> None:
    found_code, message = refusal(cloudwatch.put_metric_alarm, **request_)
    assert found_code == code
    assert words in message
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"AlarmRule": "ALARM("}, "AlarmRule"),
        ({"AlarmRule": "ALARM(x)"}, "alarms [x] in the alarm rule do not exist"),
        ({"AlarmRule": "TRUE", "ActionsSuppressor": "x"}, "are required"),
        ({"AlarmRule": "TRUE", "ActionsSuppressor": "x", **SUPPRESSION}, "does not exist"),
        ({"AlarmRule": "TRUE", **SUPPRESSION}, "only be specified with ActionsSuppressor"),
        ({"AlarmRule": "TRUE", "AlarmActions": ["arn:aws:automate:us-east-1:ec2:stop"]}, "stop"),
    ],
)
def test_what_composite_alarms_are_refused(
    cloudwatch: Any, refusal: Any, members: dict[str, Any], words: str
) -> None:
    code, message = refusal(cloudwatch.put_composite_alarm, AlarmName="c", **members)
    assert code == "ValidationError"
    assert words in message


def test_an_alarm_does_not_change_its_type(cloudwatch: Any, refusal: Any) -> None:
    cloudwatch.put_metric_alarm(**ALARM)
    code, _ = refusal(cloudwatch.put_composite_alarm, AlarmName="a", AlarmRule="TRUE")
    assert code == "ValidationError"


def test_describing_filters_and_pages(cloudwatch: Any, account: str) -> None:
    topic = f"arn:aws:sns:{REGION}:{account}:t"
    for name in ("x1", "x2", "x3", "y"):
        actions = {"OKActions": [topic]} if name == "x2" else {}
        cloudwatch.put_metric_alarm(**ALARM | {"AlarmName": name} | actions)
    cloudwatch.put_composite_alarm(AlarmName="x0", AlarmRule="TRUE")
    describe = cloudwatch.describe_alarms
    kinds = ["MetricAlarm", "CompositeAlarm"]
    assert names(describe()) == ["x1", "x2", "x3", "y"]
    assert names(describe(AlarmTypes=["CompositeAlarm"])) == ["x0"]
    assert names(describe(AlarmNames=["y", "x3", "none"])) == ["x3", "y"]
    assert names(describe(AlarmNamePrefix="x", AlarmTypes=kinds)) == ["x1", "x2", "x3", "x0"]
    assert names(describe(StateValue="ALARM", AlarmTypes=kinds)) == ["x0"]
    assert names(describe(ActionPrefix=topic[:-1])) == ["x2"]
    first = describe(AlarmTypes=kinds, MaxRecords=2)
    assert names(first) == ["x1", "x0"]
    second = describe(AlarmTypes=kinds, MaxRecords=2, NextToken=first["NextToken"])
    assert names(second) == ["x2", "x3"]
    third = describe(AlarmTypes=kinds, MaxRecords=2, NextToken=second["NextToken"])
    assert (names(third), "NextToken" in third) == (["y"], False)
    with pytest.raises(cloudwatch.exceptions.InvalidNextToken):
        describe(NextToken="nonsense")


def test_relatives(cloudwatch: Any, refusal: Any) -> None:
    cloudwatch.put_metric_alarm(**ALARM)
    cloudwatch.put_composite_alarm(AlarmName="c", AlarmRule='ALARM("a") OR FALSE')
    cloudwatch.put_composite_alarm(AlarmName="d", AlarmRule="OK(c) AND OK(a)")
    children = cloudwatch.describe_alarms(ChildrenOfAlarmName="d")
    assert names(children) == ["a", "c"]
    assert set(children["MetricAlarms"][0]) == {
        *("AlarmName", "AlarmArn", "StateValue", "StateUpdatedTimestamp"),
    }
    parents = cloudwatch.describe_alarms(ParentsOfAlarmName="a")
    assert [set(alarm) for alarm in parents["CompositeAlarms"]] == [{"AlarmName", "AlarmArn"}] * 2
    code, _ = refusal(
        cloudwatch.describe_alarms, ParentsOfAlarmName="a", AlarmTypes=["CompositeAlarm"]
    )
    assert code == "ValidationError"


def test_alarms_of_a_metric(cloudwatch: Any) -> None:
    dimensions = [{"Name": "d", "Value": "v"}]
    cloudwatch.put_metric_alarm(**ALARM)
    cloudwatch.put_metric_alarm(**ALARM | {"AlarmName": "b", "Dimensions": dimensions})
    cloudwatch.put_metric_alarm(**ALARM | {"AlarmName": "c", "Period": 120})
    cloudwatch.put_metric_alarm(
        **expression({"Id": "m", "MetricStat": STAT, "ReturnData": True}, AlarmName="e")
    )

    def found(**members: Any) -> list[str]:
        answer = cloudwatch.describe_alarms_for_metric(Namespace="NS", MetricName="m", **members)
        return names(answer)

    assert found() == ["a", "c"]
    assert found(Period=120) == ["c"]
    assert found(Dimensions=dimensions) == ["b"]
    assert found(Statistic="Sum") == []


def test_history(cloudwatch: Any) -> None:
    cloudwatch.put_metric_alarm(**ALARM | {"TreatMissingData": "ignore"})
    for state in ("ALARM", "OK"):
        cloudwatch.set_alarm_state(AlarmName="a", StateValue=state, StateReason=f"test {state}")
    cloudwatch.delete_alarms(AlarmNames=["a"])
    items = cloudwatch.describe_alarm_history(AlarmName="a")["AlarmHistoryItems"]
    assert [(item["HistoryItemType"], item["HistorySummary"]) for item in items] == [
        ("ConfigurationUpdate", 'Alarm "a" deleted'),
        ("StateUpdate", "Alarm updated from ALARM to OK"),
        ("StateUpdate", "Alarm updated from INSUFFICIENT_DATA to ALARM"),
        ("ConfigurationUpdate", 'Alarm "a" created'),
    ]
    data = json.loads(items[1]["HistoryData"])
    assert data["oldState"] == {"stateValue": "ALARM", "stateReason": "test ALARM"}
    assert data["newState"] == {"stateValue": "OK", "stateReason": "test OK"}
    assert json.loads(items[3]["HistoryData"])["type"] == "Create"
    pages = cloudwatch.get_paginator("describe_alarm_history").paginate(
        AlarmName="a", ScanBy="TimestampAscending", PaginationConfig={"PageSize": 1}
    )
    paged = [item for page in pages for item in page["AlarmHistoryItems"]]
    assert paged == items[::-1]
    updates = cloudwatch.describe_alarm_history(AlarmName="a", HistoryItemType="StateUpdate")
    assert updates["AlarmHistoryItems"] == items[1:3]
    later = cloudwatch.describe_alarm_history(AlarmName="a", StartDate=time.time() + 60)
    assert later["AlarmHistoryItems"] == []


def test_states_set_by_hand(cloudwatch: Any, refusal: Any) -> None:
    cloudwatch.put_metric_alarm(**ALARM | {"TreatMissingData": "ignore"})
    data = json.dumps({"any": "thing"})
    cloudwatch.set_alarm_state(
        AlarmName="a", StateValue="ALARM", StateReason="test", StateReasonData=data
    )
    (alarm,) = cloudwatch.describe_alarms(StateValue="ALARM")["MetricAlarms"]
    assert (alarm["StateReason"], alarm["StateReasonData"]) == ("test", data)
    state = {"AlarmName": "a", "StateValue": "OK", "StateReason": "", "StateReasonData": "{"}
    assert refusal(cloudwatch.set_alarm_state, **state)[0] == "InvalidFormat"
    code, _ = refusal(cloudwatch.set_alarm_state, AlarmName="none", StateValue="OK", StateReason="")
    assert code == "ResourceNotFound"


def test_switching_actions(cloudwatch: Any) -> None:
    cloudwatch.put_metric_alarm(**ALARM)
    cloudwatch.disable_alarm_actions(AlarmNames=["a", "none"])
    assert cloudwatch.describe_alarms()["MetricAlarms"][0]["ActionsEnabled"] is False
    cloudwatch.enable_alarm_actions(AlarmNames=["a"])
    assert cloudwatch.describe_alarms()["MetricAlarms"][0]["ActionsEnabled"] is True


def test_deleting(cloudwatch: Any, refusal: Any) -> None:
    for name in ("a", "b", "s"):
        cloudwatch.put_metric_alarm(**ALARM | {"AlarmName": name})
    cloudwatch.put_composite_alarm(
        AlarmName="c", AlarmRule="ALARM(a)", ActionsSuppressor="s", **SUPPRESSION
    )
    cloudwatch.put_composite_alarm(AlarmName="d", AlarmRule="ALARM(c)")
    for needed in ("a", "s", "c"):
        code, message = refusal(cloudwatch.delete_alarms, AlarmNames=["b", needed])
        assert code == "ValidationError"
        assert f"Cannot delete {needed} as there are composite alarm(s) depending on it." in message
    assert refusal(cloudwatch.delete_alarms, AlarmNames=["c", "d"])[0] == "ValidationError"
    assert refusal(cloudwatch.delete_alarms, AlarmNames=["none"])[0] == "ResourceNotFound"
    cloudwatch.delete_alarms(AlarmNames=["d", "b", "none"])
    cloudwatch.delete_alarms(AlarmNames=["c", "a", "s"])
    both = ["MetricAlarm", "CompositeAlarm"]
    assert names(cloudwatch.describe_alarms(AlarmTypes=both)) == []


def test_a_cycle_is_deleted_after_it_is_broken(cloudwatch: Any, refusal: Any) -> None:
    cloudwatch.put_composite_alarm(AlarmName="c", AlarmRule="TRUE")
    cloudwatch.put_composite_alarm(AlarmName="d", AlarmRule="ALARM(c)")
    cloudwatch.put_composite_alarm(AlarmName="c", AlarmRule="ALARM(d)")
    for name in ("c", "d"):
        assert refusal(cloudwatch.delete_alarms, AlarmNames=[name])[0] == "ValidationError"
    cloudwatch.put_composite_alarm(AlarmName="c", AlarmRule="FALSE")
    cloudwatch.delete_alarms(AlarmNames=["d"])
    cloudwatch.delete_alarms(AlarmNames=["c"])


@pytest.mark.parametrize("form", ["ALARM(c)", "TRUE OR NOT OK({arn})", "AT_LEAST(1, OK, (a, c))"])
def test_a_rule_that_names_its_own_alarm_is_refused(
    cloudwatch: Any, account: str, refusal: Any, form: str
) -> None:
    cloudwatch.put_metric_alarm(**ALARM)
    rule = form.format(arn=f"arn:aws:cloudwatch:{REGION}:{account}:alarm:c")
    put = {"AlarmName": "c", "AlarmRule": rule}
    code, message = refusal(cloudwatch.put_composite_alarm, **put)
    assert (code, "alarms [c] in the alarm rule do not exist" in message) == (
        "ValidationError",
        True,
    )
    cloudwatch.put_composite_alarm(AlarmName="c", AlarmRule="ALARM(a)")
    code, message = refusal(cloudwatch.put_composite_alarm, **put)
    assert (code, "c cannot depend on itself" in message) == ("ValidationError", True)
    (kept,) = cloudwatch.describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    assert kept["AlarmRule"] == "ALARM(a)"
    cloudwatch.delete_alarms(AlarmNames=["c"])


def test_tags(cloudwatch: Any, account: str, refusal: Any) -> None:
    arn = f"arn:aws:cloudwatch:{REGION}:{account}:alarm:a"
    cloudwatch.put_metric_alarm(**ALARM | {"Tags": [{"Key": "k", "Value": "1"}]})
    # An update leaves them alone.
    cloudwatch.put_metric_alarm(**ALARM | {"Tags": [{"Key": "k", "Value": "2"}]})
    cloudwatch.tag_resource(ResourceARN=arn, Tags=[{"Key": "l", "Value": "3"}])
    tags = cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"]
    assert tags == [{"Key": "k", "Value": "1"}, {"Key": "l", "Value": "3"}]
    cloudwatch.untag_resource(ResourceARN=arn, TagKeys=["k", "none"])
    assert cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == tags[1:]
    with pytest.raises(cloudwatch.exceptions.ResourceNotFoundException) as caught:
        cloudwatch.list_tags_for_resource(ResourceARN=arn + "x")
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"
    assert refusal(cloudwatch.list_tags_for_resource, ResourceARN="a")[0] == (
        "InvalidParameterValue"
    )


def test_accounts_and_regions_are_apart(client: Any, cloudwatch: Any) -> None:
    cloudwatch.put_metric_alarm(**ALARM)
    other = client("cloudwatch", aws_access_key_id="299999999999")
    assert names(other.describe_alarms()) == []
