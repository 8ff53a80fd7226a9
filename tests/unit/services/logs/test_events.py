"""Events in and out, through boto3."""

from __future__ import annotations

import time
from typing import Any

import pytest

DAY_MS = 86_400_000


@pytest.fixture
def logs(client: Any) -> Any:
    logs = client("logs")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    return logs


@pytest.fixture
def now_ms() -> int:
    return int(time.time() * 1000)


def put(logs: Any, *events: tuple[int, str], stream: str = "s") -> dict[str, Any]:
    entries = [{"timestamp": timestamp, "message": message} for timestamp, message in events]
    answer = logs.put_log_events(logGroupName="g", logStreamName=stream, logEvents=entries)
    return dict(answer)


def read(logs: Any, **request: Any) -> dict[str, Any]:
    return dict(logs.get_log_events(logGroupName="g", logStreamName="s", **request))


def texts(answer: dict[str, Any]) -> list[str]:
    return [event["message"] for event in answer["events"]]


def test_events_come_back_whole(logs: Any, now_ms: int) -> None:
    put(logs, (now_ms, "tab\there"), (now_ms + 1, "unicode ✓ and #011"))
    events = read(logs, startFromHead=True)["events"]
    assert [(e["timestamp"], e["message"]) for e in events] == [
        (now_ms, "tab\there"),
        (now_ms + 1, "unicode ✓ and #011"),
    ]
    assert abs(events[0]["ingestionTime"] - now_ms) < 60_000


def test_the_forward_token_repeats_at_the_end(logs: Any, now_ms: int) -> None:
    put(logs, *((now_ms + n, f"line {n}") for n in range(5)))
    seen = []
    page = read(logs, startFromHead=True, limit=2)
    for _ in range(10):
        seen += texts(page)
        following = read(logs, limit=2, nextToken=page["nextForwardToken"])
        if following["nextForwardToken"] == page["nextForwardToken"]:
            break
        page = following
    assert following["nextForwardToken"] == page["nextForwardToken"]
    assert seen == [f"line {n}" for n in range(5)]
    assert following["events"] == []
    put(logs, (now_ms + 9, "later"))
    assert texts(read(logs, nextToken=page["nextForwardToken"])) == ["later"]


def test_the_token_of_an_empty_stream_finds_what_comes_later(logs: Any, now_ms: int) -> None:
    token = read(logs, startFromHead=True)["nextForwardToken"]
    assert read(logs, nextToken=token)["nextForwardToken"] == token
    put(logs, (now_ms, "first"))
    assert texts(read(logs, nextToken=token)) == ["first"]


def test_without_start_from_head_the_newest_come_first(logs: Any, now_ms: int) -> None:
    put(logs, *((now_ms + n, f"line {n}") for n in range(5)))
    newest = read(logs, limit=2)
    assert texts(newest) == ["line 3", "line 4"]
    older = read(logs, limit=2, nextToken=newest["nextBackwardToken"])
    assert texts(older) == ["line 1", "line 2"]
    oldest = read(logs, limit=2, nextToken=older["nextBackwardToken"])
    assert texts(oldest) == ["line 0"]
    beyond = read(logs, limit=2, nextToken=oldest["nextBackwardToken"])
    assert (texts(beyond), beyond["nextBackwardToken"]) == ([], oldest["nextBackwardToken"])


def test_the_end_of_a_time_range_is_exclusive(logs: Any, now_ms: int) -> None:
    put(logs, *((now_ms + n, str(n)) for n in range(4)))
    assert texts(read(logs, startTime=now_ms + 1, endTime=now_ms + 3)) == ["1", "2"]


def test_a_made_up_token_is_refused(logs: Any, refusal: Any) -> None:
    for token in ("x", "f/1/s", "W10="):
        code, _ = refusal(logs.get_log_events, logGroupName="g", logStreamName="s", nextToken=token)
        assert code == "InvalidParameterException"


def test_rules_for_a_batch(logs: Any, refusal: Any, now_ms: int) -> None:
    def refused(*events: tuple[int, str]) -> str:
        entries = [{"timestamp": timestamp, "message": text} for timestamp, text in events]
        request = {"logGroupName": "g", "logStreamName": "s", "logEvents": entries}
        code, message = refusal(logs.put_log_events, **request)
        assert code == "InvalidParameterException"
        return str(message)

    assert "chronological order" in refused((now_ms, "b"), (now_ms - 1, "a"))
    assert "24 hours" in refused((now_ms - DAY_MS - 1, "a"), (now_ms, "b"))
    assert "Upload too large" in refused((now_ms, "x" * 600_000), (now_ms, "y" * 600_000))
    assert read(logs)["events"] == []


def test_events_too_old_or_too_new_are_reported_and_left_out(logs: Any, now_ms: int) -> None:
    old = put(logs, (now_ms - 15 * DAY_MS, "a"), (now_ms - 15 * DAY_MS, "b"))
    assert old["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 2}
    new = put(logs, (now_ms, "kept"), (now_ms + 3 * 3_600_000, "lost"))
    assert new["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 1}
    logs.put_retention_policy(logGroupName="g", retentionInDays=1)
    expired = put(logs, (now_ms - 2 * DAY_MS, "lost"))
    assert expired["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}
    assert texts(read(logs)) == ["kept"]


def test_filter_joins_streams_by_time(logs: Any, refusal: Any, now_ms: int) -> None:
    for name in ("job/a", "job/b"):
        logs.create_log_stream(logGroupName="g", logStreamName=name)
    put(logs, (now_ms, "a0"), (now_ms + 2, "a2"), stream="job/a")
    put(logs, (now_ms + 1, "b1"), (now_ms + 3, "b3"), stream="job/b")
    put(logs, (now_ms, "elsewhere"))

    def found(**request: Any) -> list[str]:
        paginator = logs.get_paginator("filter_log_events")
        pages = paginator.paginate(logGroupName="g", PaginationConfig={"PageSize": 1}, **request)
        return [event["message"] for page in pages for event in page["events"]]

    assert found(logStreamNamePrefix="job/") == ["a0", "b1", "a2", "b3"]
    assert found(logStreamNames=["job/b"]) == ["b1", "b3"]
    assert found(startTime=now_ms + 1, endTime=now_ms + 2) == ["b1", "a2"]
    assert found(filterPattern="?b1 ?a2") == ["b1", "a2"]
    both = {"logStreamNames": ["s"], "logStreamNamePrefix": "s"}
    code, _ = refusal(logs.filter_log_events, logGroupName="g", **both)
    assert code == "InvalidParameterException"
    code, _ = refusal(logs.filter_log_events, logGroupName="none")
    assert code == "ResourceNotFoundException"


def test_event_ids_are_unique(logs: Any, now_ms: int) -> None:
    put(logs, *((now_ms, "same") for _ in range(4)))
    events = logs.filter_log_events(logGroupName="g")["events"]
    assert len({event["eventId"] for event in events}) == 4


def test_live_tail_tells_of_new_events(client: Any, logs: Any, now_ms: int) -> None:
    from botocore.config import Config

    put(logs, (now_ms, "before: loss"))
    arn = logs.describe_log_groups()["logGroups"][0]["logGroupArn"]
    tailing = client("logs", config=Config(inject_host_prefix=False))
    stream = tailing.start_live_tail(logGroupIdentifiers=[arn], logEventFilterPattern="loss")
    events = iter(stream["responseStream"])
    assert next(events)["sessionStart"]["logGroupIdentifiers"] == [arn]
    put(logs, (now_ms, "loss=1"), (now_ms, "accuracy=1"))
    results: list[dict[str, Any]] = []
    for _ in range(10):
        results += next(events)["sessionUpdate"]["sessionResults"]
        if results:
            break
    stream["responseStream"].close()
    assert [result["message"] for result in results] == ["loss=1"]
