"""Components as Application Auto Scaling sees them."""

from __future__ import annotations

import pytest

from sagebrush.base.errors import ApiError
from sagebrush.services.capacities import Capacity, Scalable

from .conftest import Board

ACCOUNT, REGION = "111122223333", "us-east-1"
DIMENSION = "sagemaker:inference-component:DesiredCopyCount"


@pytest.fixture
def counts(board: Board) -> Capacity:
    found = board.scene.server.platform.capacities.of(DIMENSION)
    assert found is not None
    return found


def change(board: Board, counts: Capacity, name: str, copies: int) -> None:
    """Set a capacity within a transaction, as Application Auto Scaling does."""

    async def begin() -> None:
        with board.scene.server.platform.db.transaction():
            counts.set(ACCOUNT, REGION, f"inference-component/{name}", copies)

    board.scene.server.run(begin())


def test_copies_are_found_and_set(board: Board, counts: Capacity) -> None:
    name = board.component(board.host(), 2)
    resource = f"inference-component/{name}"
    assert counts.find(ACCOUNT, REGION, resource) == Scalable(2, 2, 0, active=True)
    board.scene.processes.gate.clear()
    change(board, counts, name, 3)
    assert counts.find(ACCOUNT, REGION, resource) == Scalable(2, 3, 0, active=False)
    with pytest.raises(ApiError):
        change(board, counts, name, 1)
    board.scene.processes.gate.set()
    assert board.scene.server.run(counts.settled(ACCOUNT, REGION, resource)) is None
    assert board.runtime(name) == (3, 3)
    names = [each.datum.name for each in counts.quiet(ACCOUNT, REGION, resource)]
    concurrent = ["ConcurrentRequestsPerCopy", "ConcurrentRequestsPerModel"]
    assert names == ["Invocations", "InvocationsPerCopy", *concurrent]
    dimensions = counts.quiet(ACCOUNT, REGION, resource)[0].datum.dimensions
    assert dimensions == {"InferenceComponentName": name}


def test_why_copies_did_not_come_is_told(board: Board, counts: Capacity) -> None:
    name = board.component(board.host(), 1, 6000)
    change(board, counts, name, 2)
    reason = board.scene.server.run(counts.settled(ACCOUNT, REGION, f"inference-component/{name}"))
    assert reason is not None
    assert "not enough capacity" in reason


@pytest.mark.parametrize(
    "resource", ["inference-component/nobody", "endpoint/e/variant/v", "inference-component/a/b"]
)
def test_what_is_no_component(board: Board, counts: Capacity, resource: str) -> None:
    assert counts.find(ACCOUNT, REGION, resource) is None
    assert not counts.quiet(ACCOUNT, REGION, resource)
    assert board.scene.server.run(counts.settled(ACCOUNT, REGION, resource)) is not None
    with pytest.raises(ApiError):
        counts.set(ACCOUNT, REGION, resource, 1)


def test_a_component_that_goes_is_told_of(board: Board, counts: Capacity) -> None:
    told: list[str] = []
    capacities = board.scene.server.platform.capacities
    watch = lambda account, region, prefix: told.append(prefix)  # noqa: E731
    capacities.on_gone.append(watch)
    name = board.component(board.host())
    board.delete(name)
    assert told == [f"inference-component/{name}/"]
    assert counts.find(ACCOUNT, REGION, f"inference-component/{name}") is None
    capacities.on_gone.remove(watch)


def test_a_variant_for_components_is_not_scaled_by_instances(board: Board) -> None:
    host = board.host()
    instances = board.scene.server.platform.capacities.of("sagemaker:variant:DesiredInstanceCount")
    assert instances is not None
    assert instances.find(ACCOUNT, REGION, f"endpoint/{host}/variant/all") is None
