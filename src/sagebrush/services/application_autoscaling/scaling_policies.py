"""Scaling policies: put, described, deleted; target tracking ones keep their alarms."""

from __future__ import annotations

import uuid
from typing import Any

from sagebrush.engines.alarms.records import Key, alarm_arn
from sagebrush.services.application_autoscaling import records, tracking
from sagebrush.services.application_autoscaling.errors import (
    invalid,
    no_object,
    no_target,
    over_limit,
    unsupported,
)
from sagebrush.services.application_autoscaling.paging import filters, page
from sagebrush.services.application_autoscaling.records import (
    STEP,
    TARGET_TRACKING,
    Policy,
    Target,
    find_target,
    policies_of,
)
from sagebrush.services.application_autoscaling.removal import remove_policy
from sagebrush.services.application_autoscaling.scaling import scaling_of
from sagebrush.services.application_autoscaling.steps import check_steps
from sagebrush.services.platform import Context

# "Scaling policies per scalable target": the service's quota.
_MAX_POLICIES = 50
_MEMBERS = {
    TARGET_TRACKING: "TargetTrackingScalingPolicyConfiguration",
    STEP: "StepScalingPolicyConfiguration",
}


def put_scaling_policy(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make a policy, or change one of the same name; both alarms of a tracking one are there."""
    target = find_target(context.db, context.account, context.region, request)
    if target is None:
        raise no_target(request)
    present = {policy.name: policy for policy in policies_of(context.db, target)}
    before = present.get(request["PolicyName"])
    kind, configuration = _configuration(request, before)
    if before is None and len(present) >= _MAX_POLICIES:
        raise over_limit("scaling policies of a scalable target", _MAX_POLICIES)
    if kind == TARGET_TRACKING:
        tracking.check_tracking(configuration, target.dimension)
        _check_metric(present, request["PolicyName"], configuration)
    else:
        check_steps(configuration)
    policy = before or _new(context, target, request["PolicyName"], kind)
    policy.configuration = configuration
    if kind == TARGET_TRACKING:
        _put_alarms(context, target, policy)
    records.write_policy(context.db, policy)
    scaling_of(context.platform)
    return {"PolicyARN": policy.arn, "Alarms": _alarms(context, policy)}


def describe_scaling_policies(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return one page of policies."""
    clauses, values = filters(request, "PolicyNames")
    columns = "autoscaling_policies.*, resource_id, dimension"
    rows, token = page(context, request, columns, "autoscaling_policies", clauses, values, 10)
    return {"ScalingPolicies": [_described(context, row) for row in rows], "NextToken": token}


def delete_scaling_policy(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Delete a policy; users' own alarms that invoke it stay."""
    target = find_target(context.db, context.account, context.region, request)
    found = [] if target is None else policies_of(context.db, target)
    for policy in found:
        if target is not None and policy.name == request["PolicyName"]:
            remove_policy(context.platform, target, policy)
            return {}
    raise no_object("scaling policy", request["PolicyName"], request)


def _configuration(request: dict[str, Any], before: Policy | None) -> tuple[str, dict[str, Any]]:
    """Return the kind of a policy and the configuration of that kind.

    Raises:
        ApiError: they do not go together.
    """
    kind = request.get("PolicyType", before.kind if before is not None else None)
    if kind == "PredictiveScaling" or "PredictiveScalingPolicyConfiguration" in request:
        raise unsupported("PredictiveScaling policies, which AWS has for Amazon ECS only")
    given = [name for name in _MEMBERS if _MEMBERS[name] in request]
    if kind is None:
        raise invalid("PolicyType must be specified when a scaling policy is created.")
    if before is not None and before.kind != kind:
        raise invalid("The PolicyType of an existing scaling policy cannot be changed.")
    if given != [kind]:
        raise invalid(f"A policy of type {kind} needs {_MEMBERS[kind]}, and nothing else.")
    return kind, request[_MEMBERS[kind]]


def _check_metric(present: dict[str, Policy], name: str, configuration: dict[str, Any]) -> None:
    """Refuse a second target tracking policy on the same metric."""
    for policy in present.values():
        if policy.name == name or policy.kind != TARGET_TRACKING:
            continue
        for member in ("PredefinedMetricSpecification", "CustomizedMetricSpecification"):
            if (
                member in configuration
                and policy.configuration.get(member) == configuration[member]
            ):
                raise invalid(
                    "Only one TargetTrackingScaling policy for a given metric specification is"
                    " allowed."
                )


def _new(context: Context, target: Target, name: str, kind: str) -> Policy:
    resource = (
        f"scalingPolicy:{uuid.uuid4()}:resource/{target.namespace}/{target.resource_id}"
        f":policyName/{name}"
    )
    arn = context.arn("autoscaling", resource)
    return Policy(0, target.id, name, arn, kind, {}, [], context.now)


def _put_alarms(context: Context, target: Target, policy: Policy) -> None:
    """Make the alarms of a policy as its configuration wants them."""
    engine = context.platform.alarms
    present = {tracking.kind_of(name): name for name in policy.alarms}
    wanted = tracking.wanted_alarms(policy.configuration)
    obsolete = [name for kind, name in present.items() if kind not in wanted]
    engine.delete(target.account, target.region, obsolete)
    policy.alarms = [present.get(kind) or tracking.alarm_name(target, kind) for kind in wanted]
    for name in policy.alarms:
        request = tracking.alarm_request(target, policy, name)
        engine.put_metric_alarm(target.account, target.region, request)


def _alarms(context: Context, policy: Policy) -> list[dict[str, str]]:
    """Return a policy's alarms: those made for it, or those of users that invoke it."""
    names = policy.alarms
    if policy.kind == STEP:
        names = _invoking(context, policy.arn)
    return [
        {"AlarmName": name, "AlarmARN": alarm_arn(Key(context.account, context.region, name))}
        for name in names
    ]


def _invoking(context: Context, arn: str) -> list[str]:
    rows = context.db.all(
        "SELECT name FROM alarms_alarms WHERE account = ? AND region = ?"
        " AND instr(configuration, ?) > 0 ORDER BY name",
        (context.account, context.region, f'"{arn}"'),
    )
    return [row["name"] for row in rows]


def _described(context: Context, row: Any) -> dict[str, Any]:
    policy = records.policy_of(row)
    target = records.target_by_id(context.db, policy.target_id)
    assert target is not None
    return {
        "PolicyARN": policy.arn,
        "PolicyName": policy.name,
        "ServiceNamespace": target.namespace,
        "ResourceId": target.resource_id,
        "ScalableDimension": target.dimension,
        "PolicyType": policy.kind,
        _MEMBERS[policy.kind]: policy.configuration,
        "Alarms": _alarms(context, policy),
        "CreationTime": policy.created,
    }
