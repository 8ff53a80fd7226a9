"""The frame of a first-party job: its hosts meet, train, part, and tell how long it took."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from sagebrush.algorithms.collective import Collective, connect
from sagebrush.algorithms.container import TrainingContext


@contextmanager
def joined_hosts(
    context: TrainingContext, algorithm: str, figures: dict[str, float] | None = None
) -> Iterator[Collective]:
    """What joins the hosts of a job inside the block; after it the log tells the job's total time.

    ``algorithm`` is its name in ``#metrics`` lines (``AWS/PCA``); ``figures`` may be filled inside
    the block and stand beside the time. A job of one host has a collective of one.
    """
    started = time.time()
    with closing(
        connect(context.hosts, context.current_host, stop_requested=context.stop_requested)
    ) as collective:
        yield collective
    ended = time.time()
    told = {**(figures or {}), "totaltime": (ended - started) * 1e3}
    context.log.metrics(algorithm, "training", told, start_time_s=started, end_time_s=ended)
