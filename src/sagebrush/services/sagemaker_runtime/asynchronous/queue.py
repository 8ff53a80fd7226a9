"""The queue of one asynchronous endpoint: first come, first served, as far as there is room.

Which requests are being worked on is known in memory only: what a killed server worked on is in
the queue again. Waiting for a request to expire is done on the clock.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Coroutine
from typing import Any

from sagebrush.engines.fleets import (
    Instance,
    Losses,
    NoSuchFleetError,
    NoSuchVariantError,
    NotReadyError,
    ServerLostError,
    Variant,
)
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker_runtime.asynchronous import records
from sagebrush.services.sagemaker_runtime.asynchronous.answering import Answering, Failure
from sagebrush.services.sagemaker_runtime.asynchronous.measures import Measures
from sagebrush.services.sagemaker_runtime.asynchronous.records import Endpoint, Request

# AWS chooses "an optimal value" where the configuration has none.
_DEFAULT_CONCURRENCY = 4
# A request is worked on again when its model server dies, but not for ever.
_MAXIMUM_DEATHS = 2
_CHOICES = 8
_HEALTH_POLL_S = 0.05
_RETRY_S = 5.0

_log = logging.getLogger(__name__)


class Queue:
    """What is done for one endpoint. `endpoint` may be replaced by its newer configuration."""

    def __init__(self, platform: Platform, endpoint: Endpoint) -> None:
        self._platform = platform
        self._db = platform.db
        self.endpoint = endpoint
        self._in_flight: dict[int, asyncio.Task[None]] = {}
        self._loads: Counter[Instance] = Counter()
        # By request, of those that have been lost.
        self._losses: dict[int, Losses] = {}
        self._wake = asyncio.Event()
        self._task = self._spawn(self._run(), "queue")

    def wake(self) -> None:
        """Look soon whether there is a request, and room for it."""
        self._wake.set()

    def close(self) -> None:
        """Give up everything under way."""
        for task in (self._task, *self._in_flight.values()):
            task.cancel()

    @property
    def instance_count(self) -> int:
        """How many instances the endpoint has."""
        try:
            routers = self._platform.fleets.routers(self.endpoint.address)
        except NoSuchFleetError:
            return 0
        return sum(len(each.instances) for router in routers for each in router.variants)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._expire()
                self._dispatch()
                await self._rest()
            except sqlite3.Error:
                # A full disk, say: rows cannot be changed now, later they can.
                _log.exception("the queue of %s rests a while", self.endpoint.address)
                await asyncio.sleep(_RETRY_S)

    async def _expire(self) -> None:
        """End the requests that have waited longer than they may."""
        while (
            found := records.expiring(self._db, self.endpoint.address, self._in_flight)
        ) is not None:
            request_id, moment = found
            request = records.get(self._db, request_id)
            if moment > self._platform.clock.now() or request is None:
                return
            reason = (
                "ClientError: The request expired: it waited longer than its RequestTTLSeconds."
            )
            self._losses.pop(request.id, None)
            await self._answering(request).fail(Failure(reason, "ExpiredRequests"))

    def _dispatch(self) -> None:
        while True:
            request = records.first(self._db, self.endpoint.address, self._in_flight)
            room = None if request is None else self._room()
            if request is None or room is None:
                return
            variant, instance = room
            self._loads[instance] += 1
            work = self._carry(request, variant, instance)
            self._in_flight[request.id] = self._spawn(work, f"request {request.id}")

    def _room(self) -> tuple[Variant, Instance] | None:
        """Return an instance that has room for a request, by the variants' shares."""
        limit = self.endpoint.concurrency or _DEFAULT_CONCURRENCY
        for _ in range(_CHOICES):
            try:
                variant, _instance = self._platform.fleets.choose(self.endpoint.address)
            except NotReadyError:
                continue  # another variant may be
            except (NoSuchFleetError, NoSuchVariantError):
                return None
            free = [
                each for each in variant.instances if each.healthy and self._loads[each] < limit
            ]
            if free:
                return variant, min(free, key=self._loads.__getitem__)
        return None

    async def _rest(self) -> None:
        """Return when there may be something to do."""
        expiring = records.expiring(self._db, self.endpoint.address, self._in_flight)
        waiting: list[asyncio.Task[Any]] = [asyncio.ensure_future(self._wake.wait())]
        timeout_s = None
        if expiring is not None:
            sleeping = self._platform.clock.sleep_until(expiring[1])
            waiting.append(asyncio.ensure_future(sleeping))
            if self.instance_count and not self._in_flight:
                # Instances, but none that takes a request: nobody says when one is well again.
                timeout_s = _HEALTH_POLL_S
        try:
            await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    async def _carry(self, request: Request, variant: Variant, instance: Instance) -> None:
        instance.engaged += 1
        try:
            await self._answer(request, variant, instance)
        except sqlite3.Error:
            _log.exception("a request for %s is worked on again", self.endpoint.address)
            await asyncio.sleep(_RETRY_S)
        finally:
            instance.engaged -= 1
            self._loads[instance] -= 1
            if not self._loads[instance]:
                del self._loads[instance]
            del self._in_flight[request.id]
            self.wake()

    async def _answer(self, request: Request, variant: Variant, instance: Instance) -> None:
        answering = self._answering(request, variant.name, instance)
        began = time.perf_counter()
        try:
            await answering.answer(variant, instance)
        except ServerLostError as error:
            losses = self._losses.setdefault(request.id, Losses())
            if losses.blames(instance, error, time.perf_counter() - began):
                await self._lost(request, variant, instance, error)
            else:
                # It was asked for nothing: its place in the queue is the one it had.
                await asyncio.sleep(_HEALTH_POLL_S)
        except sqlite3.Error:
            raise
        except Exception:  # noqa: BLE001 - the boundary where a defect becomes a failed request
            _log.exception("request %s for %s", request.inference_id, self.endpoint.address)
            reason = "InternalServerError: We encountered an internal error."
            await answering.fail(Failure(reason))
        else:
            self._losses.pop(request.id, None)

    async def _lost(
        self, request: Request, variant: Variant, instance: Instance, error: ServerLostError
    ) -> None:
        """Have a request whose model server died worked on again, or end it."""
        if instance not in variant.instances or not self._is_routed(variant):
            return  # it was taken away, by an update say, and the request had no part in that
        if request.deaths + 1 < _MAXIMUM_DEATHS:
            records.count_death(self._db, request.id)
            return
        reason = f'Received server error (0) from {error.container} with message "{error}"'
        await self._answering(request, variant.name, instance).fail(Failure(reason))
        self._losses.pop(request.id, None)

    def _is_routed(self, variant: Variant) -> bool:
        try:
            routers = self._platform.fleets.routers(self.endpoint.address)
        except NoSuchFleetError:
            return False
        return any(variant in router.variants for router in routers)

    def _answering(
        self, request: Request, variant: str | None = None, instance: Instance | None = None
    ) -> Answering:
        name = variant or self.endpoint.variant
        stream = name if instance is None else f"{name}/i-0{instance.key}"
        measures = Measures(self._platform, self.endpoint, name, stream)
        return Answering(self._platform, self.endpoint, request, measures)

    def _spawn(self, work: Coroutine[Any, Any, None], what: str) -> asyncio.Task[None]:
        return self._platform.spawn(work, f"{what} of asynchronous endpoint {self.endpoint.name}")
