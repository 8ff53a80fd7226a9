"""How many threads a job may use."""

import os
from collections.abc import Mapping


def available_threads(environment: Mapping[str, str] = os.environ) -> int:
    """How many threads the platform grants: SM_NUM_CPUS, OMP_NUM_THREADS, else all cores."""
    for name in ("SM_NUM_CPUS", "OMP_NUM_THREADS"):
        value = environment.get(name, "")
        if value.isdigit() and int(value) > 0:
            return int(value)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
