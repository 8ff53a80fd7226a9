"""UpdateEndpointWeightsAndCapacities: other weights and numbers of instances, in place.

Weights count from the next request. Instances are started or ended in the background, while the
endpoint is `Updating`; when they cannot be had it is `RollingBack`, weights and all, and then
`InService` again with a FailureReason. `state["change"]` has what was before and what shall be.
"""

from __future__ import annotations

import logging
from typing import Any

from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.failures import TROUBLE, failure_reason
from sagebrush.services.sagemaker.hosting.fleet_keeping import FleetKeeping
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.serverless import (
    config_of,
    is_serverless,
    note_demand,
)
from sagebrush.services.sagemaker.hosting.variants import is_shadow, name_of

_log = logging.getLogger(__name__)


# Something is under way in these statuses: nothing else can begin (DescribeEndpoint).
IN_PROGRESS = ("Creating", "Updating", "SystemUpdating", "RollingBack")


def check_settled(endpoint: Resource) -> None:
    """Refuse to change an endpoint that something is under way for, or that has failed.

    Raises:
        ApiError: ValidationException.
    """
    if endpoint.status in (*IN_PROGRESS, "Deleting"):
        raise faults.invalid(f'Cannot update in-progress endpoint "{endpoint.arn}".')
    if endpoint.status == "Failed":
        raise faults.invalid(
            f'Cannot update failed endpoint "{endpoint.arn}"; delete it and create another.'
        )


def check_capacity_changeable(endpoint: Resource) -> None:
    """Refuse to change weights and capacities of an endpoint as it is.

    Raises:
        ApiError: ValidationException.
    """
    check_settled(endpoint)
    if endpoint.status == "UpdateRollbackFailed":
        raise faults.invalid(
            f'Cannot change weights and capacities of endpoint "{endpoint.arn}" in status'
            " UpdateRollbackFailed; update it with an endpoint configuration first."
        )


def note_change(endpoint: Resource, desired: list[dict[str, Any]], now: float) -> None:
    """Write DesiredWeightsAndCapacities into the row: weights as they are, numbers as wanted.

    Raises:
        ApiError: ValidationException when they cannot be had.
    """
    items = {name_of(item): item for item in endpoint.state["variants"]}
    before = {name: [item["weight"], item["count"]] for name, item in items.items()}
    named: set[str] = set()
    for one in desired:
        name = one["VariantName"]
        item = items.get(name)
        if item is None:
            raise faults.invalid(f'Could not find variant "{name}" of endpoint "{endpoint.arn}".')
        if name in named:
            raise faults.invalid(f"Variant {name} is given twice in DesiredWeightsAndCapacities.")
        if one.keys() == {"VariantName"}:
            raise faults.invalid(
                f"Neither DesiredWeight nor DesiredInstanceCount is given for variant {name}."
            )
        named.add(name)
        if is_serverless(item["variant"]):
            item["serverless_before"] = config_of(item)
        note_demand(item, one)
        item["weight"] = one.get("DesiredWeight", item["weight"])
        item["wanted"] = one.get("DesiredInstanceCount", item["count"])
        if item["wanted"] < 1 and not _may_be_empty(endpoint):
            raise faults.invalid(
                f"DesiredInstanceCount of variant {name} must be at least 1: only asynchronous"
                " endpoints can have no instances."
            )
    if not any(item["weight"] > 0 and not is_shadow(item) for item in items.values()):
        raise faults.invalid("At least one production variant needs a weight greater than 0.")
    endpoint.state.pop("failure_reason", None)
    endpoint.state["change"] = {"since": now, "before": before}
    endpoint.status = "Updating"


async def carry_out(platform: Platform, fleets: FleetKeeping, endpoint: Resource) -> None:
    """Do what `note_change` wrote down, or undo it, from wherever the row says it is."""
    state = endpoint.state
    fleets.lead(endpoint)
    if endpoint.status == "Updating":
        wanted = {name_of(item): item.get("wanted", item["count"]) for item in state["variants"]}
        try:
            await fleets.scale(endpoint, state, wanted)
            await fleets.change_demands(endpoint, state)
        except TROUBLE as error:
            _log.warning("endpoint %s keeps its capacity: %s", endpoint.name, error)
            _undo(endpoint, failure_reason(error))
            records.save(platform.db, endpoint, platform.clock.now())
        else:
            for item in state["variants"]:
                item["count"] = item.pop("wanted", item["count"])
                item.pop("serverless_before", None)
    if endpoint.status == "RollingBack":
        fleets.lead(endpoint)
        # Variants that got their instances before another did not give them back.
        await fleets.trim(endpoint, state)
    del state["change"]
    endpoint.status = "InService"
    records.save(platform.db, endpoint, platform.clock.now())


def _undo(endpoint: Resource, reason: str) -> None:
    before = endpoint.state["change"]["before"]
    for item in endpoint.state["variants"]:
        item["weight"], item["count"] = before[name_of(item)]
        item.pop("wanted", None)
        if "serverless_before" in item:
            item["serverless"] = item.pop("serverless_before")
    endpoint.state["failure_reason"] = reason
    endpoint.status = "RollingBack"


def _may_be_empty(endpoint: Resource) -> bool:
    return "AsyncInferenceConfig" in endpoint.state["config"]
