"""How much memory this job may use."""

import os
import resource
from pathlib import Path

_CGROUP_LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)
_IN_MEMORY_SHARE = 6
"""Raw float32 rows are held twice while they are joined, then xgboost keeps index and value of
each cell and a histogram bin, so the rows may take a sixth of the memory."""


def memory_limit_bytes() -> int:
    """The least of the machine's memory, the control group's limit and the process's own."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    limits.extend(_own_cgroup_limits())
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        soft = resource.getrlimit(kind)[0]
        if soft != resource.RLIM_INFINITY:
            limits.append(soft)
    return min(limits)


def in_memory_rows_bytes() -> int:
    """How many bytes of rows may be held at once before pages on disk are used instead."""
    return memory_limit_bytes() // _IN_MEMORY_SHARE


def _own_cgroup_limits() -> list[int]:
    paths = [Path(path) for path in _CGROUP_LIMITS]
    membership = Path("/proc/self/cgroup")
    if membership.exists():
        for line in membership.read_text().splitlines():
            group = line.partition("::")[2]
            if group:
                paths.append(Path(f"/sys/fs/cgroup{group}/memory.max"))
    texts = [path.read_text().strip() for path in paths if path.is_file()]
    return [int(text) for text in texts if text.isdigit()]
