"""All fleets of one server: made, routed to, scaled, adopted after a restart, retired."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sagebrush.engines.fleets.errors import (
    FleetError,
    NoSuchInstanceError,
    NoSuchVariantError,
    NotReadyError,
    ServerLostError,
)
from sagebrush.engines.fleets.exposure import Exposure
from sagebrush.engines.fleets.instance import Instance, Observer, Place, make_instance
from sagebrush.engines.fleets.losses import Losses
from sagebrush.engines.fleets.on_demand import Demand, OnDemandServer, make_on_demand
from sagebrush.engines.fleets.router import Router, Strategy, Variant
from sagebrush.engines.fleets.routes import Routes
from sagebrush.engines.fleets.server import SpecFactory, end_leftover
from sagebrush.engines.injection import Injection
from sagebrush.run.supervisor import Supervisor

_RESTART_PATIENCE_S = 10.0
_RESTART_POLL_S = 0.01
# The longest an invocation may take, which a fleet that is retired waits for.
_DRAIN_LIMIT_S = 60.0
STOP_GRACE_S = 30.0

_Answer = TypeVar("_Answer")
Ask = Callable[[Variant, Instance], Awaitable[_Answer]]
"""Has a chosen instance answer; a `ServerLostError` of it means that it may be asked again."""


@dataclass(frozen=True)
class VariantPlan:
    """What a variant shall be.

    `containers` says how to make the model server of each container of an instance, by name; the
    name is empty where there is only one. `start_timeout_s` is how long one may take to answer
    pings. `traits` comes back with every request (`Variant.traits`).
    """

    name: str
    weight: float
    instance_count: int
    containers: Mapping[str, SpecFactory]
    start_timeout_s: float
    strategy: Strategy = Strategy.LEAST_OUTSTANDING
    traits: Any = None
    shadow: bool = False
    # Set where the model servers are started by requests; there is one instance then.
    demand: Demand | None = None


class Attempt(NamedTuple):
    """Whom `Fleets.choose` gave for a request, and when it was sent (`time.monotonic`)."""

    variant: Variant
    instance: Instance
    began: float


@dataclass(frozen=True)
class _Fleet:
    """A fleet that is up."""

    router: Router
    plans: Mapping[str, VariantPlan]
    observer: Observer


class Fleets:
    """Named groups of model servers, and the addresses that requests for them come to."""

    def __init__(
        self, supervisor: Supervisor, folder: Path, injection: Injection | None = None
    ) -> None:
        self._supervisor = supervisor
        self._injection = injection
        self._folder = folder
        self._fleets: dict[str, _Fleet] = {}
        self._routes = Routes()
        # Every instance that has, or is about to have, processes; those not yet routed to as well.
        self._instances: set[Instance] = set()
        # Who is called when an address leads elsewhere or a fleet has come up, grown or shrunk.
        self.on_change: list[Callable[[], None]] = []
        folder.mkdir(parents=True, exist_ok=True)

    def publish(self, address: str, *names: str, shares: Sequence[float] = ()) -> None:
        """Lead requests for `address` to the fleets `names` from now on, by `shares` if several.

        They wait a while where a fleet is not up yet.
        """
        weights = shares or [1.0] * len(names)
        self._routes.publish(address, dict(zip(names, weights, strict=True)))
        self._changed()

    def withdraw(self, address: str) -> None:
        """Lead requests for `address` nowhere; no error when they lead nowhere already."""
        self._routes.withdraw(address)
        self._changed()

    @property
    def addresses(self) -> list[str]:
        """The addresses that lead to fleets, whether those are up yet or not."""
        return self._routes.addresses

    def routers(self, address: str) -> list[Router]:
        """Return the routers of the fleets behind `address` that are up, the first first.

        Raises:
            NoSuchFleetError: nothing is published there.
        """
        fleets = (self._fleets.get(name) for name in self._routes.fleets(address))
        return [fleet.router for fleet in fleets if fleet is not None]

    def router(self, name: str) -> Router:
        """Return the router of a fleet.

        Raises:
            NotReadyError: the fleet is not up.
        """
        fleet = self._fleets.get(name)
        if fleet is None:
            raise NotReadyError("its model servers are starting")
        return fleet.router

    def choose(self, address: str, target: str | None = None) -> tuple[Variant, Instance]:
        """Return the variant (`target` when given) and the instance for the next request.

        Raises:
            NoSuchFleetError, NoSuchVariantError: nothing of that name serves.
            NotReadyError: the fleet is not up yet, or no instance is healthy.
        """
        router = self.router(self._routes.choose(address))
        if target is None or router.variant(target) is not None:
            return router.choose(target)
        # While one fleet replaces another, a variant may be in only one of them.
        for other in self.routers(address):
            if other.variant(target) is not None:
                return other.choose(target)
        raise NoSuchVariantError(target)

    async def deploy(self, name: str, plans: Sequence[VariantPlan], observer: Observer) -> None:
        """Bring a fleet up; processes that an earlier server left running are taken over.

        Raises:
            StartError: a server did not become healthy; nothing of the fleet is left then.
        """
        variants = []
        starting = []
        for plan in plans:
            variant = Variant(plan.name, plan.weight, [], plan.strategy, plan.traits, plan.shadow)
            variants.append(variant)
            for ordinal in range(plan.instance_count):
                instance = self._instance(name, plan, ordinal, observer)
                variant.instances.append(instance)
                starting.append(_started(instance, variant, plan.start_timeout_s))
        try:
            await _all(starting)
        except BaseException:
            await self._discard([each for one in variants for each in one.instances], grace_s=0)
            raise
        by_name = {plan.name: plan for plan in plans}
        self._fleets[name] = _Fleet(Router(variants), by_name, observer)
        self._changed()

    async def scale(self, name: str, variant_name: str, count: int) -> None:
        """Give a variant of a fleet `count` instances, in place.

        New ones take requests when all of them are healthy; superfluous ones take none from now on
        and end once they have answered what they were sent.

        Raises:
            NotReadyError: the fleet is not up.
            NoSuchVariantError: it has no such variant.
            StartError: a new instance did not become healthy; the old ones serve on.
        """
        self.router(name)
        fleet = self._fleets[name]
        variant = fleet.router.variant(variant_name)
        if variant is None:
            raise NoSuchVariantError(variant_name)
        present = {instance.ordinal for instance in variant.instances}
        superfluous = [each for each in variant.instances if each.ordinal >= count]
        plan = fleet.plans[variant_name]
        new = [
            self._instance(name, plan, ordinal, fleet.observer)
            for ordinal in range(count)
            if ordinal not in present
        ]
        try:
            await _all([_started(each, variant, plan.start_timeout_s) for each in new])
        except BaseException:
            await self._discard(new, grace_s=0)
            raise
        variant.instances = [each for each in [*variant.instances, *new] if each not in superfluous]
        self._changed()
        await _drained(superfluous)
        await self._discard(superfluous, STOP_GRACE_S)

    async def change_demand(self, name: str, variant_name: str, demand: Demand) -> None:
        """Let another demand count for a variant whose servers are started by requests.

        Raises:
            NotReadyError: the fleet is not up.
            NoSuchVariantError: it has no such variant.
            StartError: what is to be provisioned did not become healthy; nothing has changed.
        """
        variant = self.router(name).variant(variant_name)
        if variant is None:
            raise NoSuchVariantError(variant_name)
        for instance in variant.instances:
            if isinstance(instance.sole, OnDemandServer):
                await instance.sole.change(demand)

    async def invoke(
        self,
        address: str,
        ask: Ask[_Answer],
        *,
        target: str | None = None,
        instance_key: str | None = None,
        first: Attempt | None = None,
    ) -> tuple[_Answer, Variant]:
        """Have an instance behind `address` answer; return that and its variant.

        A request whose server dies before it answered is asked once more, of whichever instance is
        there then; of the same one where `instance_key` names it. `first` is an attempt that has
        begun already.

        Raises:
            NoSuchFleetError, NoSuchVariantError, NoSuchInstanceError: nothing of that name serves.
            NotReadyError: no instance is healthy, and none came back in time.
            ServerLostError: it died twice.
            ServerTimeoutError: no answer in time.
        """
        deadline = time.monotonic() + _RESTART_PATIENCE_S
        deaths, losses = 0, None
        while True:
            began = time.monotonic()
            try:
                # Chosen anew every time: the address may lead to another fleet meanwhile.
                if first is not None:
                    (variant, instance, began), first = first, None
                elif instance_key is None:
                    variant, instance = self.choose(address, target)
                else:
                    variant, instance = self._named(address, instance_key)
                return await _asked(ask, variant, instance), variant
            except NotReadyError:
                if time.monotonic() > deadline:
                    raise
            except ServerLostError as error:
                # That it died may not have been noticed yet.
                losses = losses or Losses()
                deaths += losses.blames(instance, error, time.monotonic() - began)
                if deaths > 1 or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(_RESTART_POLL_S)

    def _named(self, address: str, key: str) -> tuple[Variant, Instance]:
        for router in self.routers(address):
            for variant in router.variants:
                for instance in variant.instances:
                    if instance.key == key:
                        if not instance.healthy:
                            raise NotReadyError("the instance is starting again")
                        return variant, instance
        raise NoSuchInstanceError(key)

    async def retire(self, name: str, places: Iterable[Place]) -> None:
        """Stop a fleet's servers, once they have answered what they were sent, and forget it.

        `places` are those of its servers, so that processes which an earlier server left and
        nobody has taken over end too.
        """
        fleet = self._fleets.pop(name, None)
        if fleet is not None:
            instances = [each for one in fleet.router.variants for each in one.instances]
            await _drained(instances)
            await self._discard(instances, STOP_GRACE_S)
        await self.end_leftovers(self._folder / place.folder_name for place in places)

    def leftovers(self, kept: Iterable[Place]) -> list[Path]:
        """Return the folders of servers that are at none of the places `kept`."""
        names = {place.folder_name for place in kept}
        return [folder for folder in self._folder.iterdir() if folder.name not in names]

    async def end_leftovers(self, folders: Iterable[Path]) -> None:
        """End what an earlier server left running in `folders`, and remove those."""
        ending = (end_leftover(self._supervisor, folder, STOP_GRACE_S) for folder in folders)
        await asyncio.gather(*ending)

    async def stop_all(self, grace_s: float = STOP_GRACE_S) -> None:
        """Stop every process, keeping nothing to adopt."""
        self._fleets.clear()
        await self._discard(list(self._instances), grace_s)

    def _changed(self) -> None:
        for call in self.on_change:
            call()

    def _instance(self, name: str, plan: VariantPlan, ordinal: int, observer: Observer) -> Instance:
        place = Place(name, plan.name, ordinal)
        if plan.demand is None:
            instance = make_instance(
                self._supervisor, self._folder, place, plan.containers, observer
            )
        else:
            (make_spec,) = plan.containers.values()
            instance = make_on_demand(
                self._supervisor, self._folder, place, make_spec, observer, plan.demand
            )
        if self._injection is not None:
            # A fleet's name begins with its address: account, region, endpoint.
            account, _, endpoint = [*name.split("/"), "", ""][:3]
            target = f"endpoint/{endpoint}/{plan.name}"
            for server in instance.servers.values():
                server.exposure = Exposure(self._injection, account, target)
        self._instances.add(instance)
        return instance

    async def _discard(self, instances: Sequence[Instance], grace_s: float) -> None:
        await asyncio.gather(*(self._stop(instance, grace_s) for instance in instances))

    async def _stop(self, instance: Instance, grace_s: float) -> None:
        await instance.stop(grace_s)
        self._instances.discard(instance)


async def _asked(ask: Ask[_Answer], variant: Variant, instance: Instance) -> _Answer:
    try:
        return await ask(variant, instance)
    except FleetError as error:
        error.variant = variant
        raise


async def _started(instance: Instance, variant: Variant, timeout_s: float) -> None:
    try:
        await instance.start(timeout_s)
    except FleetError as error:
        error.variant = variant
        raise


async def _all(starting: Sequence[Awaitable[None]]) -> None:
    """Wait for every one of them, then raise what the first that failed raised."""
    for outcome in await asyncio.gather(*starting, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


async def _drained(instances: Sequence[Instance]) -> None:
    """Return once no request is under way, or after the longest that one may take."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _DRAIN_LIMIT_S
    while loop.time() < deadline:
        if not any(instance.outstanding for instance in instances):
            return
        await asyncio.sleep(_RESTART_POLL_S)
