"""Endpoints coming up, changing, going away; and coming back after the server was gone.

The row is the truth: `status` says what has been promised, `state` holds a copy of everything the
endpoint serves, so that deleting a model or a configuration does not touch it. Whatever was under
way when the server died is done again from the row.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import shutil
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from sagebrush.base.errors import SagebrushError
from sagebrush.engines.fleets import StartError, VariantPlan
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker import images
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.container_logs import ContainerLogs
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.serving import Placement, lay_out_model, specification
from sagebrush.services.sagemaker.runtimes import runtime_of

# AWS's own limit for a container to pass its first health check.
_START_TIMEOUT_S = 240.0
_ALIVE = ("Creating", "InService", "Updating", "Deleting")

_log = logging.getLogger(__name__)
_deployments: WeakKeyDictionary[Platform, Deployments] = WeakKeyDictionary()


def deployments_of(platform: Platform) -> Deployments:
    """Return the deployments of a server."""
    found = _deployments.get(platform)
    if found is None:
        found = _deployments[platform] = Deployments(platform)
    return found


async def start(platform: Platform) -> None:
    """Bring every endpoint back to what its row says."""
    await deployments_of(platform).resume()


async def stop(platform: Platform) -> None:
    """End the model servers; their endpoints come back with the next start."""
    await platform.fleets.stop_all(grace_s=5.0)


class Deployments:
    """Everything that is done for endpoints outside of requests."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._db = platform.db
        self._logs = ContainerLogs(platform)
        self._folder = platform.settings.data_dir.absolute() / "endpoints"

    async def resume(self) -> None:
        """Take every endpoint up where it was left."""
        for endpoint in records.with_status(self._db, records.ENDPOINT, _ALIVE):
            if endpoint.status == "Deleting":
                self._spawn(self._remove(endpoint), endpoint)
            else:
                self._spawn(self._restore(endpoint), endpoint)

    def create(self, endpoint: Resource) -> None:
        """Bring a new endpoint up in the background."""
        self._spawn(self._create(endpoint), endpoint)

    def update(self, endpoint: Resource) -> None:
        """Replace what an endpoint serves by its `state["target"]`, in the background."""
        self._spawn(self._update(endpoint), endpoint)

    def remove(self, endpoint: Resource) -> None:
        """Take an endpoint down in the background; its row goes last."""
        self._spawn(self._remove(endpoint), endpoint)

    def _spawn(self, work: Any, endpoint: Resource) -> None:
        self._platform.spawn(work, f"endpoint {endpoint.name}")

    async def _restore(self, endpoint: Resource) -> None:
        if endpoint.status == "Creating":
            await self._create(endpoint)
            return
        try:
            await self._deploy(endpoint, endpoint.state)
        except SagebrushError as error:
            self._fail(endpoint, error)
            return
        if endpoint.status == "Updating":
            await self._update(endpoint)

    async def _create(self, endpoint: Resource) -> None:
        try:
            await self._deploy(endpoint, endpoint.state)
        except SagebrushError as error:
            self._fail(endpoint, error)
            return
        endpoint.status = "InService"
        records.save(self._db, endpoint, self._platform.clock.now())

    async def _update(self, endpoint: Resource) -> None:
        old, target = dict(endpoint.state), endpoint.state["target"]
        try:
            await self._deploy(endpoint, target)
        except SagebrushError as error:
            # The old fleet has served all along and goes on.
            endpoint.state = {**old, "failure_reason": _reason(error)}
            endpoint.state.pop("target")
            endpoint.status = "InService"
            records.save(self._db, endpoint, self._platform.clock.now())
            await asyncio.to_thread(self._discard_models, endpoint, target)
            return
        endpoint.state = target
        endpoint.status = "InService"
        records.save(self._db, endpoint, self._platform.clock.now())
        await self._platform.fleets.retire(_fleet(endpoint, old), _server_counts(old))
        await asyncio.to_thread(self._discard_models, endpoint, old)

    async def _remove(self, endpoint: Resource) -> None:
        fleets = self._platform.fleets
        fleets.withdraw(address_of(endpoint))
        for state in (endpoint.state, endpoint.state.get("target")):
            if state is not None:
                await fleets.retire(_fleet(endpoint, state), _server_counts(state))
                await asyncio.to_thread(self._discard_models, endpoint, state)
        records.delete(self._db, endpoint)

    async def _deploy(self, endpoint: Resource, state: dict[str, Any]) -> None:
        """Bring up the fleet of a state and lead the endpoint's requests to it.

        Raises:
            SagebrushError: it cannot be brought up; nothing of it is left.
        """
        plans = [await self._plan(endpoint, state, item) for item in state["variants"]]
        fleet = _fleet(endpoint, state)
        await self._platform.fleets.deploy(
            fleet,
            plans,
            timeout_s=_START_TIMEOUT_S,
            on_server=lambda variant, ordinal, directory: self._logs.follow(
                endpoint, variant, ordinal, directory
            ),
        )
        self._platform.fleets.publish(address_of(endpoint), fleet)

    async def _plan(
        self, endpoint: Resource, state: dict[str, Any], item: dict[str, Any]
    ) -> VariantPlan:
        variant, container = item["variant"], item["container"]
        folder = self._model_folder(endpoint, state, variant["VariantName"])
        folder.parent.mkdir(parents=True, exist_ok=True)
        await lay_out_model(self._platform, container, folder)
        image = images.resolved(container["Image"])
        name = variant["VariantName"]
        runtime = await runtime_of(
            self._platform,
            image.environment,
            lambda line: self._logs.tell(endpoint, name, line),
        )
        placement = Placement(
            endpoint.name,
            endpoint.region,
            endpoint.account,
            variant,
            container,
            item["network_isolation"],
            folder,
        )
        return VariantPlan(
            name,
            item["weight"],
            variant["InitialInstanceCount"],
            specification(self._platform, placement, runtime),
        )

    def _fail(self, endpoint: Resource, error: SagebrushError) -> None:
        _log.warning("endpoint %s failed: %s", endpoint.name, error)
        endpoint.status = "Failed"
        endpoint.state["failure_reason"] = _reason(error)
        records.save(self._db, endpoint, self._platform.clock.now())

    def _model_folder(self, endpoint: Resource, state: dict[str, Any], variant: str) -> Path:
        name = f"{_fleet(endpoint, state)}\0{variant}"
        return self._folder / hashlib.sha256(name.encode()).hexdigest()[:16]

    def _discard_models(self, endpoint: Resource, state: dict[str, Any]) -> None:
        for item in state["variants"]:
            folder = self._model_folder(endpoint, state, item["variant"]["VariantName"])
            shutil.rmtree(folder, ignore_errors=True)


def address_of(endpoint: Resource) -> str:
    """Return where invocations of an endpoint go; the runtime service makes the same."""
    return f"{endpoint.account}/{endpoint.region}/{endpoint.name}"


def _server_counts(state: dict[str, Any]) -> dict[str, int]:
    """Return how many servers each variant of a state has."""
    return {
        item["variant"]["VariantName"]: item["variant"]["InitialInstanceCount"]
        for item in state["variants"]
    }


def _fleet(endpoint: Resource, state: dict[str, Any]) -> str:
    # The creation time keeps an endpoint apart from an earlier one of the same name.
    return f"{address_of(endpoint)}/{endpoint.created}/{state['generation']}"


def _reason(error: SagebrushError) -> str:
    if isinstance(error, StartError):
        return (
            "The primary container for a production variant did not pass the ping health check."
            f" Please check CloudWatch logs for this endpoint. Its last line: {error}"
        )[:1024]
    return str(error)[:1024]
