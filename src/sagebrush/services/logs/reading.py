"""GetLogEvents and FilterLogEvents."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.logs import (
    EventKey,
    FilterPage,
    GroupRecord,
    LogEvent,
    StreamRecord,
    filter_events,
)
from sagebrush.services.logs.lookups import find_stream, named_group
from sagebrush.services.logs.patterns import FilterPattern, compile_pattern
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context

_MAX_EVENTS = 10_000
_LATEST_MS = 2**62
_TOKEN = re.compile(r"([fb])/(\d{20})(\d{36})/s")

# Where an event lies in its stream: its time in ms and its number of arrival.
Place = tuple[int, int]


def get_log_events(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of one stream's events, in the order of time.

    Both tokens are always answered. The one given comes back unchanged when there is nothing in
    its direction, which is how a client knows that it has reached an end.
    """
    group = named_group(context, request)
    stream = find_stream(context, group, request["logStreamName"])
    after: Place = (request.get("startTime", 0), -1)
    before: Place = (request.get("endTime", _LATEST_MS), -1)
    forward = request.get("startFromHead", False)
    turning: Place | None = None
    if "nextToken" in request:
        forward, turning = _parse_token(request["nextToken"])
        if forward:
            after = max(after, turning)
        else:
            before = min(before, turning)
    events = context.platform.logs.get(
        stream,
        after=after,
        before=before,
        newest_first=not forward,
        limit=request.get("limit", _MAX_EVENTS),
    )
    first, last = _ends(events, turning, after)
    return {
        "events": [
            {
                "timestamp": event.timestamp_ms,
                "message": event.message,
                "ingestionTime": event.ingested_ms,
            }
            for event in events
        ],
        "nextForwardToken": _token("f", last),
        "nextBackwardToken": _token("b", first),
    }


async def filter_log_events(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of a group's events that match a pattern, in the order of time.

    A page may be empty and yet have a `nextToken`: a call looks at a bounded number of events.
    """
    group = named_group(context, request)
    pattern = compile_pattern(request.get("filterPattern", ""))
    streams = {stream.id: stream for stream in _streams(context, group, request)}
    after = None
    if "nextToken" in request:
        after = EventKey(
            *decode_token(request["nextToken"], "InvalidParameterException", (int, int, int))
        )
    page = await asyncio.to_thread(_filter, context, request, list(streams), pattern, after)
    return {
        "events": [_filtered(event, streams[event.stream_id]) for event in page.events],
        "searchedLogStreams": [],
        "nextToken": None if page.last is None else encode_token(list(page.last)),
    }


def _streams(context: Context, group: GroupRecord, request: dict[str, Any]) -> list[StreamRecord]:
    """Return the streams to look through: the named ones, or all under the prefix with events."""
    if "logStreamNames" in request and "logStreamNamePrefix" in request:
        raise ApiError(
            "InvalidParameterException",
            "Cannot specify both logStreamNames and logStreamNamePrefix.",
        )
    if "logStreamNames" in request:
        return [find_stream(context, group, name) for name in request["logStreamNames"]]
    start_ms = request.get("startTime", 0)
    found = context.platform.logs.streams(group, prefix=request.get("logStreamNamePrefix", ""))
    return [s for s in found if s.last_event_ms is not None and s.last_event_ms >= start_ms]


def _filter(
    context: Context,
    request: dict[str, Any],
    stream_ids: list[int],
    pattern: FilterPattern,
    after: EventKey | None,
) -> FilterPage:
    with context.db.reader() as connection:
        return filter_events(
            connection,
            stream_ids,
            pattern.matches,
            start_ms=request.get("startTime", 0),
            end_ms=request.get("endTime", _LATEST_MS),
            after=after,
            limit=request.get("limit", _MAX_EVENTS),
        )


def _filtered(event: LogEvent, stream: StreamRecord) -> dict[str, Any]:
    return {
        "logStreamName": stream.name,
        "timestamp": event.timestamp_ms,
        "message": event.message,
        "ingestionTime": event.ingested_ms,
        "eventId": f"{event.timestamp_ms:020d}{event.stream_id:018d}{event.position:018d}",
    }


def _ends(events: list[LogEvent], turning: Place | None, start: Place) -> tuple[Place, Place]:
    """Return the places the backward and the forward token stand for."""
    if events:
        first, last = events[0], events[-1]
        return (first.timestamp_ms, first.position), (last.timestamp_ms, last.position)
    if turning is not None:
        return turning, turning
    # An empty page: reading on from its start finds what comes later.
    return (start[0], 0), (start[0], -1)


def _token(direction: str, place: Place) -> str:
    # Positions count from 0; the place before the first is written as 0.
    return f"{direction}/{place[0]:020d}{place[1] + 1:036d}/s"


def _parse_token(token: str) -> tuple[bool, Place]:
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise ApiError("InvalidParameterException", "The specified nextToken is invalid.")
    return match[1] == "f", (int(match[2]), int(match[3]) - 1)
