"""The steps in which a deployment leads traffic to the new fleet, as its configuration says.

Everything is told in shares of a variant's capacity, from 0 to 1. A share that is no whole number
of instances exists only where a variant has a single one: its requests are split instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

Policy = Mapping[str, Any]
"""A DeploymentConfig; empty for the default: all at once, nothing to wait for."""

_ROUNDING = 1e-9


class Stage(NamedTuple):
    """A step: how much of each new variant takes traffic in it, and how long it is watched.

    `waits_for` is the member of the configuration that says so, `extent` how AWS calls the step.
    """

    shares: dict[str, float]
    wait_s: float
    waits_for: str
    extent: str


def is_rolling(policy: Policy) -> bool:
    """Whether old instances go in the same batches that new ones come in."""
    return "RollingUpdatePolicy" in policy


def stages_of(policy: Policy, counts: Mapping[str, int]) -> list[Stage]:
    """Return the steps for variants of so many instances; all of it is shifted with the last."""
    if is_rolling(policy):
        rolling = policy["RollingUpdatePolicy"]
        wait_s = rolling["WaitIntervalInSeconds"]
        shares = _steps(rolling["MaximumBatchSize"], counts)
        return [Stage(each, wait_s, "WaitIntervalInSeconds", "batch capacity") for each in shares]
    blue_green = policy.get("BlueGreenUpdatePolicy", {})
    routing = blue_green.get("TrafficRoutingConfiguration", {"Type": "ALL_AT_ONCE"})
    last = Stage(
        dict.fromkeys(counts, 1.0),
        blue_green.get("TerminationWaitInSeconds", 0),
        "TerminationWaitInSeconds",
        "full capacity",
    )
    if routing["Type"] == "ALL_AT_ONCE":
        return [last]
    size = routing["CanarySize" if routing["Type"] == "CANARY" else "LinearStepSize"]
    extent = "canary capacity" if routing["Type"] == "CANARY" else "linear step capacity"
    before = _steps(size, counts)[:-1]
    if routing["Type"] == "CANARY":
        before = before[:1]
    wait_s = routing["WaitIntervalInSeconds"]
    return [Stage(each, wait_s, "WaitIntervalInSeconds", extent) for each in before] + [last]


def rollback_share(policy: Policy, share: float, count: int) -> float:
    """Return how much of an old variant of `count` instances serves after the next batch back."""
    size = policy.get("RollingUpdatePolicy", {}).get("RollbackMaximumBatchSize")
    if size is None:
        return 1.0
    return _bounded(share + _portion(size, count))


def instances(share: float, count: int) -> int:
    """Return how many of `count` instances it takes to serve a share of their requests."""
    return math.ceil(share * count - _ROUNDING)


def _steps(size: Mapping[str, Any], counts: Mapping[str, int]) -> list[dict[str, float]]:
    """Return growing shares by variant, until every variant is whole."""
    portions = {name: _portion(size, count) for name, count in counts.items()}
    number = max(math.ceil(1 / portion - _ROUNDING) for portion in portions.values())
    return [
        {name: _bounded(step * portion) for name, portion in portions.items()}
        for step in range(1, number + 1)
    ]


def _portion(size: Mapping[str, Any], count: int) -> float:
    """Return a size as a share of `count` instances: whole ones, at least one of them."""
    value: int = size["Value"]
    if size["Type"] == "CAPACITY_PERCENT":
        if count <= 1:
            return min(value / 100, 1.0)
        value = max(1, math.floor(count * value / 100 + _ROUNDING))
    return min(value / count, 1.0) if count else 1.0


def _bounded(share: float) -> float:
    return 1.0 if share > 1 - _ROUNDING else share
