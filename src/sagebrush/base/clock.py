"""The one source of time, so that a test can set it.

Everything inside uses epoch seconds as float; the wire formats them at the edge.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Anything that tells epoch seconds."""

    def now(self) -> float:
        """Return the current time in epoch seconds."""


class SystemClock:
    """Real time."""

    def now(self) -> float:
        """Return the current time in epoch seconds."""
        return time.time()


class ManualClock:
    """A clock that moves only when told, for tests."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start

    def now(self) -> float:
        """Return the time last set."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds`."""
        self._now += seconds
