"""Trains Linear Learner from a job's channels and leaves AWS's artefact and log lines."""

import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.formats.training import training_batches
from sagebrush.algorithms.joined_hosts import joined_hosts
from sagebrush.algorithms.linear_learner.artifact import write_model
from sagebrush.algorithms.linear_learner.data_checks import checked, find_flaw
from sagebrush.algorithms.linear_learner.evaluation import Judgement, Metric, final_metrics
from sagebrush.algorithms.linear_learner.fitting import Observer
from sagebrush.algorithms.linear_learner.losses import OBJECTIVE_NAMES
from sagebrush.algorithms.linear_learner.model import LinearLearner
from sagebrush.algorithms.linear_learner.scaler import Scaler
from sagebrush.algorithms.linear_learner.settings import Settings
from sagebrush.algorithms.logs import Log
from sagebrush.algorithms.replay import Pass
from sagebrush.algorithms.training_state import State, load_state, save_state

ALGORITHM = "Linear Learner"
CHECKPOINT = "linear-learner-checkpoint"
TUNING_NAME = "_tuning_objective_metric"
SEED = 0

Doubles = NDArray[np.float64]


def train(context: TrainingContext, parameters: dict[str, Any]) -> None:
    """Train on the ``train`` channel and choose on ``validation``; score ``test``; write the model.

    Every host of the job runs this on its part of the data; the first one writes the model.
    """
    figures: dict[str, float] = {}
    with joined_hosts(context, ALGORITHM, figures) as collective:
        settings = Settings(**parameters)
        learner = LinearLearner(**parameters, seed=SEED, collective=collective)
        _fit(context, learner, collective)
        if collective.leads:
            assert learner.model_ is not None
            path = context.model_dir / f"model_{context.current_host}"
            write_model(path, learner.model_, settings)
        _test(context, learner, collective)
        figures["epochs"] = float(learner.epochs_)


def _fit(context: TrainingContext, learner: LinearLearner, collective: Collective) -> None:
    settings, log = learner.settings, context.log
    folder = context.checkpoint_dir

    def checkpoint(state: State) -> None:
        assert folder is not None
        save_state(folder, CHECKPOINT, state)
        log.info(f'Saved checkpoint to "{folder / CHECKPOINT}"')

    if folder is None:
        log.info("Checkpoint loading and saving are disabled.")
    resume = load_state(folder, CHECKPOINT, collective)
    if resume is not None:
        log.info(f"Resuming from the checkpoint after epoch {int(resume['epoch']) - 1}.")
    has_validation = "validation" in context.channels
    learner.fit_passes(
        _channel(context, "train", settings),
        _channel(context, "validation", settings) if has_validation else None,
        observer=LogObserver(log, settings),
        tuning=bool(context.hyperparameters.get(TUNING_NAME)),
        stop_requested=context.stop_requested,
        resume=resume,
        checkpoint=None if folder is None else checkpoint,
    )
    _log_metrics(log, learner.metrics_part_, learner.metrics_)
    best = learner.candidate_.describe(settings.optimizer_name)
    log.info(f"Best model found for hyperparameters: {json.dumps(best)}")


def _channel(context: TrainingContext, name: str, settings: Settings) -> Pass:
    reader = context.reader(name)
    width = None if settings.feature_dim == "auto" else int(settings.feature_dim)

    def batches() -> Iterator[Batch]:
        return training_batches(
            reader,
            settings.mini_batch_size,
            feature_dim=width,
            find_flaw=lambda batch: find_flaw(batch, settings),
        )

    return batches


def _test(context: TrainingContext, learner: LinearLearner, collective: Collective) -> None:
    if "test" not in context.channels:
        context.log.info("Test data is not provided.")
        return
    settings = learner.settings
    data = checked(_channel(context, "test", settings), settings, "test")
    metrics = final_metrics(data, learner.model(), settings, collective)
    _log_metrics(context.log, "test", metrics)


def _log_metrics(log: Log, part: str, metrics: list[Metric]) -> None:
    for metric in metrics:
        log.score(part, metric.name, metric.value)
    for metric in metrics:
        log.quality_metric(part, metric.name, metric.value, metric.kind)


class LogObserver(Observer):
    """Writes the progress of training as AWS's image does."""

    def __init__(self, log: Log, settings: Settings) -> None:
        self._log = log
        self._epochs = settings.epochs
        self._objective = OBJECTIVE_NAMES[settings.loss_name]
        self._losses: Doubles = np.zeros(0)
        self._throughput = 0.0

    def scaled(self, scaler: Scaler) -> None:
        figures = {
            "stdev_weight": scaler.feature_deviation,
            "stdev_label": scaler.label_deviation,
            "mean_label": scaler.label_mean,
            "mean_weight": scaler.feature_mean,
        }
        self._log.info(f"Scaling model computed with parameters:\n {figures}")

    def epoch_trained(self, epoch: int, losses: Doubles, rows: int, seconds: float) -> None:
        self._log_models(epoch, "train", losses)
        self._losses = losses
        self._throughput = rows / max(seconds, 1e-9)

    def epoch_judged(
        self, epoch: int, judgement: Judgement, part: str, improved: bool, stale_epochs: int
    ) -> None:
        best = judgement.best
        trained = float(self._losses[best])
        self._log.quality_metric("train", self._objective, trained, "loss", epoch=epoch)
        if part == "validation":
            self._log_models(epoch, part, judgement.objective)
            value = float(judgement.objective[best])
            self._log.quality_metric(part, self._objective, value, "loss", epoch=epoch)
        if part == "validation":
            value, criteria = float(judgement.criterion[best]), judgement.criterion_name
        else:
            # Training data stops by the loss, whatever models are chosen by.
            value, criteria = float(judgement.objective[best]), self._objective
        self._log.early_stopping_metric(epoch, criteria, value)
        if improved:
            self._log.info(f"Epoch {epoch}: Loss improved. Updating best model")
        else:
            waited = stale_epochs - 1
            self._log.info(f"Epoch {epoch}: Loss has not improved for {waited} epochs.")

    def epoch_ended(self, epoch: int) -> None:
        self._log.progress_metric(100.0 * (epoch + 1) / self._epochs)
        self._log.throughput_metric(self._throughput)

    def stopped_early(self) -> None:
        self._log.info("Early stop condition met. Stopping training.")
        self._log.progress_metric(100.0)

    def _log_models(self, epoch: int, part: str, values: Doubles) -> None:
        """One line of JSON per model."""
        now = time.time()
        for model, value in enumerate(values.tolist()):
            self._log.metrics(
                ALGORITHM,
                "training",
                {f"{part}_{self._objective}": value},
                start_time_s=now,
                end_time_s=now,
                dimensions={"model": model, "epoch": epoch},
            )
