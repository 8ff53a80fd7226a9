"""Forgetting targets and policies, with the alarms that were made for them."""

from __future__ import annotations

from sagebrush.services.application_autoscaling.records import (
    Policy,
    Target,
    policies_of,
    target_of,
)
from sagebrush.services.platform import Platform


def remove(platform: Platform, target: Target) -> None:
    """Forget a target with everything it has; joins the transaction."""
    for policy in policies_of(platform.db, target):
        remove_policy(platform, target, policy)
    platform.db.execute("DELETE FROM autoscaling_targets WHERE id = ?", (target.id,))


def remove_policy(platform: Platform, target: Target, policy: Policy) -> None:
    """Forget a policy and delete the alarms made for it; joins the transaction."""
    platform.alarms.delete(target.account, target.region, policy.alarms)
    platform.db.execute("DELETE FROM autoscaling_policies WHERE id = ?", (policy.id,))


def remove_gone(platform: Platform, account: str, region: str, prefix: str) -> None:
    """Forget the targets of a resource that is given up (endpoint-scaling.md)."""
    rows = platform.db.all(
        "SELECT * FROM autoscaling_targets WHERE account = ? AND region = ?"
        " AND substr(resource_id || '/', 1, ?) = ?",
        (account, region, len(prefix), prefix),
    )
    for row in rows:
        remove(platform, target_of(row))
