"""What a DeploymentConfig may say (UpdateEndpoint and its shapes, deployment-guardrails*.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.hosting.guardrails.stages import Policy, is_rolling

# The routing types that come in steps, with the member that sizes them and its limits in per cent.
_SIZES = {"CANARY": ("CanarySize", 0, 50), "LINEAR": ("LinearStepSize", 10, 50)}
_BATCH_LIMITS = (5, 50)
_WHOLE = 100
# Instances that AWS updates all at once whatever is asked for (deployment-guardrails-exclusions).
_EXCLUDED = "ml.inf1."


def check_policy(policy: Policy, counts: Mapping[str, int]) -> None:
    """Check a configuration for a deployment of variants with so many instances.

    Raises:
        ApiError: ValidationException naming what contradicts what.
    """
    blue_green = policy.get("BlueGreenUpdatePolicy")
    if blue_green is not None and is_rolling(policy):
        raise faults.invalid(
            "Only one update policy can be used in a DeploymentConfig: either"
            " BlueGreenUpdatePolicy or RollingUpdatePolicy."
        )
    if blue_green is not None:
        _check_routing(blue_green["TrafficRoutingConfiguration"], counts)
        _check_timeout(blue_green)
    if is_rolling(policy):
        rolling = policy["RollingUpdatePolicy"]
        _check_size("MaximumBatchSize", rolling["MaximumBatchSize"], _BATCH_LIMITS, counts)
        back = rolling.get("RollbackMaximumBatchSize")
        if back is not None and back["Type"] == "CAPACITY_PERCENT" and back["Value"] > _WHOLE:
            raise faults.invalid(
                "RollbackMaximumBatchSize must be at most 100% of the variant's total instance"
                f" count, not {back['Value']}%."
            )


def check_alarms(context: Context, policy: Policy) -> None:
    """Check that there is every alarm a configuration names.

    Raises:
        ApiError: ValidationException naming those that there are not.
    """
    missing = [
        name
        for name in alarm_names(policy)
        if context.platform.alarms.state(context.account, context.region, name) is None
    ]
    if missing:
        raise faults.invalid(
            "Could not find the CloudWatch alarms of AutoRollbackConfiguration in account"
            f" {context.account} and region {context.region}: {', '.join(missing)}."
        )


def alarm_names(policy: Policy) -> list[str]:
    """Return the alarms that lead a deployment back."""
    alarms = policy.get("AutoRollbackConfiguration", {}).get("Alarms", [])
    return [alarm["AlarmName"] for alarm in alarms if "AlarmName" in alarm]


def timeout_s(policy: Policy) -> float | None:
    """Return how long a deployment may take; None where nothing says so."""
    given = policy.get("BlueGreenUpdatePolicy") or policy.get("RollingUpdatePolicy") or {}
    timeout: float | None = given.get("MaximumExecutionTimeoutInSeconds")
    return timeout


def applicable(policy: Policy, variants: list[dict[str, Any]]) -> Policy:
    """Return what of a configuration counts for these production variants.

    What the guide's page "Exclusions" names is updated all at once, without a bake.
    """
    if is_rolling(policy) and len(variants) > 1:
        return {}
    guarded = all(
        "ServerlessConfig" not in variant
        and not variant.get("InstanceType", "").startswith(_EXCLUDED)
        for variant in variants
    )
    return policy if guarded else {}


def _check_routing(routing: Mapping[str, Any], counts: Mapping[str, int]) -> None:
    kind = routing["Type"]
    for other, (member, lowest, highest) in _SIZES.items():
        size = routing.get(member)
        if kind == other and size is None:
            raise faults.invalid(
                f"{member} is required in TrafficRoutingConfiguration with Type {kind}."
            )
        if kind != other and size is not None:
            raise faults.invalid(
                f"{member} can only be specified in TrafficRoutingConfiguration with Type {other},"
                f" not {kind}."
            )
        if size is not None:
            _check_size(member, size, (lowest, highest), counts)


def _check_size(
    member: str, size: Mapping[str, Any], limits: tuple[int, int], counts: Mapping[str, int]
) -> None:
    lowest, highest = limits
    between = f"between {lowest}% and {highest}%" if lowest else f"at most {highest}%"
    if size["Type"] == "CAPACITY_PERCENT":
        if not lowest <= size["Value"] <= highest:
            raise faults.invalid(
                f"{member} must be {between} of the variant's total instance count, not"
                f" {size['Value']}%."
            )
        return
    for name, count in counts.items():
        if count and not lowest * count <= _WHOLE * size["Value"] <= highest * count:
            raise faults.invalid(
                f"{member} must be {between} of the variant's total instance count; {size['Value']}"
                f" of the {count} instance(s) of variant {name} is not."
            )


def _check_timeout(blue_green: Mapping[str, Any]) -> None:
    timeout = blue_green.get("MaximumExecutionTimeoutInSeconds")
    routing = blue_green["TrafficRoutingConfiguration"]
    stepwise = routing["Type"] in _SIZES
    waits = routing["WaitIntervalInSeconds"] if stepwise else 0
    total = waits + blue_green.get("TerminationWaitInSeconds", 0)
    if timeout is not None and timeout <= total:
        raise faults.invalid(
            f"MaximumExecutionTimeoutInSeconds ({timeout}) must be larger than the total waiting"
            f" time specified in TerminationWaitInSeconds and WaitIntervalInSeconds ({total})."
        )
