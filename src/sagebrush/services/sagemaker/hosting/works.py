"""What is done for resources in the background, one thing after the other for each of them.

The row is the truth: a work begins only if the row still says what the request made of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.records import Resource

# Below this age a resource's first Describe waits for what creates it, for at most that long:
# clients ask at once, and then only every 30 seconds.
_YOUNG_S = 10.0
_HOLD_S = 5.0

_log = logging.getLogger(__name__)

Work = Callable[[Resource], Awaitable[None]]


class Works:
    """The works under way for resources of one kind.

    `address_of` tells resources apart; `fail` writes down that a work has ended by a defect.
    """

    def __init__(
        self,
        platform: Platform,
        noun: str,
        address_of: Callable[[Resource], str],
        fail: Callable[[Resource, Exception], None],
    ) -> None:
        self._platform = platform
        self._noun = noun
        self._address_of = address_of
        self._fail = fail
        # The last thing begun for each address; the next waits for it.
        self._under_way: dict[str, asyncio.Task[None]] = {}
        # The addresses of young resources whose first Describe has waited.
        self._held: set[str] = set()

    @property
    def idle(self) -> bool:
        """Whether nothing is under way for any resource."""
        return not self._under_way

    def begin(self, resource: Resource, work: Work) -> None:
        """Do `work` once the transaction is committed and what began earlier is over."""
        self._spawn(resource, self._carry_out(resource, work, self._earlier(resource)))

    def begin_instead(
        self, resource: Resource, work: Work, otherwise: Callable[[Resource], None]
    ) -> None:
        """Do `work` instead of the rest of what is under way.

        That ends at once, so that it cannot write its own view of the row any more. `otherwise`
        takes the resource up where its row leaves it if the transaction is rolled back after all.
        """
        earlier = self._earlier(resource)
        if earlier is not None:
            earlier.cancel()
        self._spawn(resource, self._carry_out(resource, work, earlier, otherwise))

    async def hold(self, resource: Resource) -> None:
        """Wait a little for a young resource to come up, once in its life."""
        address = self._address_of(resource)
        work = self._under_way.get(address)
        age_s = self._platform.clock.now() - resource.created
        if work is None or resource.status != "Creating" or address in self._held:
            return
        if age_s <= _YOUNG_S:
            self._held.add(address)
            await asyncio.wait([work], timeout=_HOLD_S)

    async def finished(self, address: str) -> None:
        """Wait until nothing is under way there any more."""
        while (work := self._under_way.get(address)) is not None:
            await asyncio.wait([work])
            # What follows its end, forgetting it among that, has its turn first.
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Leave everything under way where it is."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _earlier(self, resource: Resource) -> asyncio.Task[None] | None:
        return self._under_way.get(self._address_of(resource))

    def _spawn(self, resource: Resource, work: Coroutine[Any, Any, None]) -> None:
        address = self._address_of(resource)
        task = self._platform.spawn(work, f"{self._noun} {resource.name}")
        self._under_way[address] = task
        task.add_done_callback(lambda done: self._forget(address, done))

    def _forget(self, address: str, task: asyncio.Task[None]) -> None:
        if self._under_way.get(address) is task:
            del self._under_way[address]
            self._held.discard(address)

    async def _carry_out(
        self,
        resource: Resource,
        work: Work,
        earlier: asyncio.Task[None] | None,
        otherwise: Callable[[Resource], None] | None = None,
    ) -> None:
        if earlier is not None:
            await asyncio.wait([earlier])
        current = records.current(self._platform.db, resource)
        if current is None or current.status != resource.status:
            # The transaction was rolled back, or what began earlier has failed.
            if current is not None and otherwise is not None:
                otherwise(current)
            return
        try:
            await work(current)
        except Exception as error:  # noqa: BLE001 - the boundary: a defect must not leave it pending
            _log.exception("%s %s", self._noun, resource.name)
            self._fail(current, error)
