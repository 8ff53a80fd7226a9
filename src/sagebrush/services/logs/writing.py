"""PutLogEvents: the rules for a batch, and which events of it are refused."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import pairwise
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.logs import GroupRecord
from sagebrush.engines.logs.reading import EVENT_OVERHEAD_BYTES
from sagebrush.services.logs.lookups import find_group, find_stream
from sagebrush.services.platform import Context

_BATCH_BYTES = 1_048_576
_DAY_MS = 86_400_000
_OLDEST_MS = 14 * _DAY_MS
_NEWEST_MS = 2 * 3_600_000


def put_log_events(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Append a batch to a stream; events too old or too new are left out and reported."""
    group = find_group(context, request["logGroupName"])
    stream = find_stream(context, group, request["logStreamName"])
    events = [(event["timestamp"], event["message"]) for event in request["logEvents"]]
    _check_batch(events)
    start, end, rejected = _accepted(context, group, [timestamp for timestamp, _ in events])
    context.platform.logs.put(
        context.account, context.region, group.name, stream.name, events[start:end]
    )
    return {
        "nextSequenceToken": f"{stream.id:056d}",
        "rejectedLogEventsInfo": rejected or None,
    }


def _check_batch(events: list[tuple[int, str]]) -> None:
    size = sum(len(message.encode()) + EVENT_OVERHEAD_BYTES for _, message in events)
    if size > _BATCH_BYTES:
        raise ApiError(
            "InvalidParameterException",
            f"Upload too large: {size} bytes exceeds limit of {_BATCH_BYTES}",
        )
    if any(later < earlier for (earlier, _), (later, _) in pairwise(events)):
        raise ApiError(
            "InvalidParameterException",
            "Log events in a single PutLogEvents request must be in chronological order.",
        )
    if events[-1][0] - events[0][0] > _DAY_MS:
        raise ApiError(
            "InvalidParameterException",
            "The batch of log events in a single PutLogEvents request cannot span more than"
            " 24 hours.",
        )


def _accepted(
    context: Context, group: GroupRecord, timestamps_ms: list[int]
) -> tuple[int, int, dict[str, int]]:
    """Return which slice of the batch is kept, and what is said of the rest."""
    now_ms = int(context.now * 1000)
    rejected = {}
    too_old = bisect_left(timestamps_ms, now_ms - _OLDEST_MS)
    if too_old:
        rejected["tooOldLogEventEndIndex"] = too_old
    expired = 0
    if group.retention_days is not None:
        expired = bisect_left(timestamps_ms, now_ms - group.retention_days * _DAY_MS)
        if expired:
            rejected["expiredLogEventEndIndex"] = expired
    too_new = bisect_right(timestamps_ms, now_ms + _NEWEST_MS)
    if too_new < len(timestamps_ms):
        rejected["tooNewLogEventStartIndex"] = too_new
    return max(too_old, expired), too_new, rejected
