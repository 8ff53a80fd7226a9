"""Scheduled actions at work: they sleep on the clock and change their target's bounds."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from sagebrush.services.application_autoscaling import activities, records
from sagebrush.services.application_autoscaling.records import Schedule, Target, schedule_of
from sagebrush.services.application_autoscaling.schedules import Rate, parse
from sagebrush.services.platform import Platform

if TYPE_CHECKING:
    from sagebrush.services.application_autoscaling.scaling import Scaling

_log = logging.getLogger(__name__)


def due_after(request: dict[str, Any], created: float, now: float) -> float | None:
    """Return when a scheduled action runs next after `now`, None when never again.

    Raises:
        ScheduleError: its expression cannot be read.
    """
    schedule = parse(request["Schedule"], request.get("Timezone"))
    start = request.get("StartTime")
    moment = now
    if start is not None and not isinstance(schedule, Rate):
        # An action is due at its very StartTime, too.
        moment = max(now, start - 0.001)
    due = schedule.after(moment, created if start is None else start)
    end = request.get("EndTime")
    return None if due is None or (end is not None and due > end) else due


class Scheduling:
    """Runs scheduled actions when they are due, as long as there are any."""

    def __init__(self, platform: Platform, scaling: Scaling) -> None:
        self._platform = platform
        self._db = platform.db
        self._scaling = scaling
        self._task: asyncio.Task[None] | None = None

    def rearm(self) -> None:
        """Sleep for the action that is due next, once the caller's transaction is committed."""
        if self._task is not None:
            self._task.cancel()
        self._task = self._platform.spawn(self._run(), "scheduled actions")

    async def _run(self) -> None:
        while (due := self._next()) is not None:
            await self._platform.clock.sleep_until(due)
            now = self._platform.clock.now()
            rows = self._db.all(
                "SELECT * FROM autoscaling_schedules WHERE due <= ? ORDER BY due, id", (now,)
            )
            for row in rows:
                self._run_one(schedule_of(row), now)

    def _next(self) -> float | None:
        row = self._db.one("SELECT min(due) AS due FROM autoscaling_schedules")
        return None if row is None else row["due"]

    def _run_one(self, schedule: Schedule, now: float) -> None:
        """Run an action and note when it is due again, both or neither."""
        # What was missed while no server ran is made up for once.
        due = due_after(schedule.request, schedule.created, now)
        update = "UPDATE autoscaling_schedules SET due = ? WHERE id = ?"
        try:
            with self._db.transaction():
                self._db.execute(update, (due, schedule.id))
                target = records.target_by_id(self._db, schedule.target_id)
                if target is not None and not target.suspended["ScheduledScalingSuspended"]:
                    self._carry_out(target, schedule, now)
        except Exception:  # noqa: BLE001 - the boundary: one defect must not end all schedules
            _log.exception("the scheduled action %s failed", schedule.name)
            self._db.execute(update, (due, schedule.id))

    def _carry_out(self, target: Target, schedule: Schedule, now: float) -> None:
        action = schedule.request["ScalableTargetAction"]
        words = [
            f"{word} capacity to {action[member]}"
            for word, member in (("min", "MinCapacity"), ("max", "MaxCapacity"))
            if member in action
        ]
        told = " and ".join(words)
        minimum = action.get("MinCapacity", target.minimum)
        maximum = action.get("MaxCapacity", target.maximum)
        values: dict[str, Any] = {
            "description": f"Setting {told}",
            "cause": f"scheduled action name {schedule.name} was triggered",
            "ended": now,
        }
        if minimum > maximum:
            reason = "Maximum capacity cannot be less than minimum capacity."
            values |= {"status": "Failed", "message": f"Failed to set {told}. Reason: {reason}"}
            activities.begin(self._db, target, now, **values)
            return
        values |= {"status": "Successful", "message": f"Successfully set {told}"}
        activities.begin(self._db, target, now, **values)
        target.minimum, target.maximum = minimum, maximum
        target.unbounded = True
        records.save_target(self._db, target)
        self._scaling.bring_within_bounds(target)
