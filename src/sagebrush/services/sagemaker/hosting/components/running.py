"""Components coming up, changing, going away; and coming back after the server was gone.

As with endpoints the row is the truth: what was under way when the server died is done again from
it. What nobody needs any more is ended by the endpoints' own start, which knows of components.
"""

from __future__ import annotations

import logging

from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.components.component_fleets import (
    ComponentFleets,
    reason_of,
)
from sagebrush.services.sagemaker.hosting.components.rolling import Rolling
from sagebrush.services.sagemaker.hosting.components.slots import release, reserve
from sagebrush.services.sagemaker.hosting.components.versions import (
    SERVING,
    address_of,
    versions_of,
)
from sagebrush.services.sagemaker.hosting.failures import TROUBLE
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.works import Works

_ALIVE = ("Creating", "Deleting", *SERVING)
_WORKER = "inference components"

_log = logging.getLogger(__name__)


def components_of(platform: Platform) -> Components:
    """Return the components of a server."""
    found: Components | None = platform.workers.get(_WORKER)
    if found is None:
        found = platform.workers[_WORKER] = Components(platform)
    return found


async def start(platform: Platform) -> None:
    """Bring every component back to what its row says."""
    components_of(platform).resume()


async def stop(platform: Platform) -> None:
    """Leave everything under way where it is; the endpoints end all model servers."""
    await components_of(platform).close()


class Components:
    """Everything that is done for components outside of requests."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._db = platform.db
        self._fleets = ComponentFleets(
            platform, platform.settings.data_dir.absolute() / "endpoints"
        )
        self._works = Works(platform, "inference component", address_of, self._fail)

    def resume(self) -> None:
        """Take every component up where it was left."""
        for component in records.with_status(self._db, records.INFERENCE_COMPONENT, _ALIVE):
            if component.status in SERVING:
                # Requests wait for the copies instead of being told of no such component.
                self._fleets.lead(component)
            self._take_up(component)

    async def close(self) -> None:
        """Leave everything under way where it is."""
        await self._works.close()

    def create(self, component: Resource) -> None:
        """Bring a new component up in the background."""
        self._works.begin(component, self._create)

    def update(self, component: Resource) -> None:
        """Do in the background what the row has under way: a deployment, or other copies."""
        self._works.begin(component, self._update)

    def remove(self, component: Resource) -> None:
        """Take a component down in the background; its row goes last."""
        self._works.begin_instead(component, self._remove, self._take_up)

    @property
    def idle(self) -> bool:
        """Whether nothing is under way for any component."""
        return self._works.idle

    async def hold(self, component: Resource) -> None:
        """Wait a little for a young component to come up, once in its life."""
        await self._works.hold(component)

    async def finished(self, address: str) -> None:
        """Wait until nothing is under way for a component any more."""
        await self._works.finished(address)

    def _take_up(self, component: Resource) -> None:
        """Go on where a component's row leaves it."""
        works = {"Creating": self._create, "Deleting": self._remove}
        if component.status in _ALIVE:
            self._works.begin(component, works.get(component.status, self._restore))

    async def _create(self, component: Resource) -> None:
        state = component.state
        number: int = state["desired"]
        try:
            reserve(self._platform, component, state, number)
            state["wanted"] = number
            self._save(component)
            await self._fleets.scale(component, state, number)
        except TROUBLE as error:
            await self._give_up(component, error)
            return
        state["copies"] = state.pop("wanted")
        component.status = "InService"
        self._save(component)
        self._fleets.lead(component)

    async def _restore(self, component: Resource) -> None:
        """Bring up what served when the server went, and go on with what was under way."""
        state = component.state
        try:
            if "deployment" in state:
                await Rolling(self._platform, self._fleets, component).restore()
            else:
                await self._fleets.scale(component, state, state["copies"])
        except TROUBLE as error:
            await self._give_up(component, error)
            return
        self._fleets.lead(component)
        await self._update(component)

    async def _update(self, component: Resource) -> None:
        if "deployment" in component.state:
            await Rolling(self._platform, self._fleets, component).run()
        elif "wanted" in component.state:
            await self._change(component)

    async def _change(self, component: Resource) -> None:
        """Have as many copies as wanted, in place; as many as before where that is impossible."""
        state = component.state
        wanted, before = state["wanted"], state["copies"]
        try:
            reserve(self._platform, component, state, wanted)
            await self._fleets.scale(component, state, wanted)
        except TROUBLE as error:
            _log.warning("inference component %s keeps its copies: %s", component.name, error)
            state |= {"desired": before, "failure_reason": reason_of(component, error)}
            wanted = before
        del state["wanted"]
        state["copies"] = wanted
        release(self._db, component, state, wanted)
        component.status = "InService"
        self._save(component)

    async def _remove(self, component: Resource) -> None:
        await self._clear(component)
        records.delete(self._db, component)

    async def _give_up(self, component: Resource, error: Exception) -> None:
        _log.warning("inference component %s failed: %s", component.name, error)
        await self._clear(component)
        self._fail(component, error)

    async def _clear(self, component: Resource) -> None:
        self._fleets.withdraw(component)
        for version in versions_of(component):
            await self._fleets.retire(component, version)
            release(self._db, component, version)

    def _fail(self, component: Resource, error: Exception) -> None:
        self._fleets.withdraw(component)
        component.status = "Failed"
        component.state["failure_reason"] = reason_of(component, error)
        self._save(component)

    def _save(self, component: Resource) -> None:
        records.save(self._db, component, self._platform.clock.now())
