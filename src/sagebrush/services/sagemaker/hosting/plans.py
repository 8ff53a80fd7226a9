"""From what an endpoint shall serve to a fleet: models on disk, how to start their servers."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from pathlib import Path
from typing import Any

from sagebrush.engines.fleets import SpecFactory, Strategy, VariantPlan
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker import images
from sagebrush.services.sagemaker.capacity import require_instances
from sagebrush.services.sagemaker.hosting.container_logs import ContainerLogs
from sagebrush.services.sagemaker.hosting.containers import is_multi_model
from sagebrush.services.sagemaker.hosting.model_data import lay_out_model
from sagebrush.services.sagemaker.hosting.multi_model.counts import counts_of
from sagebrush.services.sagemaker.hosting.multi_model.models import VariantModels
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.serverless import (
    SERVERLESS_START_TIMEOUT_S,
    demand_of,
    is_serverless,
)
from sagebrush.services.sagemaker.hosting.serving import Placement, specification
from sagebrush.services.sagemaker.hosting.variants import (
    container_keys,
    fleet_of,
    is_shadow,
    name_of,
    present,
)
from sagebrush.services.sagemaker.runtimes import runtime_of
from sagebrush.services.served import SOLE_CONTAINER, Served, ServedContainer

# AWS's own limit for a container to pass its first health check, unless the variant has another.
START_TIMEOUT_S = 240.0
STRATEGIES = {
    "LEAST_OUTSTANDING_REQUESTS": Strategy.LEAST_OUTSTANDING,
    "RANDOM": Strategy.RANDOM,
}


class Planner:
    """Lays models out below one folder and says how to serve them."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self._platform = platform
        self.folder = folder

    async def plan(
        self, endpoint: Resource, state: dict[str, Any], item: dict[str, Any], logs: ContainerLogs
    ) -> VariantPlan:
        """Return how to serve a variant, its models being on disk.

        Raises:
            SagebrushError, OSError: a model, its environment or an instance cannot be had.
        """
        variant = item["variant"]
        is_new = state is endpoint.state.get("target") and not item["share"]
        if endpoint.status == "Creating" or is_new:
            # What serves already has its instances, and gets them back after a restart.
            require_instances(self._platform, endpoint.account, endpoint.name, name_of(item))
        containers = {
            key: await self._container(endpoint, state, item, number, logs)
            for number, key in enumerate(container_keys(item))
        }
        routing = variant.get("RoutingConfig", {}).get("RoutingStrategy", "RANDOM")
        return VariantPlan(
            name_of(item),
            item["weight"],
            present(item),
            containers,
            SERVERLESS_START_TIMEOUT_S
            if is_serverless(variant)
            else variant.get("ContainerStartupHealthCheckTimeoutInSeconds", START_TIMEOUT_S),
            STRATEGIES[routing],
            _served(self._platform, endpoint, state, item),
            shadow=is_shadow(item),
            demand=demand_of(self._platform, endpoint, item),
        )

    def model_folders(self, endpoint: Resource, state: dict[str, Any]) -> list[Path]:
        """Return where the models of a state lie."""
        return [
            self._model_folder(endpoint, state, item, key)
            for item in state["variants"]
            for key in container_keys(item)
        ]

    async def discard(self, endpoint: Resource, state: dict[str, Any]) -> None:
        """Remove the models of a state from the disk."""
        await asyncio.to_thread(remove_all, self.model_folders(endpoint, state))

    async def _container(
        self,
        endpoint: Resource,
        state: dict[str, Any],
        item: dict[str, Any],
        number: int,
        logs: ContainerLogs,
    ) -> SpecFactory:
        container = item["containers"][number]
        folder = self._model_folder(endpoint, state, item, container_keys(item)[number])
        folder.parent.mkdir(parents=True, exist_ok=True)
        await lay_out_model(self._platform, container, folder)
        runtime = await runtime_of(
            self._platform,
            images.resolved(container["Image"]).environment,
            lambda line: logs.tell(name_of(item), line),
        )
        placement = Placement(
            endpoint.name,
            endpoint.region,
            endpoint.account,
            item["variant"],
            container,
            item["network_isolation"],
            folder,
        )
        return specification(self._platform, placement, runtime)

    def _model_folder(
        self, endpoint: Resource, state: dict[str, Any], item: dict[str, Any], key: str
    ) -> Path:
        parts = [fleet_of(endpoint, state), name_of(item), *([key] if key else [])]
        return self.folder / hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def remove_all(folders: list[Path]) -> None:
    """Remove folders and files, those that are there."""
    for folder in folders:
        if folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)
        else:
            folder.unlink(missing_ok=True)


def _served(
    platform: Platform, endpoint: Resource, state: dict[str, Any], item: dict[str, Any]
) -> Served:
    scope = (endpoint.account, endpoint.region, endpoint.name)
    containers = []
    for key, given in zip(container_keys(item), item["containers"], strict=True):
        many = is_multi_model(given)
        models = VariantModels(platform, scope, item["variant"], given, key) if many else None
        if many:
            counts_of(platform).watch()
        containers.append(ServedContainer(key, key or SOLE_CONTAINER, given, models))
    return Served(
        endpoint.account,
        endpoint.region,
        endpoint.name,
        state["config_name"],
        state["config"],
        item["variant"],
        tuple(containers),
        item["mode"] == "Direct",
        created=endpoint.created,
        is_shadow=is_shadow(item),
    )
