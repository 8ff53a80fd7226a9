"""Endpoints that host components: what their configurations say, and what may become of them.

Their variants name no models. Their instances are numbers that the copies of components are
counted against; such an endpoint has no model servers of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.hosting.components.slots import (
    has_components,
    is_managed,
    most_instances,
    used_instances,
)
from sagebrush.services.sagemaker.hosting.components.versions import hosts_components
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.variants import name_of

_NOT_WITHOUT_MODELS = ("ShadowProductionVariants", "AsyncInferenceConfig")
_NOT_BESIDE = ("ServerlessConfig", "AcceleratorPartitionLayouts")


def has_models(request: dict[str, Any]) -> bool:
    """Whether the variants of an endpoint configuration name models, or any of them does.

    Raises:
        ApiError: ValidationException when only some do.
    """
    named = ["ModelName" in variant for variant in request["ProductionVariants"]]
    if any(named) and not all(named):
        raise faults.invalid(
            "ModelName must be specified for all production variants, or for none."
        )
    for variant in request.get("ShadowProductionVariants", ()):
        if any(named) and "ModelName" not in variant:
            raise faults.invalid(f"ModelName is required for variant {variant['VariantName']}.")
    return any(named)


def check_without_models(request: dict[str, Any]) -> None:
    """Check a configuration whose variants are for inference components.

    Raises:
        ApiError: ValidationException naming what is missing or does not go together.
    """
    if "ExecutionRoleArn" not in request:
        raise faults.invalid(
            "ExecutionRoleArn is required for endpoints to which you plan to deploy inference"
            " components."
        )
    for member in _NOT_WITHOUT_MODELS:
        if member in request:
            raise faults.invalid(f"{member} is not supported for inference component endpoints.")
    for variant in request["ProductionVariants"]:
        for member in _NOT_BESIDE:
            if member in variant:
                raise faults.invalid(
                    f"{member} cannot be specified for production variant {variant['VariantName']}"
                    " without ModelName."
                )
        _check_scaling(variant)


def check_update(context: Context, endpoint: Resource, items: Sequence[dict[str, Any]]) -> None:
    """Check that an endpoint may be updated to variants, for the components that it has.

    Raises:
        ApiError: ValidationException.
    """
    hosting = hosts_components(endpoint.state)
    if hosting != any(not item["containers"] for item in items):
        raise faults.invalid(
            f'Cannot update endpoint "{endpoint.arn}": variants with models and variants for'
            " inference components cannot replace each other."
        )
    if not hosting or not has_components(context.db, endpoint):
        return
    after = {name_of(item): item for item in items}
    for item in endpoint.state["variants"]:
        name = name_of(item)
        if not used_instances(context.db, endpoint, item):
            continue
        same = name in after and _type(after[name]) == _type(item)
        if not same:
            raise faults.invalid(
                f"Variant {name} hosts copies of inference components: it can neither be removed"
                " nor have its instance type updated. Delete the inference components first."
            )
    check_counts(context, endpoint, items)


def check_counts(context: Context, endpoint: Resource, items: Sequence[dict[str, Any]]) -> None:
    """Check that no copy of a component is on an instance that is to go when `items` are.

    Raises:
        ApiError: ValidationException.
    """
    if not hosts_components(endpoint.state):
        return
    for item in items:
        used = used_instances(context.db, endpoint, item)
        most = most_instances(item)
        # Managed instances are whichever are used; others are the first so many.
        needed = len(used) if is_managed(item) else max(used, default=-1) + 1
        if needed > most:
            raise faults.invalid(
                f"{most} instance(s) of variant {name_of(item)} cannot hold the copies of its"
                f" inference components, which are on {needed}. Reduce their copies first."
            )


def check_empty(context: Context, endpoint: Resource) -> None:
    """Check that an endpoint has no components left: only then it can be deleted.

    Raises:
        ApiError: ValidationException.
    """
    if hosts_components(endpoint.state) and has_components(context.db, endpoint):
        raise faults.invalid(
            f'Cannot delete endpoint "{endpoint.arn}" while it hosts inference components. Delete'
            " all inference components of the endpoint first."
        )


def _check_scaling(variant: dict[str, Any]) -> None:
    scaling = variant.get("ManagedInstanceScaling")
    if scaling is None:
        return
    if "ScaleInPolicy" in scaling:
        raise faults.unsupported("ManagedInstanceScaling.ScaleInPolicy")
    initial = variant.get("InitialInstanceCount", 1)
    least = scaling.get("MinInstanceCount", min(1, initial))
    most = scaling.get("MaxInstanceCount", max(least, initial))
    if not least <= most:
        raise faults.invalid(
            f"MinInstanceCount {least} must not be greater than MaxInstanceCount {most}."
        )
    if not least <= initial <= most:
        raise faults.invalid(
            f"InitialInstanceCount {initial} of production variant {variant['VariantName']} must be"
            f" between MinInstanceCount {least} and MaxInstanceCount {most}."
        )


def _type(item: dict[str, Any]) -> str:
    instance_type: str = item["variant"]["InstanceType"]
    return instance_type
