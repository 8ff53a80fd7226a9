"""The one source of time, so that a test can set it, and the one way to wait for it.

Everything inside uses epoch seconds as float; the wire formats them at the edge. What is a user's
waiting (bake times, cooldowns, alarm periods, schedules) sleeps on the clock; what is the machine's
(timeouts of sockets, pauses between pings) sleeps on the event loop.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from typing import Protocol


class Clock(Protocol):
    """Anything that tells epoch seconds and lets wait for them."""

    def now(self) -> float:
        """Return the current time in epoch seconds."""

    async def sleep_until(self, moment: float) -> None:
        """Return once the clock says `moment` (epoch seconds) or later; at once if it does."""


class SystemClock:
    """Real time."""

    def now(self) -> float:
        """Return the current time in epoch seconds."""
        return time.time()

    async def sleep_until(self, moment: float) -> None:
        """Return once the clock says `moment` (epoch seconds) or later; at once if it does."""
        # Asked again after each sleep: the machine's clock may have been set meanwhile.
        while (left_s := moment - time.time()) > 0:  # noqa: ASYNC110 - no event tells the time
            await asyncio.sleep(left_s)


class ManualClock:
    """A clock that moves only when told, for tests."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start
        self._numbers = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        """Return the time last set."""
        return self._now

    async def sleep_until(self, moment: float) -> None:
        """Return once the clock has been advanced to `moment` or later; at once if it has."""
        if moment > self._now:
            woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._sleepers, (moment, next(self._numbers), woken))
            await woken

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds` and wake whoever waited for a moment up to then."""
        self._now += seconds
        while self._sleepers and self._sleepers[0][0] <= self._now:
            woken = heapq.heappop(self._sleepers)[2]
            if not woken.done():
                woken.set_result(None)
