"""Runs an algorithm the way SageMaker runs a training container: /opt/ml in, exit code out."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sagebrush.algorithms.channels import ChannelConfig, ChannelReader
from sagebrush.algorithms.logs import Log


@dataclass
class TrainingContext:
    """What a training function gets besides its hyperparameters.

    ``hyperparameters`` are the strings as given; ``checkpoint_dir`` is None unless checkpointing
    is on; ``threads`` is how many this job may use.
    """

    root: Path
    hyperparameters: Mapping[str, str]
    channels: Mapping[str, ChannelConfig]
    hosts: list[str] = field(default_factory=lambda: ["algo-1"])
    current_host: str = "algo-1"
    checkpoint_dir: Path | None = None
    threads: int = 1
    log: Log = field(default_factory=Log)
    _stop: list[bool] = field(default_factory=lambda: [False])

    @property
    def model_dir(self) -> Path:
        """Where the artefact goes."""
        return self.root / "model"

    @property
    def output_data_dir(self) -> Path:
        """Where further output goes."""
        return self.root / "output" / "data"

    def request_stop(self) -> None:
        """Ask training to end early with what it has; SIGTERM does this."""
        self._stop[0] = True

    def stop_requested(self) -> bool:
        """Whether training should end early and save what it has."""
        return self._stop[0]

    def reader(self, channel: str) -> ChannelReader:
        """A reader of the channel; keep it over epochs, since pipes are read once each.

        KeyError if the job has no such channel.
        """
        return ChannelReader(self.channels[channel], self.stop_requested)


def available_threads(environment: Mapping[str, str] = os.environ) -> int:
    """How many threads the platform grants: SM_NUM_CPUS, OMP_NUM_THREADS, else all cores."""
    for name in ("SM_NUM_CPUS", "OMP_NUM_THREADS"):
        value = environment.get(name, "")
        if value.isdigit() and int(value) > 0:
            return int(value)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def train_main(algorithm: str, root: Path = Path("/opt/ml")) -> int:
    """Train the named algorithm in the container layout under ``root``; returns the exit code."""
    raise NotImplementedError(algorithm, root)
