"""How many models every instance has loaded, told once a minute while it serves.

Like what instances use of the machine, minutes are filled in when somebody looks, so that a step of
the clock need not stop at each.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Iterator

from sagebrush.engines.fleets import Instance, NoSuchFleetError
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.hosting.multi_model.models import VariantModels
from sagebrush.services.served import Served

_INTERVAL_S = 60
_WORKER = "sagemaker.hosting.counts of loaded models"

_log = logging.getLogger(__name__)


class LoadedCounts:
    """Has the instances of all multi-model endpoints tell their counts."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._runs = False
        platform.metrics.before_read.append(self.fill)
        # Instances that came are asked what they have, those of an earlier server, too.
        platform.fleets.on_change.append(self.fill)

    def watch(self) -> None:
        """Tell counts from now on, as long as there is an instance that has any."""
        if not self._runs:
            self._runs = True
            self._platform.spawn(self._run(), _WORKER, looks_on=True)

    def fill(self) -> None:
        """Store a value for each instance and each minute that has none yet."""
        for models, instance in self._instances():
            models.tell_count(instance)

    async def _run(self) -> None:
        try:
            while True:
                await asyncio.sleep(_INTERVAL_S)
                if not any(True for _ in self._instances()):
                    return
                try:
                    self.fill()
                except sqlite3.Error:
                    # A full disk, say: these minutes will be there when it is not.
                    _log.exception("counts of loaded models are not told for a minute")
        finally:
            self._runs = False

    def _instances(self) -> Iterator[tuple[VariantModels, Instance]]:
        fleets = self._platform.fleets
        for address in fleets.addresses:
            try:
                routers = fleets.routers(address)
            except NoSuchFleetError:
                continue
            for variant in (each for router in routers for each in router.variants):
                served = variant.traits
                models = served.many_models if isinstance(served, Served) else None
                if isinstance(models, VariantModels):
                    yield from ((models, instance) for instance in variant.instances)


def counts_of(platform: Platform) -> LoadedCounts:
    """Return the counts of a server, made now if there are none."""
    found: LoadedCounts | None = platform.workers.get(_WORKER)
    if found is None:
        found = platform.workers[_WORKER] = LoadedCounts(platform)
    return found
