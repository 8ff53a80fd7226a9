"""Groups and streams, through boto3."""

from __future__ import annotations

import time
from typing import Any

import pytest


@pytest.fixture
def logs(client: Any) -> Any:
    return client("logs")


def test_create_describe_delete_group(logs: Any, refusal: Any, account: str) -> None:
    missing = ("ResourceNotFoundException", "The specified log group does not exist.")
    assert refusal(logs.describe_log_streams, logGroupName="/aws/x") == missing
    logs.create_log_group(logGroupName="/aws/x", tags={"a": "b"})
    assert refusal(logs.create_log_group, logGroupName="/aws/x") == (
        "ResourceAlreadyExistsException",
        "The specified log group already exists",
    )
    (group,) = logs.describe_log_groups(logGroupNamePrefix="/aws")["logGroups"]
    assert group["arn"] == f"arn:aws:logs:us-east-1:{account}:log-group:/aws/x:*"
    assert group["logGroupArn"] == group["arn"].removesuffix(":*")
    assert "retentionInDays" not in group
    tags = logs.list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"]
    assert tags == {"a": "b"} == logs.list_tags_log_group(logGroupName="/aws/x")["tags"]
    logs.delete_log_group(logGroupName="/aws/x")
    assert refusal(logs.delete_log_group, logGroupName="/aws/x") == missing


def test_list_groups(logs: Any, refusal: Any) -> None:
    for name in ("a/one", "a/two", "b/TWO"):
        logs.create_log_group(logGroupName=name)

    def names(**request: Any) -> list[str]:
        pages = logs.get_paginator("describe_log_groups").paginate(
            PaginationConfig={"PageSize": 1}, **request
        )
        return [group["logGroupName"] for page in pages for group in page["logGroups"]]

    assert names() == ["a/one", "a/two", "b/TWO"]
    assert names(logGroupNamePrefix="a/") == ["a/one", "a/two"]
    assert names(logGroupNamePattern="two") == ["a/two", "b/TWO"]
    both = {"logGroupNamePrefix": "a", "logGroupNamePattern": "b"}
    assert refusal(logs.describe_log_groups, **both)[0] == "InvalidParameterException"


def test_retention(logs: Any, refusal: Any) -> None:
    logs.create_log_group(logGroupName="g")
    logs.put_retention_policy(logGroupName="g", retentionInDays=30)
    assert logs.describe_log_groups()["logGroups"][0]["retentionInDays"] == 30
    assert refusal(logs.put_retention_policy, logGroupName="g", retentionInDays=31)[0] == (
        "InvalidParameterException"
    )
    logs.delete_retention_policy(logGroupName="g")
    assert "retentionInDays" not in logs.describe_log_groups()["logGroups"][0]


def test_a_protected_group_stays(logs: Any, refusal: Any) -> None:
    logs.create_log_group(logGroupName="g")
    logs.put_log_group_deletion_protection(logGroupIdentifier="g", deletionProtectionEnabled=True)
    assert refusal(logs.delete_log_group, logGroupName="g")[0] == "ValidationException"
    logs.put_log_group_deletion_protection(logGroupIdentifier="g", deletionProtectionEnabled=False)
    logs.delete_log_group(logGroupName="g")


def test_streams_by_name_have_no_token_unless_there_are_more(logs: Any) -> None:
    logs.create_log_group(logGroupName="g")
    for name in ("job/algo-1", "job/algo-2", "other"):
        logs.create_log_stream(logGroupName="g", logStreamName=name)
    # What the SageMaker SDK asks while it waits; with a token it would ask on for ever.
    asked = {"logGroupName": "g", "logStreamNamePrefix": "job/", "orderBy": "LogStreamName"}
    page = logs.describe_log_streams(**asked, limit=2)
    assert [stream["logStreamName"] for stream in page["logStreams"]] == [
        "job/algo-1",
        "job/algo-2",
    ]
    assert "nextToken" not in page
    assert "lastEventTimestamp" not in page["logStreams"][0]
    assert "nextToken" in logs.describe_log_streams(**asked, limit=1)


def test_streams_by_last_event(logs: Any, refusal: Any) -> None:
    logs.create_log_group(logGroupName="g")
    now_ms = int(time.time() * 1000)
    for number, name in enumerate(("b", "c", "a")):
        logs.create_log_stream(logGroupName="g", logStreamName=name)
        logs.put_log_events(
            logGroupName="g",
            logStreamName=name,
            logEvents=[{"timestamp": now_ms + number, "message": "x"}],
        )
    pages = logs.get_paginator("describe_log_streams").paginate(
        logGroupName="g",
        orderBy="LastEventTime",
        descending=True,
        PaginationConfig={"PageSize": 1},
    )
    streams = [stream for page in pages for stream in page["logStreams"]]
    assert [stream["logStreamName"] for stream in streams] == ["a", "c", "b"]
    assert streams[0]["firstEventTimestamp"] == streams[0]["lastEventTimestamp"] == now_ms + 2
    asked = {"logGroupName": "g", "orderBy": "LastEventTime", "logStreamNamePrefix": "a"}
    assert refusal(logs.describe_log_streams, **asked)[0] == "InvalidParameterException"


def test_create_and_delete_stream(logs: Any, refusal: Any) -> None:
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    again = refusal(logs.create_log_stream, logGroupName="g", logStreamName="s")
    assert again[0] == "ResourceAlreadyExistsException"
    logs.delete_log_stream(logGroupName="g", logStreamName="s")
    gone = refusal(logs.get_log_events, logGroupName="g", logStreamName="s")
    assert gone == ("ResourceNotFoundException", "The specified log stream does not exist.")


def test_groups_by_identifier(logs: Any, refusal: Any) -> None:
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    arn = logs.describe_log_groups()["logGroups"][0]["logGroupArn"]
    for identifier in ("g", arn):
        streams = logs.describe_log_streams(logGroupIdentifier=identifier)["logStreams"]
        assert len(streams) == 1
    both = {"logGroupName": "g", "logGroupIdentifier": "g"}
    assert refusal(logs.describe_log_streams, **both)[0] == "InvalidParameterException"
