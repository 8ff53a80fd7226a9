"""Zeros for quiet minutes: what a resource's metrics are while nothing happens.

"If a variant's traffic becomes zero, SageMaker emits metrics with a value of zero": that lets the
low alarm of a policy see that there is none. They are filled in when metrics are read.
"""

from __future__ import annotations

from dataclasses import replace

from sagebrush.services.application_autoscaling.records import Target, target_of
from sagebrush.services.capacities import Quiet
from sagebrush.services.platform import Platform

_MINUTE_S = 60
# The longest an alarm of a policy looks back, and the minutes it takes along beside.
_MAX_MINUTES = 20


class QuietMetrics:
    """Fills in zeros for the resources that have scaling policies."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        # While no server ran nothing was quiet: nobody could ask.
        self._filled = int(platform.clock.now() // _MINUTE_S)
        platform.metrics.before_read.append(self.fill)

    def fill(self) -> None:
        """Store a zero for each whole minute without data, once in a minute."""
        minute = int(self._platform.clock.now() // _MINUTE_S)
        if minute <= self._filled:
            return
        begin, self._filled = max(self._filled, minute - _MAX_MINUTES), minute
        for store in self._platform.metrics.before_read:
            # What has been counted and not been stored was not quiet.
            if store != self.fill:
                store()
        with self._platform.db.transaction():
            rows = self._platform.db.all(
                "SELECT * FROM autoscaling_targets WHERE EXISTS (SELECT 1 FROM"
                " autoscaling_policies WHERE target_id = autoscaling_targets.id)"
            )
            for row in rows:
                target = target_of(row)
                first = max(begin, int(target.created // _MINUTE_S) + 1)
                self._fill_target(target, first, minute)

    def _fill_target(self, target: Target, first: int, last: int) -> None:
        adapter = self._platform.capacities.of(target.dimension)
        if adapter is None or first >= last:
            return
        for quiet in adapter.quiet(*target.place):
            self._fill_metric(target, quiet, first, last)

    def _fill_metric(self, target: Target, quiet: Quiet, first: int, last: int) -> None:
        metrics = self._platform.metrics
        place = target.account, target.region, quiet.namespace
        told = metrics.statistics(
            *place,
            quiet.datum.name,
            quiet.datum.dimensions,
            start=first * _MINUTE_S,
            end=last * _MINUTE_S,
            period_s=_MINUTE_S,
        )
        known = {int(bucket.time // _MINUTE_S) for bucket in told}
        silent = [minute for minute in range(first, last) if minute not in known]
        data = [replace(quiet.datum, timestamp=float(minute * _MINUTE_S)) for minute in silent]
        metrics.put(*place, data)
