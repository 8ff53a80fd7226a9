"""Rows of scaling activities: what was scaled, why, and how it went."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import orjson

from sagebrush.services.application_autoscaling.records import Target
from sagebrush.store.database import Database, Row

IN_PROGRESS = "InProgress"
# "Descriptive information about the scaling activities from the previous six weeks."
_KEPT_S = 42 * 86_400.0


@dataclass(slots=True)
class Activity:
    """One activity; `reasons` says why nothing was scaled, if nothing was.

    `capacity` is what the resource shall get, `before` what it had; `cooldown_s` is what begins
    with its end, None without a cooldown period.
    """

    id: int
    activity_id: str
    account: str
    region: str
    namespace: str
    resource_id: str
    dimension: str
    description: str
    cause: str
    started: float
    ended: float | None
    status: str
    message: str | None
    reasons: list[dict[str, Any]] | None = None
    capacity: int | None = None
    before: int | None = None
    cooldown_s: int | None = None


def begin(db: Database, target: Target, now: float, **values: Any) -> Activity:
    """Add an activity of a target that begins now; old ones are forgotten."""
    given = (0, str(uuid.uuid4()), target.account, target.region, target.namespace)
    activity = Activity(
        *given,
        resource_id=target.resource_id,
        dimension=target.dimension,
        started=now,
        **({"ended": None, "message": None} | values),
    )
    columns = [name for name in Activity.__slots__ if name != "id"]
    row = db.one(
        f"INSERT INTO autoscaling_activities ({', '.join(columns)})"
        f" VALUES ({', '.join('?' * len(columns))}) RETURNING id",
        [_stored(getattr(activity, name)) for name in columns],
    )
    assert row is not None
    activity.id = row["id"]
    db.execute("DELETE FROM autoscaling_activities WHERE started < ?", (now - _KEPT_S,))
    return activity


def end(db: Database, activity: Activity, now: float, status: str, message: str) -> None:
    """Write how an activity went."""
    activity.status, activity.message, activity.ended = status, message, now
    db.execute(
        "UPDATE autoscaling_activities SET status = ?, message = ?, ended = ? WHERE id = ?",
        (status, message, now, activity.id),
    )


def latest(db: Database, target: Target) -> Activity | None:
    """Return the last activity of a target."""
    row = db.one(
        "SELECT * FROM autoscaling_activities WHERE account = ? AND region = ? AND namespace = ?"
        " AND resource_id = ? AND dimension = ? ORDER BY id DESC LIMIT 1",
        (target.account, target.region, target.namespace, target.resource_id, target.dimension),
    )
    return None if row is None else activity_of(row)


def under_way(db: Database) -> list[Activity]:
    """Return the activities that have not ended."""
    rows = db.all("SELECT * FROM autoscaling_activities WHERE status = ?", (IN_PROGRESS,))
    return [activity_of(row) for row in rows]


def activity_of(row: Row) -> Activity:
    """Return the activity of a row."""
    values = dict(row)
    if values["reasons"] is not None:
        values["reasons"] = orjson.loads(values["reasons"])
    return Activity(**values)


def _stored(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, list) else value
