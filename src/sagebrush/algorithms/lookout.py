"""Looking for the next request of a client that asks alone, instead of sleeping until it comes.

To fall asleep and to be woken costs both sides tens of microseconds, on virtual machines more than
most predictions. So once a client has sent many requests one right after the other and nobody else
has sent any, the server looks for the next one itself, for a moment. It offers its processor to
whoever can use it between two looks, and a pause ends it: a server that is asked now and then
sleeps as ever.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

# So many requests in a row, none of which was waited for longer than this.
_SUCCESSIVE = 16
_LONGEST_PAUSE_S = 0.0005
# How long nothing comes before the server sleeps.
_LOOK_S = 0.0003
# Every so many looks it is seen to that nobody else has come.
_LOOKS = 16
# What a container's control group allows, in microseconds of processor time per period.
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def processors() -> float:
    """How many processors this process may use up; 1 where that is not known."""
    if not hasattr(os, "sched_getaffinity"):
        return 1
    count = len(os.sched_getaffinity(0))
    try:
        quota, period = _QUOTA.read_text().split()
        return count if quota == "max" else min(count, int(quota) / int(period))
    except (OSError, ValueError):
        return count


class Client(Protocol):
    """A connection that is looked at."""

    @property
    def listens(self) -> bool:
        """Whether the next request may be read."""

    def receive(self) -> bool:
        """Whether something has come; then it is answered."""


class Lookout:
    """Who asks alone."""

    def __init__(self) -> None:
        self._client: Client | None = None
        self._successive = 0
        self._looks = 0
        # Who asks could not run while the only processor is taken up with looking.
        self._works = processors() > 1

    def note(self, client: Client | None, waited_s: float) -> None:
        """Take note of who asked last, None where several did, and how long after the answer."""
        if client is None or client is not self._client or waited_s > _LONGEST_PAUSE_S:
            self._client, self._successive = client, 0
        else:
            self._successive += 1

    def attend(self, others: Callable[[], bool]) -> None:
        """Answer the client that asks alone until it pauses, or ``others`` says that some came."""
        if self._successive < _SUCCESSIVE or not self._works:
            return
        client, clock, offer = self._client, time.perf_counter, os.sched_yield
        assert client is not None
        until = clock() + _LOOK_S
        while client.listens and clock() < until:
            self._looks += 1
            if self._looks % _LOOKS == 0 and others():
                break
            if client.receive():
                until = clock() + _LOOK_S
            else:
                offer()
        self._successive = 0
