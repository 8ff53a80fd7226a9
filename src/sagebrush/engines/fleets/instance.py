"""One instance of a variant: a model server for each of its containers."""

from __future__ import annotations

import asyncio
import functools
import hashlib
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from sagebrush.engines.fleets.errors import FleetError, StartError
from sagebrush.engines.fleets.server import ModelServer, SpecFactory
from sagebrush.run.supervisor import Supervisor


class Place(NamedTuple):
    """Where a model server belongs; `container` is empty where an instance has only one."""

    fleet: str
    variant: str
    ordinal: int
    container: str = ""

    @property
    def folder_name(self) -> str:
        """The server's folder. Short, since sockets lie below it and their names are limited."""
        parts = [self.fleet, self.variant, str(self.ordinal)]
        return _digest(parts + [self.container] * bool(self.container))[:12]

    @property
    def instance_key(self) -> str:
        """16 hexadecimal digits that all servers of the instance have in common."""
        return _digest([self.fleet, self.variant, str(self.ordinal)])[:16]


class Observer(Protocol):
    """Who is told of every process of a fleet."""

    def server_started(self, place: Place, directory: Path) -> None:
        """A process was started or adopted."""

    async def server_ended(self, directory: Path) -> None:
        """A process has ended; its directory stays until this returns. May come twice."""


class Instance:
    """Model servers that answer one after another, or each for itself; healthy when all are."""

    __slots__ = ("engaged", "key", "ordinal", "servers", "sole")

    def __init__(self, ordinal: int, servers: Mapping[str, ModelServer], key: str = "") -> None:
        self.ordinal = ordinal
        self.servers = dict(servers)
        self.key = key
        # Work for requests that no server is asked for at the moment: it counts as outstanding.
        self.engaged = 0
        # The server that is asked where there is only one, or the first of several.
        self.sole = next(iter(self.servers.values()))

    @property
    def healthy(self) -> bool:
        """Whether every server answers at present."""
        if len(self.servers) == 1:
            return self.sole.healthy
        return all(server.healthy for server in self.servers.values())

    @property
    def incarnations(self) -> tuple[int, ...]:
        """Which processes serve: other numbers when one has been replaced."""
        return tuple(server.incarnation for server in self.servers.values())

    @property
    def outstanding(self) -> int:
        """Requests that have been given to it and are not answered."""
        if len(self.servers) == 1:
            return self.engaged + self.sole.outstanding
        return self.engaged + sum(server.outstanding for server in self.servers.values())

    async def start(self, timeout_s: float) -> None:
        """Start every server, or take over what an earlier process of this program left.

        Raises:
            StartError: some did not become healthy; their containers are named. The rest may run.
        """
        starting = [
            _started(name, server.start(timeout_s)) for name, server in self.servers.items()
        ]
        outcomes = await asyncio.gather(*starting, return_exceptions=True)
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        for failure in failures:
            if not isinstance(failure, StartError):
                raise failure
        if failures:
            raise _joined([each for each in failures if isinstance(each, StartError)])

    async def stop(self, grace_s: float) -> None:
        """End every process for good and remove what they left."""
        await asyncio.gather(*(server.stop(grace_s) for server in self.servers.values()))


def make_instance(
    supervisor: Supervisor,
    folder: Path,
    place: Place,
    containers: Mapping[str, SpecFactory],
    observer: Observer,
) -> Instance:
    """Return an instance whose servers are not started yet; `folder` holds all of them."""
    servers = {}
    for container, make_spec in containers.items():
        own = place._replace(container=container)
        servers[container] = ModelServer(
            supervisor,
            folder / own.folder_name,
            make_spec,
            functools.partial(observer.server_started, own),
            observer.server_ended,
        )
    return Instance(place.ordinal, servers, place.instance_key)


async def _started(container: str, starting: Awaitable[None]) -> None:
    try:
        await starting
    except FleetError as error:
        error.container = container
        raise


def _joined(failures: list[StartError]) -> StartError:
    """Return the error of all containers that failed; the words are those of the first."""
    error = StartError(str(failures[0]))
    error.container = failures[0].container
    error.containers = tuple(failure.container for failure in failures)
    return error


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
