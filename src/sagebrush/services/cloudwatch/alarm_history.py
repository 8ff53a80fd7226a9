"""DescribeAlarmHistory."""

from __future__ import annotations

from typing import Any

from sagebrush.engines.alarms import METRIC, HistoryItem
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context

_PAGE = 100


def describe_alarm_history(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of what happened to alarms, newest first unless told; deleted ones too."""
    after = None
    if "NextToken" in request:
        time, number = decode_token(request["NextToken"], "InvalidNextToken", (float, int))
        after = (time, number)
    limit = request.get("MaxRecords", _PAGE)
    if "AlarmContributorId" in request:
        # No alarm here has contributors.
        return {"AlarmHistoryItems": []}
    items = context.platform.alarms.store.history(
        context.account,
        context.region,
        request.get("AlarmTypes") or [METRIC],
        name=request.get("AlarmName"),
        type=request.get("HistoryItemType"),
        start=request.get("StartDate"),
        end=request.get("EndDate"),
        after=after,
        newest_first=request.get("ScanBy", "TimestampDescending") == "TimestampDescending",
        limit=limit + 1,
    )
    answer: dict[str, Any] = {"AlarmHistoryItems": [_shape(item) for item in items[:limit]]}
    if len(items) > limit:
        last = items[limit - 1]
        answer["NextToken"] = encode_token([last.time, last.id])
    return answer


def _shape(item: HistoryItem) -> dict[str, Any]:
    return {
        "AlarmName": item.name,
        "AlarmType": item.kind,
        "Timestamp": item.time,
        "HistoryItemType": item.type,
        "HistorySummary": item.summary,
        "HistoryData": item.data,
    }
