"""Endpoints coming up, changing, going away; and coming back after the server was gone.

The row is the truth: `status` says what has been promised, `state` holds a copy of everything the
endpoint serves, so that deleting a model or a configuration does not touch it. Whatever was under
way when the server died is done again from the row; what no row knows of is ended.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from pathlib import Path

from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.hosting import capacities, records
from sagebrush.services.sagemaker.hosting.components.versions import kept_of_components
from sagebrush.services.sagemaker.hosting.failures import TROUBLE, failure_reason
from sagebrush.services.sagemaker.hosting.fleet_keeping import FleetKeeping
from sagebrush.services.sagemaker.hosting.guardrails.rollout import Rollout
from sagebrush.services.sagemaker.hosting.plans import Planner, remove_all
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.variants import address_of, places, states_of
from sagebrush.services.sagemaker.hosting.works import Works

_ALIVE = ("Creating", "Deleting", *records.SERVING)
_STOP_GRACE_S = 5.0
_WORKER = "endpoint deployments"

_log = logging.getLogger(__name__)


def deployments_of(platform: Platform) -> Deployments:
    """Return the deployments of a server."""
    found: Deployments | None = platform.workers.get(_WORKER)
    if found is None:
        found = platform.workers[_WORKER] = Deployments(platform)
    return found


async def start(platform: Platform) -> None:
    """Bring every endpoint back to what its row says."""
    deployments_of(platform).resume()


async def stop(platform: Platform) -> None:
    """End the model servers; their endpoints come back with the next start."""
    await deployments_of(platform).close()


class Deployments:
    """Everything that is done for endpoints outside of requests."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._db = platform.db
        self._planner = Planner(platform, platform.settings.data_dir.absolute() / "endpoints")
        self._fleets = FleetKeeping(platform, self._planner)
        self._works = Works(platform, "endpoint", address_of, self._fail)

    def resume(self) -> None:
        """Take every endpoint up where it was left, and end what none of them needs."""
        alive = records.with_status(self._db, records.ENDPOINT, _ALIVE)
        kept = [(endpoint, state) for endpoint in alive for state in states_of(endpoint)]
        components = kept_of_components(self._db)
        servers = self._platform.fleets.leftovers(
            itertools.chain(
                (place for endpoint, state in kept for place in places(endpoint, state)),
                components.places,
            )
        )
        models = {folder.name for one in kept for folder in self._planner.model_folders(*one)}
        models |= components.folders
        folder = self._planner.folder
        found = folder.iterdir() if folder.is_dir() else ()
        folders = [path for path in found if path.name.partition(".")[0] not in models]
        self._platform.spawn(self._clear_away(servers, folders), "what no endpoint needs")
        for endpoint in alive:
            if endpoint.status in records.SERVING:
                # Requests wait for the model servers instead of being told of no such endpoint.
                self._fleets.lead(endpoint)
            self._take_up(endpoint)

    async def close(self) -> None:
        """Leave everything under way where it is and end every model server."""
        await self._works.close()
        await self._platform.fleets.stop_all(_STOP_GRACE_S)

    def create(self, endpoint: Resource) -> None:
        """Bring a new endpoint up in the background."""
        self._works.begin(endpoint, self._create)

    def update(self, endpoint: Resource) -> None:
        """Do in the background what the row has under way: a deployment, or a change."""
        self._works.begin(endpoint, self._update)

    def remove(self, endpoint: Resource) -> None:
        """Take an endpoint down in the background; its row goes last."""
        self._works.begin_instead(endpoint, self._remove, self._take_up)

    @property
    def idle(self) -> bool:
        """Whether nothing is under way for any endpoint."""
        return self._works.idle

    async def hold(self, endpoint: Resource) -> None:
        """Wait a little for a young endpoint to come up, once in its life."""
        await self._works.hold(endpoint)

    async def finished(self, address: str) -> None:
        """Wait until nothing is under way for an endpoint any more."""
        await self._works.finished(address)

    def _take_up(self, endpoint: Resource) -> None:
        """Go on where an endpoint's row leaves it."""
        works = {"Creating": self._create, "Deleting": self._remove}
        if endpoint.status in _ALIVE:
            self._works.begin(endpoint, works.get(endpoint.status, self._restore))

    async def _restore(self, endpoint: Resource) -> None:
        """Bring up what served when the server went, and go on with what was under way."""
        try:
            if "deployment" in endpoint.state:
                await Rollout(self._platform, self._fleets, endpoint).restore()
            else:
                for state in states_of(endpoint):
                    await self._fleets.bring_up(endpoint, state)
        except TROUBLE as error:
            await self._give_up(endpoint, error)
            return
        self._fleets.lead(endpoint)
        await self._update(endpoint)

    async def _create(self, endpoint: Resource) -> None:
        try:
            await self._fleets.bring_up(endpoint, endpoint.state)
        except TROUBLE as error:
            await self._give_up(endpoint, error)
            return
        self._fleets.lead(endpoint)
        endpoint.status = "InService"
        records.save(self._db, endpoint, self._platform.clock.now())

    async def _update(self, endpoint: Resource) -> None:
        if "deployment" in endpoint.state:
            await Rollout(self._platform, self._fleets, endpoint).run()
        elif "change" in endpoint.state:
            await capacities.carry_out(self._platform, self._fleets, endpoint)

    async def _remove(self, endpoint: Resource) -> None:
        self._platform.fleets.withdraw(address_of(endpoint))
        for state in states_of(endpoint):
            await self._fleets.retire(endpoint, state)
        records.delete(self._db, endpoint)

    async def _clear_away(self, servers: list[Path], folders: list[Path]) -> None:
        await self._platform.fleets.end_leftovers(servers)
        await asyncio.to_thread(remove_all, folders)

    async def _give_up(self, endpoint: Resource, error: Exception) -> None:
        _log.warning("endpoint %s failed: %s", endpoint.name, error)
        self._platform.fleets.withdraw(address_of(endpoint))
        for state in states_of(endpoint):
            await self._fleets.retire(endpoint, state)
        self._fail(endpoint, error)

    def _fail(self, endpoint: Resource, error: Exception) -> None:
        self._platform.fleets.withdraw(address_of(endpoint))
        endpoint.status = "Failed"
        endpoint.state["failure_reason"] = failure_reason(error)
        records.save(self._db, endpoint, self._platform.clock.now())
