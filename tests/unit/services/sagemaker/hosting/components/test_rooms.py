"""Copies are packed so that no instance holds more than it has."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.services.sagemaker.hosting.components.rooms import Room, need_of, pack, room_of

quarters = st.integers(0, 64).map(lambda number: number / 4)
rooms = st.builds(Room, quarters, st.integers(0, 8), st.integers(0, 65536))
needs = st.builds(Room, quarters, st.integers(0, 4), st.integers(128, 16384))
frees = st.dictionaries(st.integers(0, 12), rooms, max_size=6)


def most(room: Room, need: Room) -> int:
    """Return how many copies an instance holds."""
    return min(int(mine // each) for mine, each in zip(room, need, strict=True) if each)


@given(frees, needs, st.integers(0, 30), st.booleans())
def test_no_instance_holds_more_than_it_has_and_none_is_left_out(
    free: dict[int, Room], need: Room, number: int, spread: bool
) -> None:
    chosen = pack(free, {}, need, number, spread=spread)
    for instance, count in Counter(chosen).items():
        assert count <= most(free[instance], need)
    # Copies of one kind: any order finds as many places as there are.
    assert len(chosen) == min(number, sum(most(room, need) for room in free.values()))


@given(frees, needs, st.integers(0, 30), st.dictionaries(st.integers(0, 12), st.integers(0, 3)))
def test_spread_copies_differ_by_one_unless_an_instance_is_full(
    free: dict[int, Room], need: Room, number: int, own: dict[int, int]
) -> None:
    chosen = Counter(pack(free, own, need, number, spread=True))
    total = {each: own.get(each, 0) + chosen[each] for each in free}
    for fuller in chosen:
        for other in free:
            if chosen[other] < most(free[other], need):
                assert total[fuller] <= total[other] + 1


@given(st.integers(1, 6), needs, st.integers(0, 30))
def test_packed_copies_use_as_few_equal_instances_as_possible(
    count: int, need: Room, number: int
) -> None:
    whole = Room(16.0, 8, 65536)
    chosen = pack(dict.fromkeys(range(count), whole), {}, need, number, spread=False)
    assert len(set(chosen)) == math.ceil(len(chosen) / most(whole, need))


def test_large_gaps_are_kept_for_large_components() -> None:
    free = {0: Room(8, 0, 8192), 1: Room(2, 0, 2048)}
    assert pack(free, {}, Room(1, 0, 1024), 1, spread=True) == [1]


@pytest.mark.parametrize(
    ("instance_type", "expected"),
    [
        ("ml.m5.large", Room(2, 0, 8192)),
        ("ml.g5.xlarge", Room(4, 1, 16384)),
        ("ml.g5.12xlarge", Room(48, 4, 192 << 10)),
        ("ml.p4d.24xlarge", Room(96, 8, 1152 << 10)),
        ("ml.c5.2xlarge", Room(8, 0, 16384)),
    ],
)
def test_what_instances_offer(instance_type: str, expected: Room) -> None:
    assert room_of({"InstanceType": instance_type}) == expected


def test_what_copies_need() -> None:
    required = {"MinMemoryRequiredInMb": 512, "NumberOfCpuCoresRequired": 0.25}
    assert need_of({"ComputeResourceRequirements": required}) == Room(0.25, 0, 512)
