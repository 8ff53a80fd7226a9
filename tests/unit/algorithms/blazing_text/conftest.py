"""Small jobs in a container root."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sagebrush.algorithms.container import train_main


def topic_lines(rows: int = 300, seed: int = 0, topics: int = 3) -> list[tuple[int, str]]:
    """A topic and a sentence most of whose words are the topic's own."""
    random = np.random.default_rng(seed)
    lines = []
    for row in range(rows):
        topic = row % topics
        own = [f"t{topic}w{each}" for each in random.integers(0, 8, 8)]
        common = [f"any{each}" for each in random.integers(0, 6, 3)]
        lines.append((topic, " ".join([*own, *common])))
    return lines


def labelled_text(rows: int = 300, seed: int = 0) -> bytes:
    return "".join(f"__label__{topic} {text}\n" for topic, text in topic_lines(rows, seed)).encode()


def plain_text(rows: int = 300, seed: int = 0) -> bytes:
    return "".join(f"{text}\n" for _, text in topic_lines(rows, seed)).encode()


def frame(payload: bytes) -> bytes:
    """A RecordIO record."""
    size = len(payload)
    head = (0xCED7230A).to_bytes(4, "little") + size.to_bytes(4, "little")
    return head + payload + bytes(-size % 4)


class Job:
    """A finished training job."""

    def __init__(self, root: Path, code: int, log: str) -> None:
        self.root = root
        self.code = code
        self.log = log

    @property
    def model(self) -> Path:
        return self.root / "model"

    @property
    def failure(self) -> str:
        return (self.root / "output" / "failure").read_text()


@pytest.fixture
def run_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Job]:
    """Trains on channels of bytes; a channel's settings go to inputdataconfig.json."""
    monkeypatch.setenv("SM_NUM_CPUS", "1")
    monkeypatch.delenv("SAGEBRUSH_WORD_SIMILARITY", raising=False)

    def run(
        hyperparameters: dict[str, Any],
        name: str = "job",
        hosts: list[str] | None = None,
        host: str = "algo-1",
        settings: dict[str, str] | None = None,
        **channels: bytes,
    ) -> Job:
        root = tmp_path / name
        config = root / "input" / "config"
        config.mkdir(parents=True)
        settings = settings or {}
        for channel, data in channels.items():
            deliver(root / "input" / "data" / channel, data, settings.get("TrainingInputMode"))
        documents = {
            "hyperparameters": {key: str(value) for key, value in hyperparameters.items()},
            "inputdataconfig": dict.fromkeys(channels, settings),
            "resourceconfig": {"hosts": hosts or ["algo-1"], "current_host": host},
        }
        for file, document in documents.items():
            (config / f"{file}.json").write_text(json.dumps(document))
        code = train_main("blazingtext", root)
        return Job(root, code, capsys.readouterr().out)

    return run


def deliver(path: Path, data: bytes, mode: str | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode != "Pipe":
        path.mkdir()
        (path / "part-0").write_bytes(data)
        return

    def feed() -> None:
        # More epochs than are read: the last writer waits for a reader until the test ends.
        for epoch in range(20):
            os.mkfifo(f"{path}_{epoch}")
            try:
                Path(f"{path}_{epoch}").write_bytes(data)
            except BrokenPipeError:
                return

    threading.Thread(target=feed, daemon=True).start()
