"""Queues on a clock that a test moves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sagebrush.base.clock import ManualClock
from sagebrush.engines.queues import Queue, Queues, QueueSettings
from sagebrush.store.database import Database

HERE = ("111122223333", "us-east-1")


class Scene:
    """The queues of a database, and the clock they go by."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "state.sqlite"
        self.clock = ManualClock()
        self.restart()

    def restart(self) -> None:
        """Open the database again, as the next server does."""
        if hasattr(self, "db"):
            self.db.close()
        self.db = Database(self._path)
        self.queues = Queues(self.db, self.clock)

    def queue(self, name: str = "q", **settings: object) -> Queue:
        """Make a queue."""
        made = QueueSettings(**settings)  # type: ignore[arg-type]
        return self.queues.create(*HERE, name, made, attributes={}, tags={})


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.db.close()
