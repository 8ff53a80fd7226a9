"""What may be asked of a component that there is, and of the endpoint that hosts it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagebrush.services.platform import Context
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.records import Resource

_LOWEST_PERCENT, _HIGHEST_PERCENT = 5, 50
_WHOLE = 100


def get_settled(context: Context, name: str) -> Resource:
    """Return a component that can be changed now.

    Raises:
        ApiError: ValidationException when there is none, or something is under way.
    """
    component = records.get(context, records.INFERENCE_COMPONENT, name)
    check_settled(component)
    return component


def check_settled(component: Resource) -> None:
    """Return if a component can be changed now.

    Raises:
        ApiError: ValidationException.
    """
    if component.status == "Failed":
        raise faults.invalid(
            f'Cannot update failed inference component "{component.arn}"; delete it and create'
            " another."
        )
    if component.status != "InService":
        raise faults.invalid(f'Cannot update in-progress inference component "{component.arn}".')


def note_copies(component: Resource, number: int) -> None:
    """Write another number of copies into the row."""
    component.state.pop("failure_reason", None)
    component.state |= {"wanted": number, "desired": number}
    component.status = "Updating"


def check_deployment(policy: Mapping[str, Any], number: int) -> None:
    """Check a DeploymentConfig for a component with `number` copies.

    Raises:
        ApiError: ValidationException naming the batch that is too small or too large.
    """
    rolling = policy.get("RollingUpdatePolicy")
    if rolling is None:
        return
    size = rolling["MaximumBatchSize"]
    between = f"between {_LOWEST_PERCENT}% and {_HIGHEST_PERCENT}%"
    if size["Type"] == "CAPACITY_PERCENT":
        fits = _LOWEST_PERCENT <= size["Value"] <= _HIGHEST_PERCENT
    else:
        # A single copy is the smallest batch there is, however few copies there are.
        share = size["Value"] * _WHOLE
        fits = _LOWEST_PERCENT * number <= share <= max(_WHOLE, _HIGHEST_PERCENT * number)
    if not fits:
        raise faults.invalid(
            f"MaximumBatchSize must be {between} of the copy count of the inference component;"
            f" {size['Type']} {size['Value']} of {number} copies is not."
        )
    back = rolling.get("RollbackMaximumBatchSize")
    if back is not None and back["Type"] == "CAPACITY_PERCENT" and back["Value"] > _WHOLE:
        raise faults.invalid(
            "RollbackMaximumBatchSize must be at most 100% of the copy count of the inference"
            f" component, not {back['Value']}%."
        )
