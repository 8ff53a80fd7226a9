"""Log streams."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.logs import GroupRecord, StreamExists, StreamRecord
from sagebrush.services.logs.lookups import find_group, find_stream, group_arn, named_group
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context

_DEFAULT_LIMIT = 50


def create_log_stream(context: Context, request: dict[str, Any]) -> None:
    """Make an empty stream."""
    group = find_group(context, request["logGroupName"])
    try:
        context.platform.logs.create_stream(group, request["logStreamName"])
    except StreamExists:
        raise ApiError(
            "ResourceAlreadyExistsException", "The specified log stream already exists"
        ) from None


def delete_log_stream(context: Context, request: dict[str, Any]) -> None:
    """Remove a stream with its events."""
    group = find_group(context, request["logGroupName"])
    find_stream(context, group, request["logStreamName"])
    context.platform.logs.delete_stream(group, request["logStreamName"])


def describe_log_streams(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of a group's streams, by name or by the time of their last event.

    `nextToken` is answered only when there are more streams: clients ask on while they see one.
    """
    group = named_group(context, request)
    by_last_event = request.get("orderBy", "LogStreamName") == "LastEventTime"
    prefix = request.get("logStreamNamePrefix", "")
    if by_last_event and prefix:
        raise ApiError(
            "InvalidParameterException",
            "Cannot order by LastEventTime with a logStreamNamePrefix.",
        )
    after = None
    if "nextToken" in request:
        last_ms, name = decode_token(request["nextToken"], "InvalidParameterException", (int, str))
        after = (int(last_ms), str(name))
    limit = request.get("limit", _DEFAULT_LIMIT)
    streams = context.platform.logs.streams(
        group,
        prefix=prefix,
        after=after,
        by_last_event=by_last_event,
        descending=request.get("descending", False),
        limit=limit + 1,
    )
    token = None
    if len(streams) > limit:
        last = streams[limit - 1]
        token = encode_token([last.last_event_ms or 0, last.name])
    shown = [_shape(context, group, stream) for stream in streams[:limit]]
    return {"logStreams": shown, "nextToken": token}


def _shape(context: Context, group: GroupRecord, stream: StreamRecord) -> dict[str, Any]:
    return {
        "logStreamName": stream.name,
        "creationTime": stream.created_ms,
        "firstEventTimestamp": stream.first_event_ms,
        "lastEventTimestamp": stream.last_event_ms,
        "lastIngestionTime": stream.last_ingestion_ms,
        "uploadSequenceToken": f"{stream.id:056d}",
        "arn": f"{group_arn(context, group.name)}:log-stream:{stream.name}",
        # AWS has answered 0 since 2019; the group's figure is the true one.
        "storedBytes": 0,
    }
