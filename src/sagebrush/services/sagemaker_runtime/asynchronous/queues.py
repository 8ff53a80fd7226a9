"""The queues of all asynchronous endpoints, kept in step with what the fleets serve."""

from __future__ import annotations

from typing import Any

from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker_runtime.asynchronous import records
from sagebrush.services.sagemaker_runtime.asynchronous.backlog import tell_backlogs
from sagebrush.services.sagemaker_runtime.asynchronous.queue import Queue
from sagebrush.services.sagemaker_runtime.asynchronous.records import Endpoint
from sagebrush.services.sagemaker_runtime.refusals import QUEUES
from sagebrush.services.served import Served, served_at


class Queues:
    """A queue for each asynchronous endpoint, by its address."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._queues: dict[str, Queue] = {}
        self._telling: Any = None
        for endpoint in records.endpoints(platform.db):
            self._open(endpoint)
        self.refresh()

    def find(self, address: str) -> Queue | None:
        """Return the queue of an endpoint, if that is an asynchronous one."""
        return self._queues.get(address)

    def refresh(self) -> None:
        """Take up new endpoints, drop those that are gone, have the rest look for room.

        Which endpoint an address belongs to is known once its fleet is up.
        """
        fleets = self._platform.fleets
        for address in list(self._queues):
            if address not in fleets.addresses:
                self._drop(address)
        for address in fleets.addresses:
            served = served_at(fleets, address)
            if served is not None:
                self._update(address, served)
        for queue in self._queues.values():
            queue.wake()

    def close(self) -> None:
        """Give up everything under way; the rows stay."""
        for queue in self._queues.values():
            queue.close()

    def _update(self, address: str, served: Served) -> None:
        queue = self._queues.get(address)
        if "AsyncInferenceConfig" not in served.config:
            if queue is not None:
                self._drop(address)
            return
        endpoint = records.endpoint_of(served)
        if queue is not None and queue.endpoint == endpoint:
            return
        records.keep(self._platform.db, endpoint)
        if queue is None:
            self._open(endpoint)
        elif queue.endpoint.created == endpoint.created:
            queue.endpoint = endpoint
        else:
            queue.close()
            self._open(endpoint)

    def _open(self, endpoint: Endpoint) -> None:
        self._queues[endpoint.address] = Queue(self._platform, endpoint)
        if self._telling is None or self._telling.done():
            work = tell_backlogs(self._platform, self._queues)
            self._telling = self._platform.spawn(work, "backlogs of asynchronous endpoints")

    def _drop(self, address: str) -> None:
        self._queues.pop(address).close()
        records.forget(self._platform.db, address)


def queues_of(platform: Platform) -> Queues:
    """Return the queues of a server, made now if there are none."""
    found: Queues | None = platform.workers.get(QUEUES)
    if found is None:
        found = platform.workers[QUEUES] = Queues(platform)
    return found
