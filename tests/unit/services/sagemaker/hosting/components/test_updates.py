"""Components are updated in batches, watched, led back; a server killed at any point goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from sagebrush.engines.fleets import StartError
from sagebrush.services.sagemaker.hosting.components.rolling import Rolling, size_of_batch
from sagebrush.services.sagemaker.hosting.components.versions import (
    folder_name,
    kept_of_components,
    versions_of,
)

from .conftest import Board

INTERVAL_S = 600


def rolling(size: int, alarm: str = "", back: int = 0, **fields: Any) -> dict[str, Any]:
    """Return a DeploymentConfig of batches of `size` copies."""
    update = {
        "MaximumBatchSize": {"Type": "COPY_COUNT", "Value": size},
        "WaitIntervalInSeconds": INTERVAL_S,
    } | fields
    if back:
        update["RollbackMaximumBatchSize"] = {"Type": "COPY_COUNT", "Value": back}
    given: dict[str, Any] = {"RollingUpdatePolicy": update}
    if alarm:
        given["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": alarm}]}
    return given


def test_an_update_replaces_all_copies_where_there_is_room(board: Board) -> None:
    name = board.component(board.host(2), 2)
    board.update(name, 2048)
    board.settle()
    told = board.describe(name)
    assert told["InferenceComponentStatus"] == "InService"
    required = told["Specification"]["ComputeResourceRequirements"]
    assert required == {"MinMemoryRequiredInMb": 2048}
    assert board.running(name) == {2: 2}
    assert board.traffic(name) == {2: 1.0}


def test_an_update_takes_what_room_there_is(board: Board) -> None:
    # Three copies of 2 GiB leave room for one more.
    name = board.component(board.host(1), 3, 2048)
    board.update(name, 2048, RuntimeConfig={"CopyCount": 2})
    board.settle()
    assert board.running(name) == {2: 2}
    assert board.runtime(name) == (2, 2)


def test_an_update_without_any_room_is_undone(board: Board) -> None:
    name = board.component(board.host(1), 1, 6000)
    board.update(name, 6000)
    board.settle()
    told = board.describe(name)
    assert told["InferenceComponentStatus"] == "InService"
    assert "not enough capacity" in told["FailureReason"]
    assert board.running(name) == {1: 1}
    board.update(name, 1024)
    board.settle()
    assert board.running(name) == {3: 1}


def test_batches_come_one_after_another(board: Board) -> None:
    name = board.component(board.host(3), 4)
    board.update(name, policy=rolling(1))
    seen = []
    for _ in range(4):
        seen.append((board.running(name), board.traffic(name)))
        assert board.status(name) == "Updating"
        board.scene.advance(INTERVAL_S)
    board.settle()
    assert seen == [
        ({1: 4, 2: 1}, {1: 0.75, 2: 0.25}),
        ({1: 3, 2: 2}, {1: 0.5, 2: 0.5}),
        ({1: 2, 2: 3}, {1: 0.25, 2: 0.75}),
        ({1: 1, 2: 4}, {2: 1.0}),
    ]
    assert board.running(name) == {2: 4}
    assert board.describe(name)["LastDeploymentConfig"] == rolling(1)
    assert board.runtime(name) == (4, 4)


@pytest.mark.parametrize("batches", [1, 2, 3])
def test_an_alarm_leads_back(board: Board, batches: int) -> None:
    board.scene.alarm("watch", breaching=False)
    name = board.component(board.host(2), 3)
    board.update(name, policy=rolling(1, "watch", back=1))
    for _ in range(batches - 1):
        board.scene.advance(INTERVAL_S)
    assert board.running(name)[2] == batches
    board.scene.alarm("watch", breaching=True)
    board.settle()
    assert board.status(name) == "InService"
    assert board.running(name) == {1: 3}
    assert board.traffic(name) == {1: 1.0}
    assert "watch of its AutoRollbackConfiguration" in board.describe(name)["FailureReason"]


def test_old_copies_come_back_even_where_their_room_is_taken(board: Board) -> None:
    board.scene.alarm("watch", breaching=False)
    host = board.host(1)
    # Room for three; one of two is replaced, and what it leaves is taken by another component.
    name = board.component(host, 2, 2700)
    board.update(name, 2700, rolling(1, "watch"))
    board.scene.advance(INTERVAL_S)
    assert board.running(name) == {1: 1, 2: 2}
    board.scene.alarm("watch", breaching=True)
    board.settle()
    assert board.status(name) == "InService"
    assert board.running(name) == {1: 2}


def test_too_long_an_update_is_led_back(board: Board) -> None:
    name = board.component(board.host(2), 4)
    board.update(name, policy=rolling(1, MaximumExecutionTimeoutInSeconds=1500))
    board.scene.advance(1500)
    board.settle()
    assert board.running(name) == {1: 4}
    assert "MaximumExecutionTimeoutInSeconds" in board.describe(name)["FailureReason"]


def test_new_copies_that_do_not_start_lead_back(board: Board) -> None:
    name = board.component(board.host(2), 2)
    board.scene.processes.trouble["all"] = StartError("broken")
    board.update(name)
    board.settle()
    assert board.status(name) == "InService"
    assert board.running(name) == {1: 2}
    reason = board.describe(name)["FailureReason"]
    assert "did not pass the ping health check" in reason


def test_a_component_without_copies_is_updated(board: Board) -> None:
    name = board.component(board.host(1), 1)
    board.scale(name, 0)
    board.settle()
    board.update(name, 2048)
    board.settle()
    assert board.runtime(name) == (0, 0)
    board.scale(name, 1)
    board.settle()
    assert board.running(name) == {2: 1}


def test_deleted_during_an_update(board: Board) -> None:
    name = board.component(board.host(2), 2)
    board.update(name, policy=rolling(1))
    board.delete(name)
    board.settle()
    assert board.row(name) is None
    assert not board.scene.processes.running


class Killer:
    """Kills the server when an update writes its row for the nth time: before, or after it."""

    def __init__(self, board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
        self._processes = board.scene.processes
        self._save: Callable[[Rolling], None] = Rolling._save
        self.number = 0
        self.fatal = 0
        self.before = False
        monkeypatch.setattr(Rolling, "_save", lambda update: self._count(update))  # noqa: PLW0108 - bound

    def arm(self, fatal: int, *, before: bool) -> None:
        self.number, self.fatal, self.before = 0, fatal, before

    def _count(self, update: Rolling) -> None:
        self.number += 1
        if self.number != self.fatal:
            self._save(update)
            return
        if not self.before:
            self._save(update)
        self._processes.dead = True
        raise asyncio.CancelledError


def through(board: Board, killer: Killer, *, back: bool) -> None:
    """Carry an update to its end, restarting the server where it was killed."""
    board.scene.alarm("watch", breaching=False)
    name = board.component(board.host(1), 2, 2048)

    def look() -> None:
        if killer.fatal and board.scene.processes.dead:
            board.restart()
        board.scene.idle()
        running, traffic = board.running(name), board.traffic(name, 100)
        # Whoever has requests has copies, and they are never fewer than there were.
        assert all(running.get(generation) for generation in traffic), (running, traffic)
        assert sum(running.values()) >= 2

    board.update(name, 2048, rolling(1, "watch", back=1))
    look()
    board.scene.advance(INTERVAL_S)
    look()
    if back:
        board.scene.alarm("watch", breaching=True)
        look()
    for _ in range(2):
        board.scene.advance(INTERVAL_S)
        look()
    board.settle()
    assert board.status(name) == "InService"
    assert board.running(name) == ({1: 2} if back else {2: 2})
    board.assert_nothing_is_left_over()
    board.delete(name)
    board.settle()


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("before", [False, True])
def test_a_server_killed_at_any_point_goes_on(
    board: Board, monkeypatch: pytest.MonkeyPatch, *, back: bool, before: bool
) -> None:
    killer = Killer(board, monkeypatch)
    through(board, killer, back=back)
    writes = killer.number
    assert writes > 8
    for fatal in range(1, writes + 1):
        killer.arm(fatal, before=before)
        through(board, killer, back=back)
        assert killer.number >= fatal


@pytest.mark.parametrize(
    ("size", "number", "expected"),
    [
        (None, 5, 5),
        (None, 0, 1),
        ({"Type": "COPY_COUNT", "Value": 2}, 5, 2),
        ({"Type": "CAPACITY_PERCENT", "Value": 50}, 5, 2),
        ({"Type": "CAPACITY_PERCENT", "Value": 5}, 5, 1),
    ],
)
def test_sizes_of_batches(size: Any, number: int, expected: int) -> None:
    assert size_of_batch(size, number) == expected


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ({"Type": "COPY_COUNT", "Value": 3}, "COPY_COUNT 3 of 4 copies"),
        ({"Type": "CAPACITY_PERCENT", "Value": 60}, "between 5% and 50%"),
    ],
)
def test_batches_of_the_wrong_size(
    board: Board, refused: Callable[..., str], size: Any, words: str
) -> None:
    name = board.component(board.host(1), 4, 512)
    given = {"ComputeResourceRequirements": {"MinMemoryRequiredInMb": 256}}
    message = refused(
        "UpdateInferenceComponent",
        InferenceComponentName=name,
        Specification=given,
        DeploymentConfig=rolling(1, MaximumBatchSize=size),
    )
    assert words in message
    missing = rolling(1, "nobody")
    message = refused(
        "UpdateInferenceComponent",
        InferenceComponentName=name,
        Specification=given,
        DeploymentConfig=missing,
    )
    assert "nobody" in message


def test_an_update_says_only_what_changes(board: Board) -> None:
    name = board.component(board.host(1), 1)
    changed = {"Container": {"Image": board.row(name).state["container"]["Image"]}}  # type: ignore[union-attr]
    board.call("UpdateInferenceComponent", InferenceComponentName=name, Specification=changed)
    board.settle()
    required = board.describe(name)["Specification"]["ComputeResourceRequirements"]
    assert required == {"MinMemoryRequiredInMb": 1024}
    board.call(
        "UpdateInferenceComponent", InferenceComponentName=name, RuntimeConfig={"CopyCount": 2}
    )
    board.settle()
    assert board.runtime(name) == (2, 2)
    assert board.running(name) == {2: 2}


def test_what_an_update_needs_is_not_cleared_away(board: Board) -> None:
    name = board.component(board.host(2), 2)
    board.update(name, policy=rolling(1))
    component = board.row(name)
    assert component is not None
    kept = kept_of_components(board.scene.server.platform.db)
    assert set(kept.places) == board.scene.processes.running
    assert len(kept.places) == 3
    assert kept.folders == {folder_name(component, each) for each in versions_of(component)}
    board.delete(name)
    board.settle()
    assert kept_of_components(board.scene.server.platform.db) == ([], set())


def test_an_alarm_that_is_on_lets_no_update_begin(board: Board) -> None:
    board.scene.alarm("watch", breaching=True)
    name = board.component(board.host(2), 2)
    board.scene.processes.started.clear()
    board.update(name, policy=rolling(1, "watch", WaitIntervalInSeconds=0))
    board.settle()
    assert board.running(name) == {1: 2}
    assert not board.scene.processes.started
    assert "went into ALARM state" in board.describe(name)["FailureReason"]
