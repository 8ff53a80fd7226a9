"""Instances that cannot be had: only where a user has switched that fault on."""

from __future__ import annotations

from typing import Any

from sagebrush.base.errors import SagebrushError
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.jobs.errors import JobFailure

# As FailureReason of endpoints and of jobs has them.
_NONE_FOR_ENDPOINT = (
    "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error."
    " Please retry using a different ML instance type or after some time."
)
_NONE_FOR_JOB = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a"
    " different ML instance type."
)


class InsufficientCapacity(SagebrushError):
    """There are no instances for an endpoint; the message is its FailureReason."""


def require_instances(platform: Platform, account: str, endpoint: str, variant: str) -> None:
    """Return if a variant of an endpoint can have new instances.

    Raises:
        InsufficientCapacity: it cannot.
    """
    if _is_short(platform, account, f"endpoint/{endpoint}/{variant}"):
        raise InsufficientCapacity(_NONE_FOR_ENDPOINT)


def require_hosts(platform: Platform, account: str, job: str) -> None:
    """Return if `job` (`transform-job/NAME`) can have its instances.

    Raises:
        JobFailure: it cannot.
    """
    if _is_short(platform, account, job):
        raise JobFailure(_NONE_FOR_JOB)


def available(
    platform: Platform, account: str, name: str, choices: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the first of the ResourceConfigs `choices` whose instances a training job can have.

    Raises:
        JobFailure: there is none.
    """
    for resources in choices:
        types = [each["InstanceType"] for each in resources.get("InstanceGroups") or [resources]]
        if not any(_is_short(platform, account, f"training-job/{name}/{t}") for t in types):
            return resources
    raise JobFailure(_NONE_FOR_JOB)


def _is_short(platform: Platform, account: str, target: str) -> bool:
    injection = platform.injection
    return bool(injection.capacity) and bool(injection.strike(injection.capacity, account, target))
