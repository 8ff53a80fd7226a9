"""Scaling at work: alarms and schedules become activities, activities become capacities.

An alarm's action writes a trigger; a moment later, when all alarms of that moment have gone off,
they are decided upon together. The decision, its activity and the change of the resource are one
transaction: whatever dies meanwhile, nothing is scaled twice and nothing is forgotten.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, TypeVar

import orjson

from sagebrush.base.errors import ApiError
from sagebrush.engines.alarms.records import ActionError, Alarm, AlarmAction
from sagebrush.services.application_autoscaling import activities
from sagebrush.services.application_autoscaling.activities import Activity
from sagebrush.services.application_autoscaling.decisions import (
    Decision,
    Trigger,
    bounded,
    decide,
)
from sagebrush.services.application_autoscaling.quiet import QuietMetrics
from sagebrush.services.application_autoscaling.records import (
    Policy,
    Target,
    policies_of,
    policy_by_arn,
    save_target,
    target_by_id,
    target_of,
)
from sagebrush.services.application_autoscaling.scheduling import Scheduling
from sagebrush.services.platform import Platform

WORKER = "application autoscaling"
_NOT_SCALED = "Attempting to scale due to alarm triggered"
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


def scaling_of(platform: Platform) -> Scaling:
    """Return the scaling of a server; made with the first use."""
    found: Scaling | None = platform.workers.get(WORKER)
    if found is None:
        found = platform.workers[WORKER] = Scaling(platform)
    return found


class Scaling:
    """Everything that is scaled outside of requests."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._db = platform.db
        self._deciding: dict[int, asyncio.Task[None]] = {}
        self._quiet = QuietMetrics(platform)
        self.scheduling = Scheduling(platform, self)

    def resume(self) -> None:
        """Go on with the activities and triggers that rows tell of."""
        for activity in activities.under_way(self._db):
            self._follow_later(activity)
        for row in self._db.all(
            "SELECT DISTINCT target_id FROM autoscaling_triggers"
            " JOIN autoscaling_policies ON autoscaling_policies.id = policy_id"
        ):
            self._decide_later(row["target_id"])
        for row in self._db.all("SELECT * FROM autoscaling_targets WHERE unbounded"):
            self._bound_later(target_of(row))
        if self._db.one("SELECT 1 FROM autoscaling_schedules WHERE due IS NOT NULL LIMIT 1"):
            self.scheduling.rearm()

    def act(self, action: AlarmAction) -> None:
        """Note that an alarm has invoked a policy; joins the transaction of the action.

        Raises:
            ActionError: there is no such policy, or the alarm tells no data points.
        """
        policy = policy_by_arn(self._db, action.arn)
        if policy is None:
            raise ActionError(f"there is no scaling policy {action.arn}")
        configuration = action.alarm.configuration
        self._db.execute(
            "INSERT INTO autoscaling_triggers (policy_id, alarm, state, points, threshold, above)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                policy.id,
                action.alarm.name,
                action.alarm.state,
                orjson.dumps(_points(action.alarm)).decode(),
                configuration["Threshold"],
                configuration["ComparisonOperator"].startswith("Greater"),
            ),
        )
        self._decide_later(policy.target_id)

    def bring_within_bounds(self, target: Target) -> None:
        """Give a resource a capacity within its target's bounds; joins the transaction.

        One that something is under way for is left as it is; an `unbounded` one gets it then.
        """
        adapter = self._platform.capacities.of(target.dimension)
        scalable = adapter.find(*target.place) if adapter is not None else None
        if scalable is None:
            return
        if not scalable.active:
            if target.unbounded:
                self._bound_later(target)
            return
        if target.unbounded:
            target.unbounded = False
            save_target(self._db, target)
        before = scalable.desired
        capacity = bounded(target, scalable, before)
        if capacity > before:
            cause = f"minimum capacity was set to {target.minimum}"
            self._begin(target, capacity, before, cause, None)
        elif capacity < before:
            cause = f"maximum capacity was set to {target.maximum}"
            self._begin(target, capacity, before, cause, None)

    def _bound_later(self, target: Target) -> None:
        self._platform.spawn(self._bound(target), f"bounds of {target.resource_id}")

    async def _bound(self, target: Target) -> None:
        """Bring a resource within bounds once nothing is under way for it any more."""
        adapter = _only(self._platform.capacities.of(target.dimension))
        await adapter.settled(*target.place)
        with self._db.transaction():
            current = target_by_id(self._db, target.id)
            if current is not None and current.unbounded:
                self.bring_within_bounds(current)

    def _decide_later(self, target_id: int) -> None:
        if target_id not in self._deciding:
            task = self._platform.spawn(self._decide(target_id), f"scaling of target {target_id}")
            self._deciding[target_id] = task
            task.add_done_callback(lambda _: self._deciding.pop(target_id, None))

    async def _decide(self, target_id: int) -> None:
        # All alarms of a moment are delivered without a pause: what this one began is over.
        self._deciding.pop(target_id, None)
        try:
            with self._db.transaction():
                self._decide_now(target_id)
        except Exception:  # noqa: BLE001 - the boundary: the next minute asks again
            _log.exception("a decision on scaling failed")

    def _decide_now(self, target_id: int) -> None:
        target = target_by_id(self._db, target_id)
        if target is None:
            return
        policies = policies_of(self._db, target)
        triggers = self._take_triggers(policies)
        adapter = self._platform.capacities.of(target.dimension)
        scalable = adapter.find(*target.place) if adapter is not None else None
        if scalable is None or not triggers:
            return
        now = self._platform.clock.now()
        decision = decide(target, scalable, policies, triggers, now)
        if decision is None:
            return
        if decision.capacity is None:
            self._note_not_scaled(target, decision)
        else:
            cause = decision.trigger.cause
            self._begin(target, decision.capacity, scalable.desired, cause, decision.cooldown_s)

    def _take_triggers(self, known: list[Policy]) -> list[Trigger]:
        policies = {policy.id: policy for policy in known}
        marks = ", ".join("?" * len(policies))
        rows = self._db.all(
            f"DELETE FROM autoscaling_triggers WHERE policy_id IN ({marks}) RETURNING *",
            tuple(policies),
        )
        return [
            Trigger(
                policies[row["policy_id"]],
                row["alarm"],
                row["state"],
                orjson.loads(row["points"]),
                row["threshold"],
                bool(row["above"]),
            )
            for row in sorted(rows, key=lambda row: int(row["id"]))
        ]

    def _note_not_scaled(self, target: Target, decision: Decision) -> None:
        """Tell why nothing was scaled, once for as long as it is the same."""
        reasons = [decision.reason]
        cause = decision.trigger.cause
        last = activities.latest(self._db, target)
        if last is not None and (last.reasons, last.cause) == (reasons, cause):
            return
        now = self._platform.clock.now()
        told = {"description": _NOT_SCALED, "cause": cause, "reasons": reasons}
        activities.begin(self._db, target, now, status="Failed", ended=now, **told)

    def _begin(
        self, target: Target, capacity: int, before: int, cause: str, cooldown_s: int | None
    ) -> None:
        """Begin to give a resource a capacity, within the caller's transaction."""
        adapter = _only(self._platform.capacities.of(target.dimension))
        now = self._platform.clock.now()
        activity = activities.begin(
            self._db,
            target,
            now,
            description=f"Setting {adapter.noun} to {capacity}.",
            cause=cause,
            status=activities.IN_PROGRESS,
            capacity=capacity,
            before=before,
            cooldown_s=cooldown_s,
        )
        if capacity > before and cooldown_s is not None:
            # "In this case, the scale-in cooldown period stops and doesn't complete."
            target.in_until = 0.0
            save_target(self._db, target)
        try:
            adapter.set(*target.place, capacity)
        except ApiError as error:
            reason = (
                f"{error.message} (Service: {adapter.service}; Status Code: {error.status or 400};"
                f" Error Code: {error.code}; Request ID: {activity.activity_id})."
            )
            self._end(activity, adapter.noun, reason)
            return
        self._follow_later(activity)

    def _follow_later(self, activity: Activity) -> None:
        self._platform.spawn(self._follow(activity), f"scaling of {activity.resource_id}")

    async def _follow(self, activity: Activity) -> None:
        """See an activity to its end."""
        adapter = _only(self._platform.capacities.of(activity.dimension))
        place = activity.account, activity.region, activity.resource_id
        reason = await adapter.settled(*place)
        with self._db.transaction():
            scalable = adapter.find(*place)
            if scalable is None:
                reason = "the resource does not exist any more."
            elif reason is None and scalable.current != activity.capacity:
                reason = f"the capacity is {scalable.current}."
            self._end(activity, adapter.noun, reason)

    def _end(self, activity: Activity, noun: str, reason: str | None) -> None:
        now = self._platform.clock.now()
        if reason is not None:
            told = f"Failed to set {noun} to {activity.capacity}. Reason: {reason}"
            activities.end(self._db, activity, now, "Failed", told)
            return
        told = (
            f"Successfully set {noun} to {activity.capacity}. Change successfully fulfilled by"
            f" {activity.namespace}."
        )
        activities.end(self._db, activity, now, "Successful", told)
        self._cool_down(activity, now)

    def _cool_down(self, activity: Activity, now: float) -> None:
        """Begin the cooldown period after an activity of a policy."""
        row = self._db.one(
            "SELECT id FROM autoscaling_targets WHERE account = ? AND region = ?"
            " AND resource_id = ? AND dimension = ?",
            (activity.account, activity.region, activity.resource_id, activity.dimension),
        )
        target = None if row is None else target_by_id(self._db, row["id"])
        if target is None or activity.cooldown_s is None:
            return
        if _only(activity.capacity) > _only(activity.before):
            if activity.started >= target.out_until:
                target.out_base = _only(activity.before)
            target.out_until = now + activity.cooldown_s
        else:
            target.in_until = now + activity.cooldown_s
        save_target(self._db, target)


def _points(alarm: Alarm) -> list[float]:
    """Return the data points that an alarm's state follows from, oldest first."""
    try:
        data: Any = orjson.loads(alarm.reason_data or "{}")
        points = [float(value) for value in data["recentDatapoints"] if value is not None]
    except (ValueError, TypeError, KeyError):
        points = []
    if not points:
        raise ActionError(
            f"alarm {alarm.name} tells no recentDatapoints in its StateReasonData to scale by"
        )
    return points[-int(alarm.configuration["EvaluationPeriods"]) :]


def _only(value: _T | None) -> _T:
    """Return what is there: a row says so."""
    assert value is not None
    return value
