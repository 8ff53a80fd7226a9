"""The fleets of a component: its copies brought up, led to and ended, as its row says."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

from sagebrush.engines.fleets import NotReadyError, SpecFactory, StartError, Strategy, VariantPlan
from sagebrush.run.spec import Limits
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker import images
from sagebrush.services.sagemaker.hosting.components.versions import (
    Version,
    address_of,
    endpoint_of,
    fleet_of,
    folder_name,
    places,
    variant_item,
    versions_of,
)
from sagebrush.services.sagemaker.hosting.container_logs import ContainerLogs, ServerLogs
from sagebrush.services.sagemaker.hosting.failures import failure_reason
from sagebrush.services.sagemaker.hosting.model_data import ModelDataError, lay_out_model
from sagebrush.services.sagemaker.hosting.plans import START_TIMEOUT_S, STRATEGIES, remove_all
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.serverless import size_of
from sagebrush.services.sagemaker.hosting.serving import Placement, specification
from sagebrush.services.sagemaker.runtimes import runtime_of
from sagebrush.services.served import SOLE_CONTAINER, Served, ServedContainer

_MB = 1 << 20
_STARTUP = ("ModelDataDownloadTimeoutInSeconds", "ContainerStartupHealthCheckTimeoutInSeconds")


class ComponentLogs(ContainerLogs):
    """Brings the output of a component's copies into the log group of their component."""

    def __init__(self, platform: Platform, component: Resource) -> None:
        ServerLogs.__init__(
            self, platform, component.account, component.region, log_group(component.name)
        )


class ComponentFleets:
    """Does with fleets what a component's row asks for; every call may be made again."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self._platform = platform
        self._fleets = platform.fleets
        self._folder = folder

    async def scale(self, component: Resource, version: Version, number: int) -> None:
        """Give a version `number` copies, be its fleet up or not.

        Raises:
            SagebrushError, OSError: a new copy did not come up; the old ones go on.
        """
        fleet, variant = fleet_of(component, version), component.request["VariantName"]
        try:
            self._fleets.router(fleet)
        except NotReadyError:
            logs = ComponentLogs(self._platform, component)
            plan = await self._plan(component, version, number, logs)
            await self._fleets.deploy(fleet, [plan], logs)
            return
        await self._fleets.scale(fleet, variant, number)

    def lead(self, component: Resource) -> None:
        """Lead the component's requests to its versions by their shares, from now on."""
        shares = {
            fleet_of(component, version): version.get("share", 1.0)
            for version in versions_of(component)
        }
        serving = {fleet: share for fleet, share in shares.items() if share > 0}
        self._fleets.publish(address_of(component), *serving, shares=list(serving.values()))

    def withdraw(self, component: Resource) -> None:
        """Lead the component's requests nowhere."""
        self._fleets.withdraw(address_of(component))

    async def retire(self, component: Resource, version: Version) -> None:
        """End all copies of a version, and remove its model."""
        await self._fleets.retire(fleet_of(component, version), places(component, version))
        await asyncio.to_thread(remove_all, [self.model_folder(component, version)])

    def model_folder(self, component: Resource, version: Version) -> Path:
        """Return where the model of a version lies."""
        return self._folder / folder_name(component, version)

    async def _plan(
        self, component: Resource, version: Version, number: int, logs: ContainerLogs
    ) -> VariantPlan:
        endpoint = endpoint_of(self._platform.db, component)
        item = None if endpoint is None else variant_item(endpoint, component)
        if endpoint is None or item is None:
            raise ModelDataError("The endpoint of the inference component does not exist any more.")
        startup = _startup(version, item["variant"])
        routing = item["variant"].get("RoutingConfig", {}).get("RoutingStrategy", "RANDOM")
        return VariantPlan(
            component.request["VariantName"],
            1.0,
            number,
            {"": await self._container(component, version, item["variant"], logs)},
            startup.get("ContainerStartupHealthCheckTimeoutInSeconds", START_TIMEOUT_S),
            STRATEGIES.get(routing, Strategy.LEAST_OUTSTANDING),
            _served(component, version, endpoint, item),
        )

    async def _container(
        self, component: Resource, version: Version, variant: dict[str, Any], logs: ContainerLogs
    ) -> SpecFactory:
        container = version["container"]
        folder = self.model_folder(component, version)
        folder.parent.mkdir(parents=True, exist_ok=True)
        await self._lay_out(version, _startup(version, variant), folder)
        name = component.request["VariantName"]
        runtime = await runtime_of(
            self._platform,
            images.resolved(container["Image"]).environment,
            lambda line: logs.tell(name, line),
        )
        placement = Placement(
            component.request["EndpointName"],
            component.region,
            component.account,
            variant,
            container,
            version["isolated"],
            folder,
            _limits(version["spec"], variant),
        )
        return specification(self._platform, placement, runtime)

    async def _lay_out(self, version: Version, startup: dict[str, Any], folder: Path) -> None:
        limit_s = startup.get("ModelDataDownloadTimeoutInSeconds")
        try:
            # The machine's own time: a download takes what it takes, whatever the clock says.
            async with asyncio.timeout(limit_s):
                await lay_out_model(self._platform, version["container"], folder)
        except TimeoutError:
            raise ModelDataError(
                f"Downloading and extracting the model data took longer than {limit_s} seconds"
                " (ModelDataDownloadTimeoutInSeconds)."
            ) from None


def _startup(version: Version, variant: dict[str, Any]) -> dict[str, Any]:
    """Return a component's limits for its start: its own, else those of its variant."""
    given = {name: variant[name] for name in _STARTUP if name in variant}
    own: dict[str, Any] = version["spec"].get("StartupParameters", {})
    return given | own


def reason_of(component: Resource, error: Exception) -> str:
    """Return the FailureReason of a component."""
    if isinstance(error, StartError):
        return (
            f"The primary container for inference component {component.name} did not pass the ping"
            " health check. Please check CloudWatch logs for this inference component. Its last"
            f" line: {error}"
        )[:1024]
    return failure_reason(error)


def log_group(name: str) -> str:
    """Return the log group of a component."""
    return f"/aws/sagemaker/InferenceComponents/{name}"


def _limits(spec: dict[str, Any], variant: dict[str, Any]) -> Limits:
    """Return what a copy may use: what it reserves is its own, up to its maximum it may go."""
    required, size = spec["ComputeResourceRequirements"], size_of(variant)
    most_mb = required.get("MaxMemoryRequiredInMb")
    cores = required.get("NumberOfCpuCoresRequired")
    return Limits(
        size.memory_bytes if most_mb is None else most_mb * _MB,
        size.cpu_count if cores is None else max(1, math.ceil(cores)),
    )


def _served(
    component: Resource, version: Version, endpoint: Resource, item: dict[str, Any]
) -> Served:
    return Served(
        component.account,
        component.region,
        endpoint.name,
        endpoint.state["config_name"],
        endpoint.state["config"],
        item["variant"],
        (ServedContainer("", SOLE_CONTAINER, version["container"]),),
        created=component.created,
        component=component.name,
    )
