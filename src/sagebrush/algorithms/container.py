"""Runs an algorithm the way SageMaker runs a training container: /opt/ml in, exit code out."""

import signal
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from sagebrush.algorithms import card_of
from sagebrush.algorithms.card import Card, load_attribute
from sagebrush.algorithms.channels import ChannelConfig, ChannelReader
from sagebrush.algorithms.container_config import ContainerConfig, check_channels, read_config
from sagebrush.algorithms.errors import AlgorithmError, ClientError
from sagebrush.algorithms.hyperparameters import Schema
from sagebrush.algorithms.logs import Log
from sagebrush.algorithms.threads import available_threads

__all__ = ["TrainingContext", "available_threads", "train_main"]

CONTAINER_ROOT = Path("/opt/ml")
EXIT_ALGORITHM_ERROR = 1
EXIT_CLIENT_ERROR = 2

Train = Callable[["TrainingContext", dict[str, Any]], None]


@dataclass
class StopFlag:
    """Set once training should end early."""

    is_set: bool = False


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
    stop: StopFlag = field(default_factory=StopFlag)

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
        self.stop.is_set = True

    def stop_requested(self) -> bool:
        """Whether training should end early and save what it has."""
        return self.stop.is_set

    def reader(self, channel: str) -> ChannelReader:
        """A reader of the channel; keep it over epochs, since pipes are read once each.

        KeyError if the job has no such channel.
        """
        return ChannelReader(self.channels[channel], self.stop_requested)


def train_main(algorithm: str, root: Path = CONTAINER_ROOT) -> int:
    """Train the named algorithm in the container layout under ``root``; returns the exit code.

    0 when it trained or was stopped, 2 when the user's input is at fault and 1 when the algorithm
    is; ``output/failure`` then says why. The log goes to stdout.
    """
    log = Log()
    with _set_by_sigterm() as stop:
        try:
            _train(card_of(algorithm), root, log, stop)
        except ClientError as error:
            log.error(f"Customer Error: {error}")
            _write_failure(root, f"ClientError: {error}")
            return EXIT_CLIENT_ERROR
        except AlgorithmError as error:
            return _fail(root, log, str(error))
        except MemoryError:
            return _fail(root, log, "Out of memory. Please use an instance type with more memory.")
        except Exception as error:  # noqa: BLE001 - the boundary where a defect fails the job
            return _fail(root, log, f"{type(error).__name__}: {error}")
    return 0


def _train(card: Card, root: Path, log: Log, stop: StopFlag) -> None:
    schema: Schema = load_attribute(card.hyperparameters)
    config = read_config(root)
    log.host = config.current_host
    if card.prints_configuration:
        log.configuration(
            {item.name: item.default for item in schema.fields if item.default is not None},
            config.hyperparameters,
            str(root / "input" / "config" / "hyperparameters.json"),
        )
    parameters = schema.parse(config.hyperparameters)
    check_channels(card, schema.wording, config)
    train: Train = load_attribute(card.train)
    try:
        train(_context(card, config, root, log, stop), parameters)
    except InterruptedError:
        if not stop.is_set:
            raise
        log.info("Training was stopped.")


def _by_own_name(card: Card, channels: Mapping[str, ChannelConfig]) -> Mapping[str, ChannelConfig]:
    """The channels by the names of the card; errors go on calling them as the user does."""
    declared = {name: card.channel(name) for name in channels}
    return {
        name if channel is None else channel.name: channels[name]
        for name, channel in declared.items()
    }


def _context(
    card: Card, config: ContainerConfig, root: Path, log: Log, stop: StopFlag
) -> TrainingContext:
    context = TrainingContext(
        root=root,
        hyperparameters=config.hyperparameters,
        channels=_by_own_name(card, config.channels),
        hosts=config.hosts,
        current_host=config.current_host,
        checkpoint_dir=config.checkpoint_dir,
        threads=available_threads(),
        log=log,
        stop=stop,
    )
    context.model_dir.mkdir(parents=True, exist_ok=True)
    context.output_data_dir.mkdir(parents=True, exist_ok=True)
    return context


@contextmanager
def _set_by_sigterm() -> Iterator[StopFlag]:
    """A flag that SIGTERM sets while the block runs."""
    flag = StopFlag()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        flag.is_set = True

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield flag
    finally:
        signal.signal(signal.SIGTERM, previous)


def _fail(root: Path, log: Log, message: str) -> int:
    log.error(f"Algorithm Error: {message}")
    log.line(traceback.format_exc().rstrip())
    _write_failure(root, f"AlgorithmError: {message}")
    return EXIT_ALGORITHM_ERROR


def _write_failure(root: Path, text: str) -> None:
    path = root / "output" / "failure"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
