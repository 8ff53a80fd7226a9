"""What is decided about alarms that go off together."""

from __future__ import annotations

import pytest

from sagebrush.services.application_autoscaling.decisions import Decision, Trigger, decide
from sagebrush.services.application_autoscaling.records import (
    STEP,
    TARGET_TRACKING,
    Policy,
    Target,
)
from sagebrush.services.capacities import Scalable

SUSPENDED = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")


def tracking(number: int, *, scales_in: bool = True) -> Policy:
    configuration = {"TargetValue": 10.0, "DisableScaleIn": not scales_in}
    return Policy(number, 1, f"t{number}", f"arn{number}", TARGET_TRACKING, configuration, [], 0.0)


def exact(number: int, capacity: int) -> Policy:
    step = {"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": capacity}
    configuration = {"AdjustmentType": "ExactCapacity", "StepAdjustments": [step]}
    return Policy(number, 1, f"s{number}", f"arn{number}", STEP, configuration, [], 0.0)


def trigger(policy: Policy, value: float, kind: str = "AlarmLow") -> Trigger:
    alarm = f"TargetTracking-r-{kind}-x"
    return Trigger(policy, alarm, "ALARM", [value], 0.0, above=True)


def decided(
    policies: list[Policy], triggers: list[Trigger], desired: int = 8, lowest: int = 1
) -> Decision | None:
    place = ("1", "r", "sagemaker", "e", "d", "token")
    target = Target(1, *place, 1, 20, "", dict.fromkeys(SUSPENDED, False), {}, 0.0)
    scalable = Scalable(desired, desired, lowest, active=True)
    return decide(target, scalable, policies, triggers, 1000.0)


def test_in_goes_only_what_every_tracking_policy_agrees_to() -> None:
    one, two, never = tracking(1), tracking(2), tracking(3, scales_in=False)
    assert decided([one, two, never], [trigger(one, 1.0)]) is None
    both = decided([one, two, never], [trigger(one, 1.0), trigger(two, 5.0)])
    assert both is not None
    assert (both.capacity, both.trigger.policy) == (4, two)
    alone = decided([one, never], [trigger(one, 1.0)])
    assert alone is not None
    assert alone.capacity == 1


def test_a_step_does_not_wait_for_tracking_policies_to_scale_in() -> None:
    decision = decided([tracking(1), exact(2, 3)], [trigger(exact(2, 3), 1.0, "mine")])
    assert decision is not None
    assert (decision.capacity, decision.cooldown_s) == (3, 300)


def test_out_goes_before_in() -> None:
    one, two = tracking(1), tracking(2)
    decision = decided([one, two], [trigger(one, 0.0), trigger(two, 20.0, "AlarmHigh")])
    assert decision is not None
    assert decision.capacity == 16


@pytest.mark.parametrize(
    ("value", "desired", "code"),
    [
        (0.0, 1, "AlreadyAtMinCapacity"),
        (8.9, 8, "AutoScalingAnticipatedFlapping"),
    ],
)
def test_what_keeps_from_scaling_in(value: float, desired: int, code: str) -> None:
    decision = decided([tracking(1)], [trigger(tracking(1), value)], desired)
    assert decision is not None
    assert decision.capacity is None
    assert decision.reason is not None
    assert decision.reason["Code"] == code


def test_what_has_the_exact_capacity_stays() -> None:
    decision = decided([exact(1, 8)], [trigger(exact(1, 8), 1.0, "mine")])
    assert decision is not None
    assert decision.reason == {"Code": "AlreadyAtDesiredCapacity", "CurrentCapacity": 8}


def test_nothing_is_below_what_the_resource_can_have() -> None:
    decision = decided([exact(1, 0)], [trigger(exact(1, 0), 1.0, "mine")], lowest=2)
    assert decision is not None
    assert decision.capacity == 2
