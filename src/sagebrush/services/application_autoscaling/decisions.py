"""What a target does about the alarms that went off at one moment: one capacity, or none.

"Application Auto Scaling gives precedence to the policy that provides the largest capacity for both
scale out and scale in", and scales in only when every target tracking policy that may is ready to
(the user guide's pages "Target tracking scaling policies" and "Step scaling policies").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sagebrush.services.application_autoscaling.records import (
    TARGET_TRACKING,
    Policy,
    Target,
)
from sagebrush.services.application_autoscaling.steps import adjusted, adjustment, aggregate
from sagebrush.services.application_autoscaling.tracking import HIGH, LOW, kind_of, tracked
from sagebrush.services.capacities import Scalable

# "Amazon SageMaker endpoint variants" are among those whose default is 300 seconds.
DEFAULT_COOLDOWN_S = 300


@dataclass(frozen=True, slots=True)
class Trigger:
    """An alarm that invoked a policy, its state, data points (oldest first) and threshold.

    `above` is whether it looks for values above the threshold.
    """

    policy: Policy
    alarm: str
    state: str
    points: list[float]
    threshold: float
    above: bool

    @property
    def cause(self) -> str:
        """What an activity says of it."""
        return (
            f"monitor alarm {self.alarm} in state {self.state} triggered policy {self.policy.name}"
        )

    @property
    def tracks(self) -> bool:
        """Whether its policy is a target tracking one."""
        return self.policy.kind == TARGET_TRACKING


@dataclass(frozen=True, slots=True)
class Decision:
    """A capacity to be set (`capacity`), or why none is (`reason`), and which alarm it was."""

    trigger: Trigger
    capacity: int | None = None
    cooldown_s: int = 0
    reason: dict[str, Any] | None = None


def decide(
    target: Target,
    scalable: Scalable,
    policies: Sequence[Policy],
    triggers: Sequence[Trigger],
    now: float,
) -> Decision | None:
    """Return what is to be done; None when that is nothing that anybody is told of."""
    if not scalable.active:
        return Decision(triggers[0], reason={"Code": "TargetServicePutResourceAsUnscalable"})
    current = scalable.desired
    out = [
        (wanted, trigger)
        for trigger in triggers
        if (wanted := _out(target, trigger, current, now)) is not None
    ]
    if out and not target.suspended["DynamicScalingOutSuspended"]:
        found = _largest(target, scalable, out)
        wanted, trigger = found
        if wanted > current:
            return Decision(trigger, wanted, _cooldown_s(trigger.policy, "ScaleOutCooldown"))
        if current >= target.maximum:
            reason = {"Code": "AlreadyAtMaxCapacity", "MaxCapacity": target.maximum}
            return Decision(trigger, reason=reason | {"CurrentCapacity": current})
        if now < target.out_until:
            return None
        reason = {"Code": "AlreadyAtDesiredCapacity", "CurrentCapacity": current}
        return Decision(trigger, reason=reason)
    return _decide_in(target, scalable, policies, triggers, now) if not out else None


def _decide_in(
    target: Target,
    scalable: Scalable,
    policies: Sequence[Policy],
    triggers: Sequence[Trigger],
    now: float,
) -> Decision | None:
    current = scalable.desired
    stepped = [trigger for trigger in triggers if not trigger.tracks]
    low = [trigger for trigger in triggers if trigger.tracks and kind_of(trigger.alarm) == LOW]
    ready = {trigger.policy.id for trigger in low}
    needed = {
        policy.id
        for policy in policies
        if policy.kind == TARGET_TRACKING and not policy.configuration.get("DisableScaleIn")
    }
    asking = [*stepped, *(low if needed <= ready else ())]
    wishes = [
        (wanted, trigger) for trigger in asking if (wanted := _in(trigger, current)) is not None
    ]
    if not wishes or target.suspended["DynamicScalingInSuspended"]:
        return None
    wanted, trigger = _largest(target, scalable, wishes)
    if wanted < current:
        if now < target.in_until:
            return None
        return Decision(trigger, wanted, _cooldown_s(trigger.policy, "ScaleInCooldown"))
    lowest = max(target.minimum, scalable.lowest)
    if current <= lowest:
        reason = {"Code": "AlreadyAtMinCapacity", "MinCapacity": lowest}
    elif trigger.tracks:
        reason = {"Code": "AutoScalingAnticipatedFlapping"}
    else:
        reason = {"Code": "AlreadyAtDesiredCapacity"}
    return Decision(trigger, reason=reason | {"CurrentCapacity": current})


def _largest(
    target: Target, scalable: Scalable, wishes: Sequence[tuple[int, Trigger]]
) -> tuple[int, Trigger]:
    """Return the largest capacity that is wished for, within the target's bounds."""
    wanted, trigger = max(wishes, key=lambda wish: wish[0])
    return bounded(target, scalable, wanted), trigger


def bounded(target: Target, scalable: Scalable, capacity: int) -> int:
    """Return a capacity within the target's bounds, and not below what the resource can have."""
    return max(scalable.lowest, min(target.maximum, max(target.minimum, capacity)))


def _out(target: Target, trigger: Trigger, current: int, now: float) -> int | None:
    """Return the capacity that a trigger wants to scale out to, None if it does not want to.

    During a scale-out's cooldown period what that has added counts as part of the next one, so
    that only a larger one adds anything.
    """
    base = target.out_base if now < target.out_until else current
    if trigger.tracks:
        if kind_of(trigger.alarm) == LOW:
            return None
        return tracked(trigger.points, _value(trigger), base, HIGH)
    upwards = _stepped(trigger, current)
    return _stepped(trigger, base) if upwards is not None and upwards > current else None


def _in(trigger: Trigger, current: int) -> int | None:
    """Return the capacity that a trigger wants to scale in to, None if it does not want to."""
    if trigger.tracks:
        return tracked(trigger.points, _value(trigger), current, LOW)
    wanted = _stepped(trigger, current)
    return None if wanted is None or wanted > current else wanted


def _stepped(trigger: Trigger, capacity: int) -> int | None:
    configuration = trigger.policy.configuration
    kind = configuration.get("MetricAggregationType", "Average")
    breach = aggregate(trigger.points, kind) - trigger.threshold
    change = adjustment(configuration["StepAdjustments"], breach, above=trigger.above)
    return None if change is None else adjusted(configuration, capacity, change)


def _value(trigger: Trigger) -> float:
    return float(trigger.policy.configuration["TargetValue"])


def _cooldown_s(policy: Policy, name: str) -> int:
    member = name if policy.kind == TARGET_TRACKING else "Cooldown"
    return int(policy.configuration.get(member, DEFAULT_COOLDOWN_S))
