"""Rows: scalable targets, policies, scheduled actions. Times are epoch seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from sagebrush.base.arns import Arn, partition_of
from sagebrush.store.database import Database, Row

TARGET_TRACKING = "TargetTrackingScaling"
STEP = "StepScaling"


@dataclass(slots=True)
class Target:
    """A scalable target; `out_until` and `in_until` are the ends of its cooldown periods.

    `out_base` is the capacity before the scale-out that the first of them follows. `unbounded` is
    one whose resource still has to be brought within its bounds.
    """

    id: int
    account: str
    region: str
    namespace: str
    resource_id: str
    dimension: str
    token: str
    minimum: int
    maximum: int
    role: str
    suspended: dict[str, bool]
    tags: dict[str, str]
    created: float
    out_until: float = 0.0
    out_base: int = 0
    in_until: float = 0.0
    unbounded: bool = False

    @property
    def arn(self) -> str:
        """The target's ARN."""
        partition = partition_of(self.region)
        resource = f"scalable-target/{self.token}"
        parts = (partition, "application-autoscaling", self.region, self.account, resource)
        return str(Arn(*parts))

    @property
    def place(self) -> tuple[str, str, str]:
        """What its adapter is asked for: account, region, resource id."""
        return self.account, self.region, self.resource_id


@dataclass(slots=True)
class Policy:
    """A scaling policy; `configuration` is that of its kind as it came."""

    id: int
    target_id: int
    name: str
    arn: str
    kind: str
    configuration: dict[str, Any]
    alarms: list[str]
    created: float


@dataclass(slots=True)
class Schedule:
    """A scheduled action; `request` is PutScheduledAction's, `due` None when it is over."""

    id: int
    target_id: int
    name: str
    arn: str
    request: dict[str, Any]
    created: float
    due: float | None


def find_target(db: Database, account: str, region: str, request: dict[str, Any]) -> Target | None:
    """Return the target that a request names, or None."""
    names = ("ServiceNamespace", "ResourceId", "ScalableDimension")
    row = db.one(
        "SELECT * FROM autoscaling_targets WHERE account = ? AND region = ? AND namespace = ?"
        " AND resource_id = ? AND dimension = ?",
        (account, region, *(request[name] for name in names)),
    )
    return None if row is None else target_of(row)


def target_by_id(db: Database, target_id: int) -> Target | None:
    """Return a target, or None when it has been deregistered."""
    row = db.one("SELECT * FROM autoscaling_targets WHERE id = ?", (target_id,))
    return None if row is None else target_of(row)


def target_of(row: Row) -> Target:
    """Return the target of a row."""
    values = dict(row)
    for name in ("suspended", "tags"):
        values[name] = orjson.loads(values[name])
    values["unbounded"] = bool(values["unbounded"])
    return Target(**values)


def insert_target(db: Database, target: Target) -> int:
    """Add a target; return its id."""
    row = db.one(
        "INSERT INTO autoscaling_targets (account, region, namespace, resource_id, dimension,"
        " token, minimum, maximum, role, suspended, tags, created)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            *(target.account, target.region, target.namespace, target.resource_id),
            *(target.dimension, target.token, target.minimum, target.maximum, target.role),
            *(_text(target.suspended), _text(target.tags), target.created),
        ),
    )
    assert row is not None
    return int(row["id"])


def save_target(db: Database, target: Target) -> None:
    """Write back what can change."""
    db.execute(
        "UPDATE autoscaling_targets SET minimum = ?, maximum = ?, role = ?, suspended = ?,"
        " tags = ?, out_until = ?, out_base = ?, in_until = ?, unbounded = ?"
        " WHERE id = ?",
        (
            *(target.minimum, target.maximum, target.role, _text(target.suspended)),
            *(_text(target.tags), target.out_until, target.out_base, target.in_until),
            *(target.unbounded, target.id),
        ),
    )


def policies_of(db: Database, target: Target) -> list[Policy]:
    """Return the policies of a target."""
    rows = db.all("SELECT * FROM autoscaling_policies WHERE target_id = ?", (target.id,))
    return [policy_of(row) for row in rows]


def policy_by_arn(db: Database, arn: str) -> Policy | None:
    """Return a policy, or None."""
    row = db.one("SELECT * FROM autoscaling_policies WHERE arn = ?", (arn,))
    return None if row is None else policy_of(row)


def policy_of(row: Row) -> Policy:
    """Return the policy of a row, which may have more columns."""
    return Policy(
        row["id"],
        row["target_id"],
        row["name"],
        row["arn"],
        row["kind"],
        orjson.loads(row["configuration"]),
        orjson.loads(row["alarms"]),
        row["created"],
    )


def write_policy(db: Database, policy: Policy) -> None:
    """Add a policy, or write one of the same name anew."""
    db.execute(
        "INSERT INTO autoscaling_policies (target_id, name, arn, kind, configuration, alarms,"
        " created) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (target_id, name) DO UPDATE"
        " SET configuration = excluded.configuration, alarms = excluded.alarms",
        (
            *(policy.target_id, policy.name, policy.arn, policy.kind),
            *(_text(policy.configuration), _text(policy.alarms), policy.created),
        ),
    )


def schedule_of(row: Row) -> Schedule:
    """Return the scheduled action of a row, which may have more columns."""
    return Schedule(
        row["id"],
        row["target_id"],
        row["name"],
        row["arn"],
        orjson.loads(row["request"]),
        row["created"],
        row["due"],
    )


def write_schedule(db: Database, schedule: Schedule) -> None:
    """Add a scheduled action, or write one of the same name anew."""
    db.execute(
        "INSERT INTO autoscaling_schedules (target_id, name, arn, request, created, due)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (target_id, name) DO UPDATE"
        " SET request = excluded.request, due = excluded.due",
        (
            *(schedule.target_id, schedule.name, schedule.arn, _text(schedule.request)),
            *(schedule.created, schedule.due),
        ),
    )


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()
