"""All fleets of one server: made, routed to, adopted after a restart, retired."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sagebrush.engines.fleets.channel import Answer
from sagebrush.engines.fleets.errors import (
    FleetError,
    NobodyListensError,
    NoSuchFleetError,
    NotReadyError,
    ServerLostError,
)
from sagebrush.engines.fleets.router import Router, Variant
from sagebrush.engines.fleets.server import ModelServer, SpecFactory, end_leftover
from sagebrush.run.supervisor import Supervisor

_RESTART_PATIENCE_S = 10.0
_RESTART_POLL_S = 0.01
# The longest an invocation may take, which a fleet that is retired waits for.
_DRAIN_LIMIT_S = 60.0
STOP_GRACE_S = 30.0


class Observer(Protocol):
    """Who is told of every process of a fleet."""

    def server_started(self, variant: str, ordinal: int, directory: Path) -> None:
        """A process was started or adopted."""

    async def server_ended(self, directory: Path) -> None:
        """A process has ended; its directory stays until this returns. May come twice."""


@dataclass(frozen=True)
class VariantPlan:
    """What a variant shall be: its share, how many servers, how to make each, how long to wait."""

    name: str
    weight: float
    server_count: int
    make_spec: SpecFactory
    start_timeout_s: float


class Fleets:
    """Named groups of model servers behind one router each."""

    def __init__(self, supervisor: Supervisor, folder: Path) -> None:
        self._supervisor = supervisor
        self._folder = folder
        self._routers: dict[str, Router] = {}
        self._addresses: dict[str, str] = {}
        # Every server that has, or is about to have, a process; those not yet routed to as well.
        self._servers: set[ModelServer] = set()
        folder.mkdir(parents=True, exist_ok=True)

    def publish(self, address: str, name: str) -> None:
        """Lead requests for `address` to the fleet `name` from now on.

        They wait a while where that fleet is not up yet.
        """
        self._addresses[address] = name

    def withdraw(self, address: str) -> None:
        """Lead requests for `address` nowhere; no error when they lead nowhere already."""
        self._addresses.pop(address, None)

    def at(self, address: str) -> Router:
        """Return the router that requests for `address` go to.

        Raises:
            NoSuchFleetError: nothing is published there.
            NotReadyError: the fleet is not up yet.
        """
        name = self._addresses.get(address)
        if name is None:
            raise NoSuchFleetError(address)
        router = self._routers.get(name)
        if router is None:
            raise NotReadyError("its model servers are starting")
        return router

    async def deploy(self, name: str, plans: Sequence[VariantPlan], observer: Observer) -> None:
        """Bring a fleet up; processes that an earlier server left running are taken over.

        Raises:
            StartError: a server did not become healthy; nothing of the fleet is left then.
        """
        variants = [Variant(plan.name, plan.weight) for plan in plans]
        starting = []
        for plan, variant in zip(plans, variants, strict=True):
            for ordinal in range(plan.server_count):
                server = self._server(name, plan, ordinal, observer)
                variant.servers.append(server)
                starting.append(_start(server, variant, plan.start_timeout_s))
        try:
            outcomes = await asyncio.gather(*starting, return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
        except BaseException:
            await self._discard(variants, grace_s=0)
            raise
        self._routers[name] = Router(variants)

    async def invoke(
        self, address: str, message: bytes, *, timeout_s: float, target: str | None = None
    ) -> tuple[Answer, Variant]:
        """Send a request to the fleet published at `address`; return the answer and its variant.

        A request whose server dies before it answered is sent once more, to whichever server is
        there then.

        Raises:
            NoSuchFleetError, NoSuchVariantError: nothing of that name serves.
            NotReadyError: no server is healthy, and none came back in time.
            ServerLostError: it died twice.
            ServerTimeoutError: no answer in time.
        """
        deadline = time.monotonic() + _RESTART_PATIENCE_S
        deaths = 0
        while True:
            try:
                # Asked anew every time: the endpoint may have been led to another fleet meanwhile.
                variant, server = self.at(address).choose(target)
                return await self._ask(variant, server, message, timeout_s)
            except NotReadyError:
                if time.monotonic() > deadline:
                    raise
            except ServerLostError as error:
                # That it died may not have been noticed yet.
                deaths += not isinstance(error, NobodyListensError)
                if deaths > 1 or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(_RESTART_POLL_S)

    @staticmethod
    async def _ask(
        variant: Variant, server: ModelServer, message: bytes, timeout_s: float
    ) -> tuple[Answer, Variant]:
        try:
            return await server.request(message, timeout_s), variant
        except FleetError as error:
            error.variant = variant
            raise

    async def retire(self, name: str, counts: Mapping[str, int]) -> None:
        """Stop a fleet's servers, once they have answered what they were sent, and forget it.

        `counts` gives the servers of each variant, so that processes which an earlier server left
        and nobody has taken over end too.
        """
        router = self._routers.pop(name, None)
        if router is not None:
            await _drained(router.variants)
            await self._discard(router.variants, STOP_GRACE_S)
        await self.end_leftovers(
            self._folder_of(name, variant, ordinal)
            for variant, count in counts.items()
            for ordinal in range(count)
        )

    def leftovers(self, kept: Iterable[tuple[str, str, int]]) -> list[Path]:
        """Return the folders of servers that are none of `kept` (fleet, variant, ordinal)."""
        names = {self._folder_of(*one).name for one in kept}
        return [folder for folder in self._folder.iterdir() if folder.name not in names]

    async def end_leftovers(self, folders: Iterable[Path]) -> None:
        """End what an earlier server left running in `folders`, and remove those."""
        ending = (end_leftover(self._supervisor, folder, STOP_GRACE_S) for folder in folders)
        await asyncio.gather(*ending)

    async def stop_all(self, grace_s: float = STOP_GRACE_S) -> None:
        """Stop every process, keeping nothing to adopt."""
        self._routers.clear()
        await asyncio.gather(*(self._stop(server, grace_s) for server in list(self._servers)))

    def _server(
        self, name: str, plan: VariantPlan, ordinal: int, observer: Observer
    ) -> ModelServer:
        server = ModelServer(
            self._supervisor,
            self._folder_of(name, plan.name, ordinal),
            plan.make_spec,
            functools.partial(observer.server_started, plan.name, ordinal),
            observer.server_ended,
        )
        self._servers.add(server)
        return server

    def _folder_of(self, name: str, variant: str, ordinal: int) -> Path:
        # Short, since sockets lie below it and their names are limited.
        key = hashlib.sha256(f"{name}\0{variant}\0{ordinal}".encode()).hexdigest()[:12]
        return self._folder / key

    async def _discard(self, variants: Sequence[Variant], grace_s: float) -> None:
        servers = [server for variant in variants for server in variant.servers]
        await asyncio.gather(*(self._stop(server, grace_s) for server in servers))

    async def _stop(self, server: ModelServer, grace_s: float) -> None:
        await server.stop(grace_s)
        self._servers.discard(server)


async def _start(server: ModelServer, variant: Variant, timeout_s: float) -> None:
    try:
        await server.start(timeout_s)
    except FleetError as error:
        error.variant = variant
        raise


async def _drained(variants: Sequence[Variant]) -> None:
    """Return once no request is under way, or after the longest that one may take."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _DRAIN_LIMIT_S
    servers = [server for variant in variants for server in variant.servers]
    while loop.time() < deadline:
        if not any(server.outstanding for server in servers):
            return
        await asyncio.sleep(_RESTART_POLL_S)
