"""Declares the service: its resource files, its tables and what scales beside the handlers.

What scales is loaded with the first target, or at server start where rows ask for it.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from sagebrush.services.declaration import Service
from sagebrush.services.platform import Platform

if TYPE_CHECKING:
    from sagebrush.engines.alarms import AlarmAction

_FOLDER = "sagebrush.services.application_autoscaling"
_RESOURCES = (
    "scalable_targets",
    "scaling_activities",
    "scaling_policies",
    "scheduled_actions",
    "target_tags",
)
_LEFT_TO_DO = (
    "SELECT EXISTS (SELECT 1 FROM autoscaling_targets)"
    " OR EXISTS (SELECT 1 FROM autoscaling_activities WHERE status = 'InProgress')"
)


async def _start(platform: Platform) -> None:
    platform.alarms.actions["autoscaling"] = functools.partial(_act, platform)
    platform.capacities.on_gone.append(functools.partial(_gone, platform))
    platform.capacities.is_scaled = functools.partial(_is_scaled, platform)
    row = platform.db.one(_LEFT_TO_DO)
    if row is not None and row[0]:
        from sagebrush.services.application_autoscaling.scaling import scaling_of

        scaling_of(platform).resume()


def _act(platform: Platform, action: AlarmAction) -> None:
    """Carry out an alarm's action on a scaling policy."""
    from sagebrush.services.application_autoscaling.scaling import scaling_of

    scaling_of(platform).act(action)


def _gone(platform: Platform, account: str, region: str, prefix: str) -> None:
    """Forget the targets of a resource that is given up."""
    from sagebrush.services.application_autoscaling.removal import remove_gone

    remove_gone(platform, account, region, prefix)


def _is_scaled(platform: Platform, account: str, region: str, resource_id: str) -> bool:
    row = platform.db.one(
        "SELECT 1 FROM autoscaling_targets WHERE account = ? AND region = ? AND resource_id = ?",
        (account, region, resource_id),
    )
    return row is not None


SERVICE = Service(
    name="application-autoscaling",
    modules=tuple(f"{_FOLDER}.{resource}" for resource in _RESOURCES),
    migrations=Path(__file__).parent / "migrations",
    start=_start,
)
