"""Scalable targets: registered, described, deregistered."""

from __future__ import annotations

import secrets
from typing import Any

from sagebrush.services.application_autoscaling import records
from sagebrush.services.application_autoscaling.errors import (
    invalid,
    no_target,
    over_limit,
    unsupported,
)
from sagebrush.services.application_autoscaling.paging import page
from sagebrush.services.application_autoscaling.records import Target, find_target
from sagebrush.services.application_autoscaling.removal import remove
from sagebrush.services.application_autoscaling.scaling import scaling_of
from sagebrush.services.application_autoscaling.tag_maps import check_tags
from sagebrush.services.capacities import Scalable
from sagebrush.services.platform import Context

_NAMESPACE = "sagemaker"
# "Scalable targets per resource type": the service's quota for endpoint variants.
_MAX_TARGETS = 500
_SUSPENDED = (
    "DynamicScalingInSuspended",
    "DynamicScalingOutSuspended",
    "ScheduledScalingSuspended",
)


def register_scalable_target(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Register a scalable target or update one; its capacity is brought within the bounds."""
    scalable = _scalable(context, request)
    before = find_target(context.db, context.account, context.region, request)
    if before is not None and request.get("Tags"):
        raise invalid(
            "The scalable target that you tried to tag already exists. To update tags on an"
            " existing scalable target, use the TagResource API."
        )
    target = _new(context, request) if before is None else before
    _change(target, request)
    _check_bounds(target, scalable)
    if before is None:
        target.id = records.insert_target(context.db, target)
    else:
        records.save_target(context.db, target)
    scaling_of(context.platform).bring_within_bounds(target)
    return {"ScalableTargetARN": target.arn}


def describe_scalable_targets(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return one page of targets."""
    clauses, values = [], []
    if "ScalableDimension" in request:
        if not request.get("ResourceIds"):
            raise invalid("ResourceIds must be specified together with ScalableDimension.")
        clauses.append("dimension = ?")
        values.append(request["ScalableDimension"])
    resources = request.get("ResourceIds", [])
    if resources:
        clauses.append(f"resource_id IN ({', '.join('?' * len(resources))})")
        values.extend(resources)
    rows, token = page(context, request, "autoscaling_targets.*", "", clauses, values, 50)
    described = [_described(records.target_of(row)) for row in rows]
    return {"ScalableTargets": described, "NextToken": token}


def deregister_scalable_target(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Forget a target with its policies, their alarms and its scheduled actions."""
    target = find_target(context.db, context.account, context.region, request)
    if target is None:
        raise no_target(request, wanted="found")
    remove(context.platform, target)
    return {}


def _scalable(context: Context, request: dict[str, Any]) -> Scalable:
    namespace, dimension = request["ServiceNamespace"], request["ScalableDimension"]
    if namespace != _NAMESPACE:
        raise unsupported(f"the service namespace {namespace}")
    if not dimension.startswith(f"{_NAMESPACE}:"):
        raise invalid("Unsupported service namespace, resource type or scalable dimension")
    adapter = context.platform.capacities.of(dimension)
    if adapter is None:
        raise unsupported(f"the scalable dimension {dimension}")
    found = adapter.find(context.account, context.region, request["ResourceId"])
    if found is None:
        raise invalid(f"No resource {request['ResourceId']} with {adapter.noun} exists.")
    return found


def _new(context: Context, request: dict[str, Any]) -> Target:
    if "MinCapacity" not in request or "MaxCapacity" not in request:
        raise invalid(
            "MinCapacity and MaxCapacity must be specified when a new scalable target is"
            " registered."
        )
    row = context.db.one(
        "SELECT count(*) AS number FROM autoscaling_targets WHERE account = ? AND region = ?",
        (context.account, context.region),
    )
    if row is not None and row["number"] >= _MAX_TARGETS:
        raise over_limit("scalable targets", _MAX_TARGETS)
    tags = request.get("Tags", {})
    check_tags(tags)
    role = (
        f"arn:aws:iam::{context.account}:role/aws-service-role/"
        "sagemaker.application-autoscaling.amazonaws.com/"
        "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    )
    return Target(
        *(0, context.account, context.region, request["ServiceNamespace"]),
        *(request["ResourceId"], request["ScalableDimension"], secrets.token_hex(17)),
        *(request["MinCapacity"], request["MaxCapacity"], role),
        *(dict.fromkeys(_SUSPENDED, False), tags, context.now),
    )


def _change(target: Target, request: dict[str, Any]) -> None:
    target.minimum = request.get("MinCapacity", target.minimum)
    target.maximum = request.get("MaxCapacity", target.maximum)
    target.suspended = target.suspended | request.get("SuspendedState", {})


def _check_bounds(target: Target, scalable: Scalable) -> None:
    if target.minimum < 0 or target.maximum < 0:
        raise invalid("Minimum and maximum capacity must not be negative.")
    if target.maximum < target.minimum:
        raise invalid("Maximum capacity cannot be less than minimum capacity.")
    if target.minimum < scalable.lowest:
        raise invalid(
            f"Minimum capacity for resource {target.resource_id} must be at least"
            f" {scalable.lowest}."
        )


def _described(target: Target) -> dict[str, Any]:
    return {
        "ServiceNamespace": target.namespace,
        "ResourceId": target.resource_id,
        "ScalableDimension": target.dimension,
        "MinCapacity": target.minimum,
        "MaxCapacity": target.maximum,
        "RoleARN": target.role,
        "CreationTime": target.created,
        "SuspendedState": target.suspended,
        "ScalableTargetARN": target.arn,
    }
