"""Scheduled actions: put, described, deleted."""

from __future__ import annotations

import uuid
from typing import Any

from sagebrush.services.application_autoscaling import records
from sagebrush.services.application_autoscaling.errors import (
    invalid,
    no_object,
    no_target,
    over_limit,
)
from sagebrush.services.application_autoscaling.paging import filters, page
from sagebrush.services.application_autoscaling.records import (
    Schedule,
    Target,
    find_target,
    schedule_of,
)
from sagebrush.services.application_autoscaling.scaling import scaling_of
from sagebrush.services.application_autoscaling.schedules import At, ScheduleError, parse
from sagebrush.services.application_autoscaling.scheduling import due_after
from sagebrush.services.platform import Context

# "Scheduled actions per scalable target": the service's quota.
_MAX_SCHEDULES = 200
_SHOWN = ("Schedule", "Timezone", "StartTime", "EndTime", "ScalableTargetAction")


def put_scheduled_action(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make a scheduled action, or change one of the same name."""
    target = find_target(context.db, context.account, context.region, request)
    if target is None:
        raise no_target(request)
    name = request["ScheduledActionName"]
    before = _find(context, target, name)
    if before is None:
        _check_new(context, target, request)
    # Start and end are deleted by a request without them; everything else stays.
    kept = {} if before is None else _without_times(before.request)
    wanted = kept | {member: request[member] for member in _SHOWN if member in request}
    _check(wanted)
    _check_times(request, wanted.get("Timezone"), context.now)
    created = context.now if before is None else before.created
    try:
        due = due_after(wanted, created, context.now)
    except ScheduleError as error:
        raise invalid(f"Invalid Schedule {wanted['Schedule']}: {error}") from None
    arn = _arn(context, target, name) if before is None else before.arn
    schedule = Schedule(0, target.id, name, arn, wanted, created, due)
    records.write_schedule(context.db, schedule)
    scaling_of(context.platform).scheduling.rearm()
    return {}


def describe_scheduled_actions(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return one page of scheduled actions."""
    clauses, values = filters(request, "ScheduledActionNames")
    columns = "autoscaling_schedules.*, namespace, resource_id, dimension"
    rows, token = page(context, request, columns, "autoscaling_schedules", clauses, values, 50)
    return {"ScheduledActions": [_described(row) for row in rows], "NextToken": token}


def delete_scheduled_action(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Delete a scheduled action."""
    target = find_target(context.db, context.account, context.region, request)
    name = request["ScheduledActionName"]
    found = None if target is None else _find(context, target, name)
    if found is None:
        raise no_object("scheduled action", name, request)
    context.db.execute("DELETE FROM autoscaling_schedules WHERE id = ?", (found.id,))
    scaling_of(context.platform).scheduling.rearm()
    return {}


def _find(context: Context, target: Target, name: str) -> Schedule | None:
    row = context.db.one(
        "SELECT * FROM autoscaling_schedules WHERE target_id = ? AND name = ?", (target.id, name)
    )
    return None if row is None else schedule_of(row)


def _check_new(context: Context, target: Target, request: dict[str, Any]) -> None:
    for member in ("Schedule", "ScalableTargetAction"):
        if member not in request:
            raise invalid(f"{member} must be specified when a scheduled action is created.")
    row = context.db.one(
        "SELECT count(*) AS number FROM autoscaling_schedules WHERE target_id = ?", (target.id,)
    )
    if row is not None and row["number"] >= _MAX_SCHEDULES:
        raise over_limit("scheduled actions of a scalable target", _MAX_SCHEDULES)


def _check(wanted: dict[str, Any]) -> None:
    action = wanted["ScalableTargetAction"]
    given = [action[member] for member in ("MinCapacity", "MaxCapacity") if member in action]
    if not given:
        raise invalid("At least one of minimum capacity and maximum capacity should be provided")
    if min(given) < 0:
        raise invalid("Minimum and maximum capacity must not be negative.")
    if sorted(given) != given:
        raise invalid("Maximum capacity cannot be less than minimum capacity.")
    start, end = wanted.get("StartTime"), wanted.get("EndTime")
    if start is not None and end is not None and start >= end:
        raise invalid("StartTime must be before EndTime.")


def _check_times(request: dict[str, Any], timezone: str | None, now: float) -> None:
    """Refuse what is over already; EC2 Auto Scaling documents so, this service says nothing.

    A StartTime may be long ago: it only bounds a recurring schedule.
    """
    try:
        schedule = parse(request["Schedule"], timezone) if "Schedule" in request else None
    except ScheduleError as error:
        raise invalid(f"Invalid Schedule {request['Schedule']}: {error}") from None
    if isinstance(schedule, At) and schedule.moment <= now:
        raise invalid(f"Schedule {request['Schedule']} is in the past.")
    if request.get("EndTime", now) < now:
        raise invalid("EndTime is in the past.")


def _without_times(request: dict[str, Any]) -> dict[str, Any]:
    return {name: request[name] for name in request if name not in ("StartTime", "EndTime")}


def _arn(context: Context, target: Target, name: str) -> str:
    resource = (
        f"scheduledAction:{uuid.uuid4()}:resource/{target.namespace}/{target.resource_id}"
        f":scheduledActionName/{name}"
    )
    return context.arn("autoscaling", resource)


def _described(row: Any) -> dict[str, Any]:
    schedule = schedule_of(row)
    return {
        "ScheduledActionName": schedule.name,
        "ScheduledActionARN": schedule.arn,
        "ServiceNamespace": row["namespace"],
        "ResourceId": row["resource_id"],
        "ScalableDimension": row["dimension"],
        "CreationTime": schedule.created,
        **schedule.request,
    }
