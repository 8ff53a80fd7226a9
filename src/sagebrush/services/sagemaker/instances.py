"""What an ML instance type offers: virtual CPUs and memory, by AWS's regular naming.

Sizes give the virtual CPUs, families the memory per virtual CPU; the accelerated families follow
no rule and are listed.
"""

from __future__ import annotations

from typing import NamedTuple

_GIB = 1 << 30


class Instance(NamedTuple):
    """The size of an instance."""

    cpu_count: int
    memory_bytes: int


# GiB of memory per virtual CPU.
_FAMILIES = {
    "m4": 4, "m5": 4, "m5d": 4, "m6i": 4, "m6id": 4, "m6g": 4, "m6gd": 4, "m7i": 4, "m7i-flex": 4,
    "m8i": 4, "m8i-flex": 4, "m8g": 4, "t2": 4, "t3": 4, "g4dn": 4, "g5": 4, "g6": 4, "g6e": 8,
    "g7": 8, "g7e": 8, "c4": 1.875, "c5": 2, "c5d": 2, "c5n": 2.625, "c6i": 2, "c6id": 2,
    "c6in": 2, "c6g": 2, "c6gd": 2, "c6gn": 2, "c7g": 2, "c7i": 2, "c7i-flex": 2, "c8i": 2,
    "c8i-flex": 2, "c8g": 2, "r5": 8, "r5d": 8, "r6i": 8, "r6id": 8, "r6g": 8, "r6gd": 8,
    "r7i": 8, "r7gd": 8, "r8i": 8, "r8i-flex": 8, "r8g": 8, "inf1": 2, "inf2": 4,
}  # fmt: skip

# Virtual CPUs and GiB of what the rule would get wrong.
_LISTED = {
    "m4.10xlarge": (40, 160), "c4.8xlarge": (36, 60), "c5.9xlarge": (36, 72),
    "c5.18xlarge": (72, 144), "c5n.9xlarge": (36, 96), "c5n.18xlarge": (72, 192),
    "t3.medium": (2, 4), "t3.large": (2, 8), "t3.xlarge": (4, 16), "t3.2xlarge": (8, 32),
    "t2.medium": (2, 4), "p2.xlarge": (4, 61), "p2.8xlarge": (32, 488), "p2.16xlarge": (64, 732),
    "p3.2xlarge": (8, 61), "p3.8xlarge": (32, 244), "p3.16xlarge": (64, 488),
    "p3dn.24xlarge": (96, 768), "p4d.24xlarge": (96, 1152), "p4de.24xlarge": (96, 1152),
    "p5.4xlarge": (16, 256), "p5.48xlarge": (192, 2048), "p5e.48xlarge": (192, 2048),
    "p5en.48xlarge": (192, 2048), "p6-b200.48xlarge": (192, 2048),
    "p6-b300.48xlarge": (192, 4096), "p6e-gb200.36xlarge": (144, 960), "trn1.2xlarge": (8, 32),
    "trn1.32xlarge": (128, 512), "trn1n.32xlarge": (128, 512), "trn2.48xlarge": (192, 2048),
}  # fmt: skip

_SMALL_SIZES = {"medium": 1, "large": 2, "xlarge": 4}


def instance_of(instance_type: str) -> Instance | None:
    """Return what `ml.<family>.<size>` offers, or None for a type unknown here."""
    name = instance_type.removeprefix("ml.")
    if name in _LISTED:
        cpu_count, memory_gib = _LISTED[name]
        return Instance(cpu_count, memory_gib * _GIB)
    family, _, size = name.partition(".")
    cpus = _cpus_of(size)
    if family not in _FAMILIES or cpus is None:
        return None
    return Instance(cpus, int(_FAMILIES[family] * cpus * _GIB))


def _cpus_of(size: str) -> int | None:
    if size in _SMALL_SIZES:
        return _SMALL_SIZES[size]
    factor = size.removesuffix("xlarge")
    return 4 * int(factor) if size.endswith("xlarge") and factor.isdigit() else None
