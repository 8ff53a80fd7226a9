"""Log groups, streams and events: appended in bulk, read by time and position, expired."""

from sagebrush.engines.logs.errors import (
    GroupExists,
    GroupNotFound,
    LogStoreError,
    StreamExists,
    StreamNotFound,
)
from sagebrush.engines.logs.reading import EventKey, FilterPage, filter_events
from sagebrush.engines.logs.records import GroupRecord, LogEvent, StreamRecord
from sagebrush.engines.logs.store import LogStore

__all__ = [
    "EventKey",
    "FilterPage",
    "GroupExists",
    "GroupNotFound",
    "GroupRecord",
    "LogEvent",
    "LogStore",
    "LogStoreError",
    "StreamExists",
    "StreamNotFound",
    "StreamRecord",
    "filter_events",
]
