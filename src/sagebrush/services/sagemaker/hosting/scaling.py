"""Variants as Application Auto Scaling sees them: how many instances they have and shall have."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sagebrush.engines.metrics import MetricDatum
from sagebrush.services.capacities import Quiet, Scalable
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.asynchronous import is_asynchronous
from sagebrush.services.sagemaker.hosting.capacities import (
    check_capacity_changeable,
    note_change,
)
from sagebrush.services.sagemaker.hosting.deployments import deployments_of
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.serverless import config_of, is_serverless
from sagebrush.services.sagemaker.hosting.variants import (
    address_of,
    is_shadow,
    name_of,
    present,
)

_RESOURCE = re.compile(r"endpoint/([^/]+)/variant/([^/]+)")
_NAMESPACE = "AWS/SageMaker"


def resource_id(endpoint: str, variant: str) -> str:
    """Return a variant's resource id in Application Auto Scaling."""
    return f"endpoint/{endpoint}/variant/{variant}"


def check_scaled_variants(
    platform: Platform, endpoint: Resource, items: Sequence[Mapping[str, Any]]
) -> None:
    """Refuse to take a scalable target away from an endpoint, or to change its instance type.

    Source: endpoint-scaling.md, "Update endpoints that use automatic scaling".

    Raises:
        ApiError: ValidationException naming the variants.
    """
    types = {name_of(dict(item)): item["variant"].get("InstanceType") for item in items}
    kept = [
        resource_id(endpoint.name, name)
        for item in endpoint.state["variants"]
        if types.get(name := name_of(item)) != item["variant"].get("InstanceType")
        or name not in types
    ]
    place = endpoint.account, endpoint.region
    kept = [given for given in kept if platform.capacities.is_scaled(*place, given)]
    if kept:
        names = ", ".join(f'"{given}"' for given in kept)
        raise faults.invalid(
            f"The variant(s) [{names}] must be deregistered as scalable targets with AWS Auto"
            " Scaling before they can be removed or have their instance type updated."
        )


class _Variants:
    """What both dimensions of a variant have in common."""

    service = "AmazonSageMaker"

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def settled(self, account: str, region: str, resource: str) -> str | None:
        """Wait until nothing is under way; return why the last change was undone, if it was."""
        endpoint = self._endpoint(account, region, resource)
        if endpoint is None:
            return "the endpoint has been deleted."
        await deployments_of(self._platform).finished(address_of(endpoint))
        now = records.current(self._platform.db, endpoint)
        if now is None:
            return "the endpoint has been deleted."
        reason: str | None = now.state.get("failure_reason")
        return reason

    def _endpoint(self, account: str, region: str, resource: str) -> Resource | None:
        matched = _RESOURCE.fullmatch(resource)
        if matched is None:
            return None
        return records.find(self._platform.db, records.ENDPOINT, account, region, matched[1])

    def _found(
        self, account: str, region: str, resource: str
    ) -> tuple[Resource, dict[str, Any]] | None:
        """Return the endpoint and the item of a production variant, or None."""
        endpoint = self._endpoint(account, region, resource)
        if endpoint is None or "variants" not in endpoint.state or endpoint.status == "Deleting":
            return None
        for item in endpoint.state["variants"]:
            if resource_id(endpoint.name, name_of(item)) == resource and not is_shadow(item):
                return endpoint, item
        return None

    def _change(self, account: str, region: str, resource: str, change: dict[str, Any]) -> None:
        found = self._found(account, region, resource)
        if found is None:
            raise faults.invalid(f'Could not find variant "{resource}".')
        endpoint, item = found
        check_capacity_changeable(endpoint)
        now = self._platform.clock.now()
        note_change(endpoint, [{"VariantName": name_of(item)} | change], now)
        records.save(self._platform.db, endpoint, now)
        deployments_of(self._platform).update(endpoint)


class InstanceCounts(_Variants):
    """`sagemaker:variant:DesiredInstanceCount`."""

    noun = "desired instance count"

    def find(self, account: str, region: str, resource: str) -> Scalable | None:
        """Return a variant with instances, or None."""
        found = self._found(account, region, resource)
        if found is None or is_serverless(found[1]["variant"]):
            return None
        endpoint, item = found
        if not item["containers"]:
            return None  # it is the copies of its inference components that are scaled
        lowest = 0 if is_asynchronous(endpoint.state["config"]) else 1
        desired = item.get("wanted", item["count"])
        return Scalable(present(item), desired, lowest, endpoint.status == "InService")

    def set(self, account: str, region: str, resource: str, capacity: int) -> None:
        """Begin to give a variant so many instances.

        Raises:
            ApiError: ValidationException, while the endpoint is being updated.
        """
        self._change(account, region, resource, {"DesiredInstanceCount": capacity})

    def quiet(self, account: str, region: str, resource: str) -> Sequence[Quiet]:
        """Return what SageMaker emits as zero without traffic (endpoint-auto-scaling-edit.md)."""
        found = self._found(account, region, resource)
        if found is None or is_asynchronous(found[0].state["config"]):
            return ()
        names = ("Invocations", "InvocationsPerInstance", "ConcurrentRequestsPerModel")
        return _quiet(*found, names)


class ProvisionedConcurrencies(_Variants):
    """`sagemaker:variant:DesiredProvisionedConcurrency`, of serverless variants."""

    noun = "desired provisioned concurrency"

    def find(self, account: str, region: str, resource: str) -> Scalable | None:
        """Return a serverless variant with provisioned concurrency, or None."""
        found = self._found(account, region, resource)
        if found is None or not is_serverless(found[1]["variant"]):
            return None
        endpoint, item = found
        desired = config_of(item).get("ProvisionedConcurrency", 0)
        if not desired:
            return None
        before = item.get("serverless_before", {}).get("ProvisionedConcurrency", desired)
        return Scalable(before, desired, 1, endpoint.status == "InService")

    def set(self, account: str, region: str, resource: str, capacity: int) -> None:
        """Begin to provide for so many concurrent requests.

        Raises:
            ApiError: ValidationException, while the endpoint is being updated.
        """
        change = {"ServerlessUpdateConfig": {"ProvisionedConcurrency": capacity}}
        self._change(account, region, resource, change)

    def quiet(self, account: str, region: str, resource: str) -> Sequence[Quiet]:
        """Return the utilisation, which nobody measures without requests."""
        found = self._found(account, region, resource)
        return (
            ()
            if found is None
            else _quiet(*found, ("ServerlessProvisionedConcurrencyUtilization",))
        )


def _quiet(endpoint: Resource, item: dict[str, Any], names: Sequence[str]) -> list[Quiet]:
    if endpoint.status not in records.SERVING:
        return []
    dimensions = {"EndpointName": endpoint.name, "VariantName": name_of(item)}
    return [Quiet(_NAMESPACE, MetricDatum(name, dimensions, value=0.0)) for name in names]
