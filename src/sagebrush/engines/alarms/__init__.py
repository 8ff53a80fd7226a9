"""Alarms: states that follow metrics or other alarms, and actions when a state changes."""

from sagebrush.engines.alarms.alarms import Alarms
from sagebrush.engines.alarms.records import (
    ALARM,
    COMPOSITE,
    INSUFFICIENT_DATA,
    METRIC,
    OK,
    ActionError,
    Alarm,
    AlarmAction,
    HistoryItem,
    Transition,
)

__all__ = [
    "ALARM",
    "COMPOSITE",
    "INSUFFICIENT_DATA",
    "METRIC",
    "OK",
    "ActionError",
    "Alarm",
    "AlarmAction",
    "Alarms",
    "HistoryItem",
    "Transition",
]
