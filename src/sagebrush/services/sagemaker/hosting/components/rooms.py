"""What an instance offers, what a copy of a component needs, and which copies go where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sagebrush.services.sagemaker.instances import Instance, instance_of

_MB = 1 << 20
# Sums of quarters of a core are exact, those of other fractions are not.
_ROUNDING = 1e-9

# GPUs, Inferentia and Trainium chips of the instance types that have any; by family those that
# every size not listed has.
_ACCELERATORS = {
    "p2.8xlarge": 8, "p2.16xlarge": 16, "p3.8xlarge": 4, "p3.16xlarge": 8, "p3dn.24xlarge": 8,
    "p4d.24xlarge": 8, "p4de.24xlarge": 8, "p5.48xlarge": 8, "p5e.48xlarge": 8, "p5en.48xlarge": 8,
    "p6-b200.48xlarge": 8, "p6-b300.48xlarge": 8, "p6e-gb200.36xlarge": 4, "dl1.24xlarge": 8,
    "g4dn.12xlarge": 4, "inf1.6xlarge": 4, "inf1.24xlarge": 16, "inf2.24xlarge": 6,
    "inf2.48xlarge": 12, "trn1.32xlarge": 16, "trn1n.32xlarge": 16, "trn2.48xlarge": 16,
    **{
        f"{family}.{size}": number
        for family in ("g5", "g6", "g6e", "g7", "g7e")
        for size, number in (("12xlarge", 4), ("24xlarge", 4), ("48xlarge", 8))
    },
}  # fmt: skip
_SINGLE = frozenset(
    ("p2", "p3", "p5", "g4dn", "g5", "g6", "g6e", "g7", "g7e", "inf1", "inf2", "trn1")
)


class Room(NamedTuple):
    """Virtual CPUs, accelerators and MB of memory: of an instance, or for a copy."""

    cpus: float
    accelerators: float
    memory_mb: float

    def less(self, other: Room) -> Room:
        """Return what is left when `other` is taken."""
        return Room(*(mine - taken for mine, taken in zip(self, other, strict=True)))

    def holds(self, other: Room) -> bool:
        """Whether `other` can be taken."""
        return all(mine >= taken - _ROUNDING for mine, taken in zip(self, other, strict=True))


def room_of(variant: Mapping[str, Any]) -> Room:
    """Return what every instance of a production variant offers."""
    instance_type: str = variant["InstanceType"]
    size = instance_of(instance_type) or Instance(1, 1 << 30)
    name = instance_type.removeprefix("ml.")
    single = name.partition(".")[0] in _SINGLE
    return Room(size.cpu_count, _ACCELERATORS.get(name, int(single)), size.memory_bytes / _MB)


def need_of(specification: Mapping[str, Any]) -> Room:
    """Return what every copy of a component reserves of its instance."""
    required = specification["ComputeResourceRequirements"]
    return Room(
        required.get("NumberOfCpuCoresRequired", 0.0),
        required.get("NumberOfAcceleratorDevicesRequired", 0.0),
        required["MinMemoryRequiredInMb"],
    )


def pack(
    free: Mapping[int, Room], own: Mapping[int, int], need: Room, number: int, *, spread: bool
) -> list[int]:
    """Return instances for `number` more copies, one after another; fewer where no more fit.

    `free` is what is left of each instance, `own` how many copies of the same component it has.
    Copies go where they leave the least behind, so that large gaps stay for large components; with
    `spread`, where the fewest of their own are comes first.
    """
    left = dict(free)
    mine = {instance: own.get(instance, 0) for instance in left}
    chosen = []
    for _ in range(number):
        fitting = [instance for instance, room in left.items() if room.holds(need)]
        if not fitting:
            break
        best = min(
            fitting,
            key=lambda each: (mine[each] if spread else 0, *left[each].less(need), each),
        )
        left[best] = left[best].less(need)
        mine[best] += 1
        chosen.append(best)
    return chosen
