"""How long the queues are: four metrics of each asynchronous endpoint, every minute."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sagebrush.engines.metrics import MetricDatum
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker_runtime.asynchronous import records
from sagebrush.services.sagemaker_runtime.asynchronous.measures import NAMESPACE

if TYPE_CHECKING:
    from sagebrush.services.sagemaker_runtime.asynchronous.queue import Queue

_PERIOD_S = 60.0

_log = logging.getLogger(__name__)


async def tell_backlogs(platform: Platform, queues: Mapping[str, Queue]) -> None:
    """Store the metrics of all queues at the clock's full minutes, as long as there are any."""
    while queues:
        now = platform.clock.now()
        await platform.clock.sleep_until((now // _PERIOD_S + 1) * _PERIOD_S)
        try:
            with platform.db.transaction():
                for queue in list(queues.values()):
                    tell_backlog(platform, queue)
        except sqlite3.Error:
            # A full disk, say: the next minute's will be there when it is not.
            _log.exception("the backlogs of this minute are not told")


def tell_backlog(platform: Platform, queue: Queue) -> None:
    """Store the metrics of one queue as they are now."""
    endpoint = queue.endpoint
    now = platform.clock.now()
    size, oldest = records.backlog(platform.db, endpoint.address)
    instances = queue.instance_count
    values = {
        "ApproximateBacklogSize": (size, "Count"),
        # Without instances the whole backlog, so that scaling from zero begins above its target.
        "ApproximateBacklogSizePerInstance": (size / (instances or 1), "Count"),
        "ApproximateAgeOfOldestRequest": (0.0 if oldest is None else now - oldest, "Seconds"),
        "HasBacklogWithoutCapacity": (float(size > 0 and instances == 0), "Count"),
    }
    dimensions = {"EndpointName": endpoint.name}
    data = [
        MetricDatum(name, dimensions, now, value=value, unit=unit)
        for name, (value, unit) in values.items()
    ]
    platform.metrics.put(endpoint.account, endpoint.region, NAMESPACE, data)
