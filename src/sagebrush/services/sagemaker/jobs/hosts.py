"""The instances of a job as the job sees them: names, groups, sizes, folders."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagebrush.base.settings import Settings
from sagebrush.services.sagemaker.instances import Instance, instance_of
from sagebrush.services.sagemaker.training_requests import instance_groups


@dataclass(frozen=True)
class Host:
    """One instance. `root` is the folder on this machine that the job sees as /opt/ml."""

    name: str
    group: str
    instance_type: str
    size: Instance
    root: Path


def hosts_of(request: dict[str, Any], directory: Path) -> list[Host]:
    """Return the hosts `algo-1`, `algo-2`... of a job over all its instance groups."""
    hosts: list[Host] = []
    for group, instance_type, count in instance_groups(request["ResourceConfig"]):
        size = instance_of(instance_type) or Instance(1, 1 << 30)
        for _ in range(count):
            name = f"algo-{len(hosts) + 1}"
            root = directory / "hosts" / name / "ml"
            hosts.append(Host(name, group, instance_type, size, root))
    return hosts


def machine_cpu_count() -> int:
    """Return how many CPUs this server may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_limit_bytes(size: Instance, settings: Settings) -> int:
    """Return how much memory a host may use: its instance's, or less where there is less."""
    ceiling_bytes = settings.job_memory_bytes or size.memory_bytes
    return min(size.memory_bytes, machine_memory_bytes(), ceiling_bytes)


def machine_memory_bytes() -> int:
    """Return the size of this machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
