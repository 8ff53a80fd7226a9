"""StartLiveTail: matching events as they are stored, once a second, over an event stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from sagebrush.base.errors import ApiError
from sagebrush.engines.logs import GroupRecord, LogEvent, StreamRecord
from sagebrush.services.logs.lookups import find_group, group_arn, group_name
from sagebrush.services.logs.patterns import compile_pattern
from sagebrush.services.platform import Context

_UPDATE_INTERVAL_S = 1.0
_UPDATE_EVENTS = 500
_SESSION_S = 3 * 3600.0


def start_live_tail(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a stream that tells of new events of some groups until the client goes away."""
    names = request.get("logStreamNames", [])
    prefixes = request.get("logStreamNamePrefixes", [])
    if names and prefixes:
        raise ApiError(
            "InvalidParameterException",
            "Cannot specify both logStreamNames and logStreamNamePrefixes.",
        )
    groups = [find_group(context, group_name(text)) for text in request["logGroupIdentifiers"]]
    if (names or prefixes) and len(groups) > 1:
        raise ApiError(
            "InvalidParameterException",
            "Log streams can be chosen only when one log group is specified.",
        )
    pattern = compile_pattern(request.get("logEventFilterPattern", ""))

    def wants(stream: StreamRecord, event: LogEvent) -> bool:
        if names and stream.name not in names:
            return False
        if prefixes and not stream.name.startswith(tuple(prefixes)):
            return False
        return pattern.matches(event.message)

    start = {
        "requestId": context.request_id,
        "sessionId": context.request_id,
        "logGroupIdentifiers": request["logGroupIdentifiers"],
        "logStreamNames": names,
        "logStreamNamePrefixes": prefixes,
        "logEventFilterPattern": request.get("logEventFilterPattern", ""),
    }
    identifiers = {group.id: group_arn(context, group.name) for group in groups}
    return {"responseStream": _updates(context, start, identifiers, wants)}


async def _updates(
    context: Context,
    start: dict[str, Any],
    identifiers: dict[int, str],
    wants: Callable[[StreamRecord, LogEvent], bool],
) -> AsyncIterator[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    def observe(group: GroupRecord, stream: StreamRecord, events: list[LogEvent]) -> None:
        if group.id in identifiers:
            found.extend(
                _shape(identifiers[group.id], stream, event)
                for event in events
                if wants(stream, event)
            )

    observers = context.platform.logs.observers
    observers.append(observe)
    try:
        yield {"sessionStart": start}
        end = context.platform.clock.now() + _SESSION_S
        while context.platform.clock.now() < end:
            await asyncio.sleep(_UPDATE_INTERVAL_S)
            shown = found[:_UPDATE_EVENTS]
            sampled = len(found) > len(shown)
            found.clear()
            yield {
                "sessionUpdate": {
                    "sessionMetadata": {"sampled": sampled},
                    "sessionResults": shown,
                }
            }
    finally:
        observers.remove(observe)
    raise ApiError("SessionTimeoutException", "The session has expired.")


def _shape(identifier: str, stream: StreamRecord, event: LogEvent) -> dict[str, Any]:
    return {
        "logStreamName": stream.name,
        "logGroupIdentifier": identifier,
        "message": event.message,
        "timestamp": event.timestamp_ms,
        "ingestionTime": event.ingested_ms,
    }
