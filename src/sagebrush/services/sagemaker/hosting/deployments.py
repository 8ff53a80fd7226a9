"""Endpoints coming up, changing, going away; and coming back after the server was gone.

The row is the truth: `status` says what has been promised, `state` holds a copy of everything the
endpoint serves, so that deleting a model or a configuration does not touch it. Whatever was under
way when the server died is done again from the row; what no row knows of is ended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from sagebrush.base.errors import ApiError, SagebrushError
from sagebrush.engines.fleets import NotReadyError, StartError
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.container_logs import ContainerLogs
from sagebrush.services.sagemaker.hosting.plans import Planner, remove_all
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.variants import address_of, fleet_of, name_of, places

_ALIVE = ("Creating", "InService", "Updating", "Deleting")
_STOP_GRACE_S = 5.0
# Below this age an endpoint's first Describe waits for its servers, for at most that long: clients
# ask at once, and then only every 30 seconds.
_YOUNG_S = 10.0
_HOLD_S = 5.0
_WORKER = "endpoint deployments"
# What may go wrong with an endpoint without being a defect of this program.
_TROUBLE = (SagebrushError, OSError)

_log = logging.getLogger(__name__)

Work = Callable[[Resource], Awaitable[None]]


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
        # The last thing begun for each address; the next waits for it.
        self._work: dict[str, asyncio.Task[None]] = {}
        # The addresses of young endpoints whose first Describe has waited.
        self._held: set[str] = set()

    def resume(self) -> None:
        """Take every endpoint up where it was left, and end what none of them needs."""
        alive = records.with_status(self._db, records.ENDPOINT, _ALIVE)
        kept = [(endpoint, state) for endpoint in alive for state in _states(endpoint)]
        servers = self._platform.fleets.leftovers(
            place for endpoint, state in kept for place in places(endpoint, state)
        )
        models = {folder.name for one in kept for folder in self._planner.model_folders(*one)}
        folder = self._planner.folder
        found = folder.iterdir() if folder.is_dir() else ()
        folders = [path for path in found if path.name.partition(".")[0] not in models]
        self._platform.spawn(self._clear_away(servers, folders), "what no endpoint needs")
        for endpoint in alive:
            if endpoint.status in ("InService", "Updating"):
                # Requests wait for the model servers instead of being told of no such endpoint.
                address = address_of(endpoint)
                self._platform.fleets.publish(address, fleet_of(endpoint, endpoint.state))
            works = {"Creating": self._create, "Deleting": self._remove}
            self._begin(endpoint, works.get(endpoint.status, self._restore))

    async def close(self) -> None:
        """Leave everything under way where it is and end every model server."""
        tasks = list(self._work.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._platform.fleets.stop_all(_STOP_GRACE_S)

    def create(self, endpoint: Resource) -> None:
        """Bring a new endpoint up in the background."""
        self._begin(endpoint, self._create)

    def update(self, endpoint: Resource) -> None:
        """Replace what an endpoint serves by its `state["target"]`, in the background."""
        self._begin(endpoint, self._update)

    def remove(self, endpoint: Resource) -> None:
        """Take an endpoint down in the background; its row goes last."""
        self._begin(endpoint, self._remove, instead=True)

    def reweigh(self, endpoint: Resource) -> None:
        """Route by the weights in an endpoint's state from now on."""
        weights = {name_of(item): item["weight"] for item in endpoint.state["variants"]}
        try:
            self._platform.fleets.router(fleet_of(endpoint, endpoint.state)).reweigh(weights)
        except NotReadyError:
            # Its servers are only coming back; the weights are read from the row again then.
            _log.info("endpoint %s gets its weights when it is up", endpoint.name)

    async def hold(self, endpoint: Resource) -> None:
        """Wait a little for a young endpoint to come up, once in its life."""
        address = address_of(endpoint)
        work = self._work.get(address)
        age_s = self._platform.clock.now() - endpoint.created
        if work is None or endpoint.status != "Creating" or address in self._held:
            return
        if age_s <= _YOUNG_S:
            self._held.add(address)
            await asyncio.wait([work], timeout=_HOLD_S)

    def _begin(self, endpoint: Resource, work: Work, *, instead: bool = False) -> None:
        address = address_of(endpoint)
        earlier = self._work.get(address)
        task = self._platform.spawn(
            self._carry_out(endpoint, work, earlier, instead=instead), f"endpoint {endpoint.name}"
        )
        self._work[address] = task
        task.add_done_callback(lambda done: self._forget(address, done))

    def _forget(self, address: str, task: asyncio.Task[None]) -> None:
        if self._work.get(address) is task:
            del self._work[address]
            self._held.discard(address)

    async def _carry_out(
        self,
        endpoint: Resource,
        work: Work,
        earlier: asyncio.Task[None] | None,
        *,
        instead: bool,
    ) -> None:
        """Do `work` once what began earlier is over, or `instead` of the rest of that."""
        current = records.current(self._db, endpoint)
        if current is None or current.status != endpoint.status:
            return  # the request's transaction was rolled back after all
        if earlier is not None:
            if instead:
                earlier.cancel()
            await asyncio.wait([earlier])
        try:
            await work(current)
        except Exception as error:  # noqa: BLE001 - the boundary: a defect must not leave it pending
            _log.exception("endpoint %s", endpoint.name)
            self._fail(current, error)

    async def _restore(self, endpoint: Resource) -> None:
        try:
            await self._deploy(endpoint, endpoint.state)
        except _TROUBLE as error:
            await self._give_up(endpoint, error)
            return
        # The weights may have been changed while the servers came up.
        current = records.current(self._db, endpoint)
        if current is not None:
            self.reweigh(current)
        if endpoint.status == "Updating":
            await self._update(endpoint)

    async def _create(self, endpoint: Resource) -> None:
        try:
            await self._deploy(endpoint, endpoint.state)
        except _TROUBLE as error:
            await self._give_up(endpoint, error)
            return
        endpoint.status = "InService"
        records.save(self._db, endpoint, self._platform.clock.now())

    async def _update(self, endpoint: Resource) -> None:
        target = endpoint.state.pop("target")
        old = endpoint.state
        try:
            await self._deploy(endpoint, target)
        except _TROUBLE as error:
            # The old fleet has served all along and goes on.
            _log.warning("endpoint %s stays as it was: %s", endpoint.name, error)
            old |= {"failure_reason": _reason(error), "spent": target["generation"]}
            unused = target
        else:
            endpoint.state = target
            unused = old
        endpoint.status = "InService"
        records.save(self._db, endpoint, self._platform.clock.now())
        await self._retire(endpoint, unused)

    async def _remove(self, endpoint: Resource) -> None:
        self._platform.fleets.withdraw(address_of(endpoint))
        for state in _states(endpoint):
            await self._retire(endpoint, state)
        records.delete(self._db, endpoint)

    async def _clear_away(self, servers: list[Path], folders: list[Path]) -> None:
        await self._platform.fleets.end_leftovers(servers)
        await asyncio.to_thread(remove_all, folders)

    async def _deploy(self, endpoint: Resource, state: dict[str, Any]) -> None:
        """Bring up the fleet of a state and lead the endpoint's requests to it.

        Raises:
            SagebrushError, OSError: it cannot be brought up; nothing of it is left.
        """
        logs = ContainerLogs(self._platform, endpoint)
        plans = [
            await self._planner.plan(endpoint, state, item, logs) for item in state["variants"]
        ]
        fleet = fleet_of(endpoint, state)
        await self._platform.fleets.deploy(fleet, plans, logs)
        self._platform.fleets.publish(address_of(endpoint), fleet)

    async def _retire(self, endpoint: Resource, state: dict[str, Any]) -> None:
        """End the fleet of a state, and remove its models."""
        fleet = fleet_of(endpoint, state)
        await self._platform.fleets.retire(fleet, places(endpoint, state))
        await self._planner.discard(endpoint, state)

    async def _give_up(self, endpoint: Resource, error: Exception) -> None:
        _log.warning("endpoint %s failed: %s", endpoint.name, error)
        await self._planner.discard(endpoint, endpoint.state)
        self._fail(endpoint, error)

    def _fail(self, endpoint: Resource, error: Exception) -> None:
        self._platform.fleets.withdraw(address_of(endpoint))
        endpoint.status = "Failed"
        endpoint.state["failure_reason"] = _reason(error)
        records.save(self._db, endpoint, self._platform.clock.now())


def _states(endpoint: Resource) -> Iterator[dict[str, Any]]:
    """Yield what an endpoint serves and, while it is updated, what it shall serve."""
    yield endpoint.state
    if "target" in endpoint.state:
        yield endpoint.state["target"]


def _reason(error: Exception) -> str:
    """Return the FailureReason of an endpoint."""
    if isinstance(error, StartError):
        variant = "" if error.variant is None else f" {error.variant.name}"
        return (
            f"The primary container for production variant{variant} did not pass the ping health"
            f" check. Please check CloudWatch logs for this endpoint. Its last line: {error}"
        )[:1024]
    if isinstance(error, ApiError):
        return error.message[:1024]
    if isinstance(error, _TROUBLE):
        return str(error)[:1024]
    return f"InternalServerError: {type(error).__name__}: {error}"[:1024]
