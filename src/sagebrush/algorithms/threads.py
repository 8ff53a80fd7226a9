"""How many threads a job may use, and work shared among them."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def available_threads(environment: Mapping[str, str] = os.environ) -> int:
    """How many threads the platform grants: SM_NUM_CPUS, OMP_NUM_THREADS, else all cores."""
    for name in ("SM_NUM_CPUS", "OMP_NUM_THREADS"):
        value = environment.get(name, "")
        if value.isdigit() and int(value) > 0:
            return int(value)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_in_order(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Iterator[Result]:
    """The function's results in the order of the items, computed by so many threads.

    At most ``threads`` + 1 items are in work or waiting to be taken, so that memory is bounded. An
    error is raised where its result would come.
    """
    if threads == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        pending: deque[Future[Result]] = deque()
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
