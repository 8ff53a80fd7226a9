"""All fleets of one server: made, routed to, adopted after a restart, retired."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sagebrush.engines.fleets.channel import Answer
from sagebrush.engines.fleets.errors import (
    NobodyListensError,
    NoSuchFleetError,
    NotReadyError,
    ServerLostError,
)
from sagebrush.engines.fleets.router import Router, Variant
from sagebrush.engines.fleets.server import ModelServer, SpecFactory
from sagebrush.run.supervisor import Supervisor

_RESTART_PATIENCE_S = 10.0
_RESTART_POLL_S = 0.01
STOP_GRACE_S = 30.0

OnServer = Callable[[str, int, Path], None]
"""Called with variant, ordinal and directory whenever a process starts or is adopted."""


@dataclass(frozen=True)
class VariantPlan:
    """What a variant shall be: its share, how many servers, and how to make each."""

    name: str
    weight: float
    server_count: int
    make_spec: SpecFactory


class Fleets:
    """Named groups of model servers behind one router each."""

    def __init__(self, supervisor: Supervisor, folder: Path) -> None:
        self._supervisor = supervisor
        self._folder = folder
        self._routers: dict[str, Router] = {}
        self._addresses: dict[str, str] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def publish(self, address: str, name: str) -> None:
        """Lead requests for `address` to the fleet `name` from now on."""
        self._addresses[address] = name

    def withdraw(self, address: str) -> None:
        """Lead requests for `address` nowhere; no error when they lead nowhere already."""
        self._addresses.pop(address, None)

    def at(self, address: str) -> Router:
        """Return the router that requests for `address` go to.

        Raises:
            NoSuchFleetError: nothing is published there.
        """
        try:
            return self._routers[self._addresses[address]]
        except KeyError:
            raise NoSuchFleetError(address) from None

    def router(self, name: str) -> Router:
        """Return the router of a fleet.

        Raises:
            NoSuchFleetError: there is none of that name.
        """
        try:
            return self._routers[name]
        except KeyError:
            raise NoSuchFleetError(name) from None

    async def deploy(
        self,
        name: str,
        plans: Sequence[VariantPlan],
        *,
        timeout_s: float,
        on_server: OnServer | None = None,
    ) -> None:
        """Bring a fleet up; processes that an earlier server left running are taken over.

        Raises:
            StartError: a server did not become healthy; nothing of the fleet is left then.
        """
        variants = [Variant(plan.name, plan.weight) for plan in plans]
        starting = []
        for plan, variant in zip(plans, variants, strict=True):
            for ordinal in range(plan.server_count):
                server = self._server(name, plan, ordinal, on_server)
                variant.servers.append(server)
                starting.append(server.start(timeout_s))
        outcomes = await asyncio.gather(*starting, return_exceptions=True)
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        if failures:
            await self._discard(variants)
            raise failures[0]
        self._routers[name] = Router(variants)

    async def invoke(
        self, address: str, message: bytes, *, timeout_s: float, target: str | None = None
    ) -> tuple[Answer, str]:
        """Send a request to the fleet published at `address`; return the answer and its variant.

        A request whose server dies before it answered is sent once more, to another server or
        to the same one restarted.

        Raises:
            NoSuchFleetError, NoSuchVariantError: nothing of that name serves.
            NotReadyError: no server is healthy, and none came back in time.
            ServerLostError: it died twice.
            ServerTimeoutError: no answer in time.
        """
        router = self.at(address)
        deadline = asyncio.get_running_loop().time() + _RESTART_PATIENCE_S
        lost = 0
        while True:
            variant, server = await self._healthy(router, target, deadline)
            try:
                return await server.request(message, timeout_s), variant.name
            except ServerLostError as error:
                # Its death may not have been noticed yet: give it a moment, stay on the variant.
                lost += not isinstance(error, NobodyListensError)
                if lost > 1 or asyncio.get_running_loop().time() > deadline:
                    raise
                target = variant.name
                await asyncio.sleep(_RESTART_POLL_S)

    async def retire(self, name: str, counts: Mapping[str, int]) -> None:
        """Stop a fleet's servers and forget it.

        `counts` gives the servers of each variant, so that processes left by an earlier server,
        which nobody has deployed here, end too.
        """
        router = self._routers.pop(name, None)
        if router is not None:
            await self._discard(router.variants)
            return
        for variant, count in counts.items():
            for ordinal in range(count):
                folder = self._server_folder(name, variant, ordinal)
                await ModelServer.end_leftover(self._supervisor, folder, STOP_GRACE_S)

    def release(self) -> None:
        """Leave every process running, for the next server to adopt."""
        for router in self._routers.values():
            for variant in router.variants:
                for server in variant.servers:
                    server.release()
        self._routers.clear()

    async def stop_all(self, grace_s: float = STOP_GRACE_S) -> None:
        """Stop every process, keeping nothing to adopt."""
        routers = list(self._routers.values())
        self._routers.clear()
        for router in routers:
            await self._discard(router.variants, grace_s)

    def _server(
        self, name: str, plan: VariantPlan, ordinal: int, on_server: OnServer | None
    ) -> ModelServer:
        def started(directory: Path) -> None:
            if on_server is not None:
                on_server(plan.name, ordinal, directory)

        return ModelServer(
            self._supervisor, self._server_folder(name, plan.name, ordinal), plan.make_spec, started
        )

    def _server_folder(self, name: str, variant: str, ordinal: int) -> Path:
        # Short, since sockets lie below it and their names are limited.
        key = hashlib.sha256(f"{name}\0{variant}\0{ordinal}".encode()).hexdigest()[:12]
        return self._folder / key

    async def _healthy(
        self, router: Router, target: str | None, deadline: float
    ) -> tuple[Variant, ModelServer]:
        """Choose a server, waiting until `deadline` (the loop's time) while all of them restart."""
        while True:
            try:
                return router.choose(target)
            except NotReadyError:
                if asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(_RESTART_POLL_S)

    async def _discard(self, variants: Sequence[Variant], grace_s: float = STOP_GRACE_S) -> None:
        servers = [server for variant in variants for server in variant.servers]
        await asyncio.gather(*(server.stop(grace_s) for server in servers))
