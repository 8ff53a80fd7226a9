"""Components as Application Auto Scaling sees them: how many copies they have and shall have."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sagebrush.engines.metrics import MetricDatum
from sagebrush.services.capacities import Quiet, Scalable
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker import faults
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.components.changes import check_settled, note_copies
from sagebrush.services.sagemaker.hosting.components.running import components_of
from sagebrush.services.sagemaker.hosting.components.versions import (
    SERVING,
    address_of,
    current_copies,
)
from sagebrush.services.sagemaker.hosting.records import Resource

_RESOURCE = re.compile(r"inference-component/([^/]+)")
_NAMESPACE = "AWS/SageMaker"
_QUIET = (
    "Invocations",
    "InvocationsPerCopy",
    "ConcurrentRequestsPerCopy",
    "ConcurrentRequestsPerModel",
)
_GONE = "the inference component has been deleted."


class CopyCounts:
    """`sagemaker:inference-component:DesiredCopyCount`."""

    noun = "desired copy count"
    service = "AmazonSageMaker"

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def find(self, account: str, region: str, resource_id: str) -> Scalable | None:
        """Return the component as it is, or None when there is none."""
        component = self._component(account, region, resource_id)
        if component is None or component.status == "Deleting":
            return None
        desired: int = component.state.get("target", component.state)["desired"]
        current = current_copies(component)
        return Scalable(current, desired, 0, component.status == "InService")

    def set(self, account: str, region: str, resource_id: str, capacity: int) -> None:
        """Begin to have so many copies; joins the caller's transaction.

        Raises:
            ApiError: ValidationException when that cannot be now.
        """
        component = self._component(account, region, resource_id)
        if component is None:
            raise faults.not_found()
        check_settled(component)
        note_copies(component, capacity)
        records.save(self._platform.db, component, self._platform.clock.now())
        components_of(self._platform).update(component)

    async def settled(self, account: str, region: str, resource_id: str) -> str | None:
        """Wait until nothing is under way; return why the last change was undone, if it was."""
        component = self._component(account, region, resource_id)
        if component is None:
            return _GONE
        await components_of(self._platform).finished(address_of(component))
        now = records.current(self._platform.db, component)
        if now is None:
            return _GONE
        reason: str | None = now.state.get("failure_reason")
        return reason

    def quiet(self, account: str, region: str, resource_id: str) -> Sequence[Quiet]:
        """Return the metrics to be told as zero while nothing happens."""
        component = self._component(account, region, resource_id)
        if component is None or component.status not in SERVING:
            return ()
        dimensions = {"InferenceComponentName": component.name}
        return [Quiet(_NAMESPACE, MetricDatum(name, dimensions, value=0.0)) for name in _QUIET]

    def _component(self, account: str, region: str, resource_id: str) -> Resource | None:
        matched = _RESOURCE.fullmatch(resource_id)
        if matched is None:
            return None
        return records.find(
            self._platform.db, records.INFERENCE_COMPONENT, account, region, matched[1]
        )
