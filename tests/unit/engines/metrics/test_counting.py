"""Counts in a file: what a killed process counted is stored, and stored once."""

from __future__ import annotations

import mmap
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sagebrush.base.clock import ManualClock
from sagebrush.base.errors import StateError
from sagebrush.engines.metrics import Counts, MetricStore, Numbers
from sagebrush.store.database import Database

Stored = list[tuple[tuple[Any, ...], float]]


class Process:
    """What one process after the other does with one file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.stored: Stored = []
        self.db = Database(folder / "state.sqlite")
        MetricStore(self.db, ManualClock())
        self.counts = Counts(self.db, folder / "counts")

    def again(self) -> None:
        """Go on as the next process, this one having been killed."""
        self.db.close()
        self.db = Database(self._folder / "state.sqlite")
        self.counts = Counts(self.db, self._folder / "counts")

    def count(self, *key: Any, times: int = 1) -> None:
        self.counts.row(key)[0] += times

    def store(self) -> Stored:
        """Return what is stored, all in the order of the rows."""
        before = len(self.stored)
        self.counts.store(self.put)
        return self.stored[before:]

    def put(self, key: tuple[Any, ...], numbers: Numbers) -> None:
        self.stored.append((key, numbers[0]))


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    made = Process(tmp_path)
    yield made
    made.db.close()


def test_what_a_killed_process_counted_is_stored_once(process: Process) -> None:
    process.count("a", 60, times=3)
    process.count("b", 120)
    process.again()
    assert process.store() == [(("a", 60), 3.0), (("b", 120), 1.0)]
    process.again()
    assert process.store() == []


def test_rows_of_two_processes_lie_beside_each_other(process: Process) -> None:
    process.count("a")
    process.again()
    process.count("b")
    process.again()
    process.count("c")
    assert [key for key, _ in process.store()] == [("a",), ("b",), ("c",)]


def test_rows_begin_anew_after_they_were_stored(process: Process) -> None:
    process.count("a-longer-name", times=5)
    process.store()
    numbers = process.counts.row(("b",))
    assert set(numbers) == {0.0}
    process.again()
    assert process.store() == [(("b",), 0.0)]


def test_a_process_killed_between_storing_and_clearing_stores_nothing_twice(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.count("a")

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(process.counts, "_begin_anew", killed)
    with pytest.raises(KeyboardInterrupt):
        process.store()
    process.again()
    assert process.store() == []
    process.count("b")
    process.again()
    assert process.store() == [(("b",), 1.0)]


def test_what_could_not_be_stored_is_stored_later(process: Process) -> None:
    process.count("a")

    def full(*_: Any) -> None:
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        process.counts.store(full)
    process.count("b")
    assert [key for key, _ in process.store()] == [("a",), ("b",)]


def test_nothing_is_stored_in_a_transaction_that_could_be_undone(process: Process) -> None:
    process.count("a")
    with process.db.transaction(), pytest.raises(StateError):
        process.store()
    assert [key for key, _ in process.store()] == [("a",)]


def test_more_rows_than_the_file_holds_are_counted_too(process: Process) -> None:
    for number in range(300):
        process.count(number)
    process.count("x" * 600)
    assert [key[0] for key, _ in process.store()] == [*range(300), "x" * 600]
    for number in range(300):
        process.count(number)
    process.again()
    # The file's end is the limit of what a killed process leaves.
    assert [key[0] for key, _ in process.store()] == list(range(256))


def test_a_file_that_cannot_be_read_is_told_and_passed_over(
    process: Process, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    process.count("a")
    process.count("b")
    process.count("c")
    with (tmp_path / "counts").open("r+b") as file:
        file.seek(2 * 1024)
        file.write(b"{nonsense")
    process.again()
    process.count("d")
    assert process.store() == [(("a",), 1.0), (("c",), 1.0), (("d",), 1.0)]
    assert "cannot be read" in caplog.text
    process.count("e")
    process.again()
    assert process.store() == [(("e",), 1.0)]


def test_without_room_on_the_disk_counts_live_in_memory(
    process: Process, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    process.again()
    process.count("a")
    assert process.store() == [(("a",), 1.0)]
    assert "no space left" in caplog.text


def test_a_process_killed_at_any_moment_leaves_what_it_counted(
    process: Process, tmp_path: Path
) -> None:
    told = mmap.mmap(-1, 8)

    def count_for_ever() -> None:
        counts = Counts(Database(tmp_path / "state.sqlite"), tmp_path / "counts")
        numbers = counts.row(("a",))
        for number in range(1, 1 << 62):
            numbers[0] += 1.0
            told[:8] = number.to_bytes(8, "little")

    child = forked(count_for_ever)
    while int.from_bytes(told[:8], "little") < 10_000:
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    acknowledged = int.from_bytes(told[:8], "little")
    process.again()
    ((_, counted),) = process.store()
    assert acknowledged <= counted <= acknowledged + 1


def forked(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(1)
    return child
