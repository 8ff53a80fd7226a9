"""Trains Factorization Machines from a job's channels; artefact and log lines are AWS's."""

import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.factorization_machines.artifact import write_model
from sagebrush.algorithms.factorization_machines.data_checks import find_flaw
from sagebrush.algorithms.factorization_machines.evaluation import (
    ROWS,
    Figure,
    figures_of,
    sums_of,
)
from sagebrush.algorithms.factorization_machines.fitting import Observer
from sagebrush.algorithms.factorization_machines.kernel import STATISTICS
from sagebrush.algorithms.factorization_machines.model import FactorizationMachine
from sagebrush.algorithms.factorization_machines.settings import Settings
from sagebrush.algorithms.formats.training import training_batches
from sagebrush.algorithms.joined_hosts import joined_hosts
from sagebrush.algorithms.logs import Log
from sagebrush.algorithms.replay import Pass

ALGORITHM = "factorization-machines"
SEED = 0
# Rows and numbers of one piece of a channel: a call of the kernel costs less than parsing them.
PIECE_ROWS = 1 << 13
PIECE_NUMBERS = 1 << 22

Doubles = NDArray[np.float64]


def train(context: TrainingContext, parameters: dict[str, Any]) -> None:
    """Train on the ``train`` channel, score the ``test`` channel, write the model (first host).

    Every host of the job runs this on its part of the data, and every step is taken along the
    gradient of all their mini-batches.
    """
    settings = Settings(**parameters)
    figures: dict[str, float] = {}
    with joined_hosts(context, ALGORITHM, figures) as collective:
        model = _fit(context, settings, collective)
        if collective.leads:
            path = context.model_dir / f"model_{context.current_host}"
            write_model(path, model.machine(), settings)
        _test(context, model, settings, collective)
        figures["epochs"] = float(model.epochs_)


def _fit(
    context: TrainingContext, settings: Settings, collective: Collective
) -> FactorizationMachine:
    model = FactorizationMachine(
        **asdict(settings), seed=SEED, threads=context.threads, collective=collective
    )
    observer = LogObserver(context.log, settings)
    model.fit_passes(
        _channel(context, "train", settings, hosts=collective.size),
        settings.feature_dim,
        observer=observer,
        stop_requested=context.stop_requested,
    )
    _log_final(context.log, "train", observer.last_figures)
    return model


def _channel(context: TrainingContext, name: str, settings: Settings, *, hosts: int = 1) -> Pass:
    reader = context.reader(name)
    size = settings.mini_batch_size
    # How many of the numbers of a row are there is not known before the first one is read.
    rows = 0 if hosts > 1 else min(PIECE_ROWS, PIECE_NUMBERS // settings.feature_dim)
    return lambda: training_batches(
        reader,
        size * max(1, rows // size),
        feature_dim=settings.feature_dim,
        find_flaw=lambda batch: find_flaw(batch, settings.is_binary),
    )


def _test(
    context: TrainingContext,
    model: FactorizationMachine,
    settings: Settings,
    collective: Collective,
) -> None:
    if "test" not in context.channels:
        context.log.info("Test data is not provided.")
        return
    machine, sums = model.machine(), np.zeros(STATISTICS)
    for batch in _channel(context, "test", settings)():
        if context.stop_requested():
            break
        assert batch.labels is not None
        scores = machine.raw_scores(batch.features)
        sums += sums_of(scores, batch.labels, settings.is_binary)
    sums = np.asarray(collective.sum(sums))
    if sums[ROWS]:
        _log_final(context.log, "test", figures_of(sums, settings.is_binary))


def _log_final(log: Log, part: str, figures: Iterable[Figure]) -> None:
    figures = tuple(figures)
    for figure in figures:
        log.score(part, figure.name, figure.value)
    for figure in figures:
        log.quality_metric(part, figure.name, figure.value, figure.kind)


class LogObserver(Observer):
    """Writes the progress of training as AWS's image does; keeps the last epoch's figures."""

    def __init__(self, log: Log, settings: Settings) -> None:
        self._log = log
        self._is_binary = settings.is_binary
        self._epochs = settings.epochs
        self.last_figures: tuple[Figure, ...] = ()

    def batch_trained(self, epoch: int, batch: int, sums: Doubles) -> None:
        for figure in figures_of(sums, self._is_binary):
            self._log.quality_metric(
                "train", figure.name, figure.value, figure.kind, epoch=epoch, batch=batch
            )

    def epoch_trained(self, epoch: int, sums: Doubles, seconds: float) -> None:
        self.last_figures = figures_of(sums, self._is_binary)
        for figure in self.last_figures:
            self._log.quality_metric("train", figure.name, figure.value, figure.kind, epoch=epoch)
        now, rows = time.time(), float(sums[ROWS])
        self._log.metrics(
            ALGORITHM,
            "training",
            {"update.time": seconds * 1e3, "Total Records Seen": rows},
            start_time_s=now - seconds,
            end_time_s=now,
            dimensions={"epoch": epoch, "Meta": "training_data_iter"},
        )
        self._log.progress_metric(100.0 * (epoch + 1) / self._epochs)
        self._log.throughput_metric(rows / max(seconds, 1e-9))
