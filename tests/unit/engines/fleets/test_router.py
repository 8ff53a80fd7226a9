"""Shares of the traffic, and turns among equals."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.engines.fleets import NoSuchVariantError, NotReadyError, Router, Variant


@dataclass(eq=False)
class Server:
    healthy: bool = True
    outstanding: int = 0


def variant(name: str, weight: float, *servers: Any) -> Variant:
    return Variant(name, weight, list(servers or (Server(),)))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=10).filter(any))
def test_shares_are_kept_exactly(weights: list[float]) -> None:
    router = Router([variant(str(number), weight) for number, weight in enumerate(weights)])
    count = 400
    seen = Counter(router.choose()[0].name for _ in range(count))
    for number, weight in enumerate(weights):
        assert abs(seen[str(number)] - count * weight / sum(weights)) <= 6
        assert weight or not seen[str(number)]


def test_new_weights_count_from_the_next_request() -> None:
    router = Router([variant("a", 1), variant("b", 0)])
    assert {router.choose()[0].name for _ in range(10)} == {"a"}
    router.reweigh({"a": 0, "b": 2})
    assert {router.choose()[0].name for _ in range(10)} == {"b"}
    assert [one.weight for one in router.variants] == [0, 2]


def test_a_target_is_chosen_whatever_its_weight() -> None:
    router = Router([variant("a", 1), variant("b", 0)])
    assert router.choose("b")[0].name == "b"
    with pytest.raises(NoSuchVariantError):
        router.choose("c")


def test_no_variant_takes_traffic() -> None:
    with pytest.raises(NoSuchVariantError):
        Router([variant("a", 0)]).choose()


def test_the_least_loaded_healthy_server_is_asked() -> None:
    busy, free, ill = Server(outstanding=2), Server(outstanding=1), Server(healthy=False)
    router = Router([variant("a", 1, busy, ill, free)])
    assert {id(router.choose()[1]) for _ in range(6)} == {id(free)}
    assert router.variants[0].healthy_count == 2
    busy.healthy = free.healthy = False
    with pytest.raises(NotReadyError):
        router.choose()


def test_equally_loaded_servers_take_turns() -> None:
    servers = [Server(), Server(), Server()]
    router = Router([variant("a", 1, *servers)])
    seen = Counter(id(router.choose()[1]) for _ in range(9))
    assert set(seen.values()) == {3}


def test_the_only_server_of_a_variant_is_ill() -> None:
    with pytest.raises(NotReadyError):
        Router([variant("a", 1, Server(healthy=False))]).choose()


def test_a_shadow_takes_no_traffic_of_its_own() -> None:
    shadow = variant("b", 5)
    shadow.shadow = True
    router = Router([variant("a", 1), shadow])
    assert {router.choose()[0].name for _ in range(10)} == {"a"}
    router.reweigh({"b": 7})
    assert {router.choose()[0].name for _ in range(10)} == {"a"}
    assert shadow.weight == 7
    assert router.choose("b")[0] is shadow
