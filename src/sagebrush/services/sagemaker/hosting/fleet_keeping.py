"""The fleets of an endpoint: brought up, given instances, led to and ended, as its row says."""

from __future__ import annotations

import asyncio
from typing import Any

from sagebrush.engines.fleets import NotReadyError
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.capacity import require_instances
from sagebrush.services.sagemaker.hosting.components.versions import hosts_components
from sagebrush.services.sagemaker.hosting.container_logs import ContainerLogs
from sagebrush.services.sagemaker.hosting.instance_metrics import InstanceMetrics
from sagebrush.services.sagemaker.hosting.plans import Planner
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.serverless import demand_of
from sagebrush.services.sagemaker.hosting.variants import (
    address_of,
    fleet_of,
    is_shadow,
    name_of,
    places,
    present,
    states_of,
)


class FleetKeeping:
    """Does with fleets what a row asks for; every call may be made again."""

    def __init__(self, platform: Platform, planner: Planner) -> None:
        self._platform = platform
        self._fleets = platform.fleets
        self._planner = planner

    async def bring_up(self, endpoint: Resource, state: dict[str, Any]) -> None:
        """Bring up the fleet of a state with the instances that are `present`; no request gets it.

        Raises:
            SagebrushError, OSError: it cannot be brought up; nothing of it is left.
        """
        if hosts_components(state):
            self._require_instances(endpoint, state)
            return
        logs = ContainerLogs(self._platform, endpoint)
        plans = [
            await self._planner.plan(endpoint, state, item, logs) for item in state["variants"]
        ]
        observer = InstanceMetrics(self._platform, endpoint, state, logs)
        await self._fleets.deploy(fleet_of(endpoint, state), plans, observer)

    def is_up(self, endpoint: Resource, state: dict[str, Any]) -> bool:
        """Whether the fleet of a state is up, if it has one at all."""
        if hosts_components(state):
            return True
        try:
            self._fleets.router(fleet_of(endpoint, state))
        except NotReadyError:
            return False
        return True

    async def scale(
        self, endpoint: Resource, state: dict[str, Any], counts: dict[str, int]
    ) -> None:
        """Give the variants of a state's fleet so many instances, in place.

        None is ended before all new ones are healthy.

        Raises:
            SagebrushError: a new one did not come up; variants that got theirs keep them.
        """
        before = {name_of(item): present(item) for item in state["variants"]}
        more = {name: count for name, count in counts.items() if count > before[name]}
        for name in more:
            require_instances(self._platform, endpoint.account, endpoint.name, name)
        if hosts_components(state):
            return
        fleet = fleet_of(endpoint, state)
        await self._scale(fleet, more)
        fewer = {name: count for name, count in counts.items() if count < before[name]}
        await self._scale(fleet, fewer)

    async def change_demands(self, endpoint: Resource, state: dict[str, Any]) -> None:
        """Let the serverless variants of a state's fleet have the processes its row says.

        Raises:
            SagebrushError: what is to be provisioned did not come up.
        """
        for item in state["variants"]:
            demand = demand_of(self._platform, endpoint, item)
            if demand is not None:
                fleet = fleet_of(endpoint, state)
                await self._fleets.change_demand(fleet, name_of(item), demand)

    async def trim(self, endpoint: Resource, state: dict[str, Any]) -> None:
        """End the instances of a state's fleet that are more than its row says."""
        if hosts_components(state):
            return
        numbers = {name_of(item): present(item) for item in state["variants"]}
        await self._scale(fleet_of(endpoint, state), numbers)

    def _require_instances(self, endpoint: Resource, state: dict[str, Any]) -> None:
        if endpoint.status == "Creating" or state is not endpoint.state:
            for item in state["variants"]:
                require_instances(self._platform, endpoint.account, endpoint.name, name_of(item))

    async def _scale(self, fleet: str, counts: dict[str, int]) -> None:
        changes = [self._fleets.scale(fleet, name, count) for name, count in counts.items()]
        for outcome in await asyncio.gather(*changes, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    def lead(self, endpoint: Resource) -> None:
        """Lead the endpoint's requests to its fleets by weights and shares, from now on."""
        address = address_of(endpoint)
        if hosts_components(endpoint.state):
            # Known, but leading nowhere: components have addresses of their own.
            self._fleets.publish(address)
            return
        serving = [state for state in states_of(endpoint) if _takes_requests(state)]
        if len(serving) == 1:
            weights = {name_of(item): item["weight"] for item in serving[0]["variants"]}
            tables = {fleet_of(endpoint, serving[0]): weights}
            self._fleets.publish(address, *tables)
        else:
            tables = {fleet_of(endpoint, state): _weights(state) for state in serving}
            shares = [_share(state) for state in serving]
            self._fleets.publish(address, *tables, shares=shares)
        for fleet, weights in tables.items():
            try:
                self._fleets.router(fleet).reweigh(weights)
            except NotReadyError:
                # Its servers are only coming back; this is done again when they are there.
                continue

    async def retire(self, endpoint: Resource, state: dict[str, Any]) -> None:
        """End the fleet of a state, and remove its models."""
        await self._fleets.retire(fleet_of(endpoint, state), places(endpoint, state))
        await self._planner.discard(endpoint, state)


def _takes_requests(state: dict[str, Any]) -> bool:
    return any(item.get("share", 1.0) > 0 for item in state["variants"])


def _share(state: dict[str, Any]) -> float:
    """Return how much of all requests a state's fleet gets; 1 where it gets all of them."""
    production = [item for item in state["variants"] if not is_shadow(item)]
    total = sum(item["weight"] for item in production) or 1.0
    served: float = sum(item["weight"] * item.get("share", 1.0) for item in production)
    return served / total


def _weights(state: dict[str, Any]) -> dict[str, float]:
    """Return the weights of variants of which only a share takes traffic.

    A shadow keeps its weight relative to what it is a shadow of.
    """
    share = _share(state)
    return {
        name_of(item): item["weight"] * (share if is_shadow(item) else item.get("share", 1.0))
        for item in state["variants"]
    }
