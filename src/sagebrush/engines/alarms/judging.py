"""What state follows from data points, some of which may be missing.

The rules and their tables: CloudWatch User Guide, "Configuring how CloudWatch alarms treat missing
data". A point is True when it breaches the threshold, False when it does not, None when missing.
"""

from __future__ import annotations

from collections.abc import Sequence

from sagebrush.engines.alarms.records import ALARM, INSUFFICIENT_DATA, OK

Points = Sequence[bool | None]

# How many periods more than an alarm needs are looked at, in case some of the newest are missing.
EXTRA_PERIODS = 2


def judge(points: Points, needed: int, to_alarm: int, treatment: str) -> str | None:
    """Return the state that follows from `points` (oldest first); None keeps the present one.

    `needed` is N and `to_alarm` is M of "M out of N"; `treatment` is how missing points count:
    `missing`, `ignore`, `breaching` or `notBreaching`.
    """
    real = [point for point in points if point is not None]
    if len(real) >= needed:
        return ALARM if sum(real[-needed:]) >= to_alarm else OK
    breaching = sum(real)
    if treatment == "breaching":
        breaching += needed - len(real)
    if breaching >= to_alarm:
        return ALARM
    if treatment in ("breaching", "notBreaching") or not all(real):
        return OK
    if treatment == "ignore":
        return None
    if not real:
        return INSUFFICIENT_DATA
    return ALARM if _is_old_enough(points, to_alarm) else OK


def _is_old_enough(points: Points, to_alarm: int) -> bool:
    """Return whether the oldest point, when all there are breach, is as old as M periods."""
    oldest = next(index for index, point in enumerate(points) if point is not None)
    return len(points) - oldest >= to_alarm
