"""Alarms: states that follow metrics or other alarms, and actions when a state changes.

All but the front is imported when it is first needed: a server without alarms starts without it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sagebrush.engines.alarms.alarms import Alarms

if TYPE_CHECKING:
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


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(name)
    return getattr(importlib.import_module("sagebrush.engines.alarms.records"), name)
