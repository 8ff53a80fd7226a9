"""Instances that cannot be had: only where a user has switched that fault on."""

from __future__ import annotations

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
    """Return if `job` (`training-job/NAME`, `transform-job/NAME`) can have its instances.

    Raises:
        JobFailure: it cannot.
    """
    if _is_short(platform, account, job):
        raise JobFailure(_NONE_FOR_JOB)


def _is_short(platform: Platform, account: str, target: str) -> bool:
    injection = platform.injection
    return bool(injection.capacity) and bool(injection.strike(injection.capacity, account, target))
