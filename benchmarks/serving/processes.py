"""What the processes of a server take: processor time and memory, of each and of all."""

from __future__ import annotations

import contextlib
from pathlib import Path

from benchmarks.peers import descendants


def family(pid: int) -> list[int]:
    """Return a process and all below it."""
    return [pid, *descendants(pid)]


def cpu_s(pid: int) -> float:
    """Return the processor time of a process's threads so far; of one that is gone, none."""
    total_ns = 0
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                total_ns += int((task / "schedstat").read_text().split()[0])
    return total_ns / 1e9


def memory_bytes(pids: list[int], kind: str = "Pss") -> int:
    """Return the proportional memory of these processes.

    `kind` may be `Pss_Anon`, which leaves files out: what these take of it changes with every other
    program that maps them.
    """
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith(f"{kind}:"):
                    total += int(line.split()[1]) * 1024
    return total
