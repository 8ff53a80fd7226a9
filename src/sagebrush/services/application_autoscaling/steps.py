"""Step scaling: which step an alarm's breach falls into, and what capacity follows.

Rules: StepAdjustment and StepScalingPolicyConfiguration in the API reference, and the user guide's
page "Step scaling policies". Bounds are differences to the alarm's threshold; null is infinity.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from sagebrush.services.application_autoscaling.errors import invalid

# "You can't have more than 20 step adjustments": the service's quota.
MAX_STEPS = 20


def bounds(step: dict[str, Any]) -> tuple[float, float]:
    """Return the lower and the upper bound of a step adjustment."""
    lower = step.get("MetricIntervalLowerBound")
    upper = step.get("MetricIntervalUpperBound")
    return (-math.inf if lower is None else lower, math.inf if upper is None else upper)


def check_steps(configuration: dict[str, Any]) -> None:
    """Refuse a step scaling configuration that breaks a rule.

    Raises:
        ApiError: ValidationException.
    """
    for name in ("AdjustmentType", "StepAdjustments"):
        if not configuration.get(name):
            raise invalid(f"{name} must be specified in StepScalingPolicyConfiguration.")
    steps = configuration["StepAdjustments"]
    if len(steps) > MAX_STEPS:
        raise invalid(f"A policy can have at most {MAX_STEPS} step adjustments.")
    kind = configuration["AdjustmentType"]
    if "MinAdjustmentMagnitude" in configuration and kind != "PercentChangeInCapacity":
        raise invalid(
            "MinAdjustmentMagnitude can only be specified with AdjustmentType"
            " PercentChangeInCapacity."
        )
    if configuration.get("Cooldown", 0) < 0:
        raise invalid("Cooldown must not be negative.")
    if kind == "ExactCapacity" and any(step["ScalingAdjustment"] < 0 for step in steps):
        raise invalid("ScalingAdjustment must not be negative with AdjustmentType ExactCapacity.")
    _check_intervals(steps)


def _check_intervals(steps: Sequence[dict[str, Any]]) -> None:
    intervals = sorted(bounds(step) for step in steps)
    for lower, upper in intervals:
        if lower == -math.inf and upper == math.inf and len(steps) > 1:
            raise invalid("The upper and lower bound can't be null in the same step adjustment.")
        if math.isnan(lower) or math.isnan(upper) or lower >= upper:
            raise invalid("The upper bound of a step adjustment must exceed its lower bound.")
    for (_, upper), (lower, _) in itertools.pairwise(intervals):
        if lower < upper:
            raise invalid("The ranges of step adjustments can't overlap.")
        if lower > upper:
            raise invalid("The ranges of step adjustments can't have a gap.")
    if -math.inf < intervals[0][0] < 0:
        raise invalid(
            "There must be a step adjustment with an unspecified lower bound if one step"
            " adjustment has a negative lower bound."
        )
    if 0 < intervals[-1][1] < math.inf:
        raise invalid(
            "There must be a step adjustment with an unspecified upper bound if one step"
            " adjustment has a positive upper bound."
        )


def aggregate(points: Sequence[float], kind: str) -> float:
    """Return what a MetricAggregationType makes of an alarm's data points."""
    if kind == "Average":
        return sum(points) / len(points)
    return min(points) if kind == "Minimum" else max(points)


def adjustment(steps: Sequence[dict[str, Any]], breach: float, *, above: bool) -> int | None:
    """Return the ScalingAdjustment for a breach, None when it falls into no step.

    `above` is whether the alarm looks for values above its threshold: then lower bounds belong to
    their step, else upper ones do.
    """
    for step in steps:
        lower, upper = bounds(step)
        if lower <= breach < upper if above else lower < breach <= upper:
            value: int = step["ScalingAdjustment"]
            return value
    return None


def adjusted(configuration: dict[str, Any], capacity: int, change: int) -> int:
    """Return the capacity after a ScalingAdjustment, before the target's bounds apply.

    Percentages round as the user guide says: beyond 1 down, between 0 and 1 to 1, and the same
    below zero.
    """
    kind = configuration["AdjustmentType"]
    if kind == "ExactCapacity":
        return change
    if kind == "ChangeInCapacity":
        return capacity + change
    exact = capacity * change / 100
    size = 0 if exact == 0 else max(1, math.floor(abs(exact)))
    if change:
        size = max(size, configuration.get("MinAdjustmentMagnitude", 0))
    return capacity + (size if change > 0 else -size)
