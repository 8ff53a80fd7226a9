"""The training procedure: scale, train all candidates by epochs, judge, stop early, calibrate.

Works on passes over data, so that arrays, files and pipes are all the same to it. With several
hosts every host runs it on its part of the data; gradients and judgements are added up, so all
hosts take the same decisions and end with the same model.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.formats.batch import Batch
from sagebrush.algorithms.linear_learner.evaluation import (
    METRIC_ROWS,
    Judgement,
    Metric,
    final_metrics,
    judge,
    sample_scores,
)
from sagebrush.algorithms.linear_learner.grid import Candidate, candidates
from sagebrush.algorithms.linear_learner.kernel import ParallelModels
from sagebrush.algorithms.linear_learner.linear_model import LinearModel, probabilities
from sagebrush.algorithms.linear_learner.scaler import Scaler, ScalerSums
from sagebrush.algorithms.linear_learner.settings import (
    BINARY,
    LOSS_CRITERIA,
    MULTICLASS,
    Settings,
)
from sagebrush.algorithms.linear_learner.thresholds import best_threshold
from sagebrush.algorithms.replay import Pass, ReplayedPass
from sagebrush.algorithms.training_state import State

Doubles = NDArray[np.float64]

# Bytes of rows held back for the scaler before the first step, however many rows it may see.
SCALER_BYTES = 256 << 20
# Rows of training data on which the candidates are judged where there is no validation data.
TRAIN_SAMPLE_ROWS = 1 << 16


@dataclass(frozen=True)
class Fitted:
    """The outcome: the model, the candidate it came from, its metrics on ``part`` of the data."""

    model: LinearModel
    candidate: Candidate
    metrics: list[Metric]
    part: str
    epochs: int


class Observer:
    """Hears of the progress of training; the methods do nothing until overridden."""

    def scaled(self, scaler: Scaler) -> None:
        """The scaler is known."""

    def epoch_trained(self, epoch: int, losses: Doubles, rows: int, seconds: float) -> None:
        """An epoch over ``rows`` of this host is over; losses (M,) are means on scaled labels."""

    def epoch_judged(
        self, epoch: int, judgement: Judgement, part: str, improved: bool, stale_epochs: int
    ) -> None:
        """The candidates were judged on ``part``; ``stale_epochs`` went by without progress."""

    def epoch_ended(self, epoch: int) -> None:
        """Everything about the epoch is done, a checkpoint included."""

    def stopped_early(self) -> None:
        """Training ends before the last epoch for lack of progress."""


@dataclass
class Progress:
    """What the epochs so far have led to; all of it goes into a checkpoint."""

    epoch: int = 0
    best_index: int = 0
    best_value: float = float("nan")
    best_objective: float = float("inf")
    reference_value: float = float("nan")
    reference_objective: float = float("nan")
    stale_epochs: int = 0
    best_weights: Doubles = field(default_factory=lambda: np.zeros(0))
    best_bias: Doubles = field(default_factory=lambda: np.zeros(0))

    def take(
        self, judgement: Judgement, models: ParallelModels, tolerance: float, *, by_criterion: bool
    ) -> bool:
        """Take in an epoch's judgement; True when it is progress.

        Progress is an objective better by the tolerance, relatively, or a criterion: on few rows
        the criterion of a classifier stands still while the model still gets better. On training
        data, not ``by_criterion``, the objective alone counts, as AWS documents.
        """
        value = float(judgement.criterion[judgement.best])
        objective = float(judgement.objective[judgement.best])
        sign = 1.0 if judgement.maximise else -1.0
        lead = sign * (value - self.best_value)
        undecided = abs(lead) <= judgement.tolerance and objective < self.best_objective
        if not self.best_weights.size or lead > judgement.tolerance or undecided:
            weights, bias = models.raw_parameters()
            self.best_objective = objective
            self.best_index, self.best_value = judgement.best, value
            self.best_weights = np.ascontiguousarray(weights[:, judgement.best].T)
            self.best_bias = bias[judgement.best].copy()
        gain = sign * (value - self.reference_value)
        drop = self.reference_objective - objective
        improved = (
            np.isnan(self.reference_value)
            or (by_criterion and gain > tolerance * abs(self.reference_value))
            or drop > tolerance * abs(self.reference_objective)
        )
        self.stale_epochs = 0 if improved else self.stale_epochs + 1
        if improved:
            self.reference_value = value
            self.reference_objective = objective
        return bool(improved)

    def state(self) -> dict[str, NDArray[Any]]:
        """The progress as named arrays."""
        return {name: np.asarray(value) for name, value in vars(self).items()}

    @classmethod
    def restored(cls, state: dict[str, NDArray[Any]]) -> "Progress":
        """The progress that `state` was taken from."""
        return cls(
            int(state["epoch"]),
            int(state["best_index"]),
            float(state["best_value"]),
            float(state["best_objective"]),
            float(state["reference_value"]),
            float(state["reference_objective"]),
            int(state["stale_epochs"]),
            state["best_weights"],
            state["best_bias"],
        )


@dataclass
class Fitting:
    """One run of the procedure.

    ``train`` and ``validation`` begin passes in mini-batches; they must check their rows.
    ``tuning`` marks a tuning job's trial, which trains one model. ``resume`` is a checkpointed
    state or None; ``checkpoint`` stores one after each epoch.
    """

    settings: Settings
    train: Pass
    validation: Pass | None = None
    seed: int = 0
    collective: Collective = field(default_factory=Collective)
    observer: Observer = field(default_factory=Observer)
    tuning: bool = False
    stop_requested: Callable[[], bool] = lambda: False
    resume: State | None = None
    checkpoint: Callable[[State], None] | None = None

    def run(self) -> Fitted:
        """Train; returns the chosen model. ClientError for data that cannot be learned from."""
        rng = np.random.default_rng(self.seed)
        # Of training data too large to keep, a sample serves where there is no validation data.
        options = {} if self.validation is None else {"sample_bytes": 0}
        self._replay = ReplayedPass(self.train, rng=rng, **options)
        self._held = (
            None if self.validation is None else ReplayedPass(self.validation, sample_bytes=0)
        )
        stream = self._replay()
        head = _head(stream, self.settings.num_point_for_scaler)
        models = self._models(head, rng)
        progress = Progress()
        if self.resume is not None:
            models.restore(self.resume)
            progress = Progress.restored(self.resume)
        first: Iterator[Batch] = chain(head, stream)
        while progress.epoch < self.settings.epochs:
            self._train_epoch(models, progress.epoch, first)
            finished = self._judge_epoch(models, progress)
            if finished or self.collective.any(self.stop_requested()):
                break
            first = self._replay()
        return self._finish(models, progress)

    def _models(self, head: list[Batch], rng: np.random.Generator) -> ParallelModels:
        rows = int(sum(batch.features.shape[0] for batch in head))
        if rows == 0 and self.collective.size == 1:
            raise ClientError("The train channel holds no examples.")
        dim = int(self.collective.maximum(np.array(head[0].features.shape[1] if head else 0)))
        sums = ScalerSums.of(head, dim).over_hosts(self.collective)
        is_sparse = self.collective.any(any(sparse.issparse(batch.features) for batch in head))
        scaler = sums.scaler(self.settings, is_sparse=is_sparse)
        self.observer.scaled(scaler)
        counts = self._class_counts(head)
        share = float(counts[1] / counts.sum()) if self.settings.predictor_type == BINARY else 0.0
        grid = candidates(self.settings, feature_dim=dim, tuning=self.tuning, positive_share=share)
        weights = _class_weights(counts) if self.settings.balance_multiclass_weights else None
        # All hosts must start alike, while each shuffles its own rows.
        return ParallelModels(
            self.settings,
            grid,
            scaler,
            class_weights=weights if self.settings.predictor_type == MULTICLASS else None,
            rng=np.random.default_rng(rng.integers(1 << 31)),
            collective=self.collective,
        )

    def _class_counts(self, batches: list[Batch]) -> Doubles:
        classes = {BINARY: 2, MULTICLASS: self.settings.num_classes}.get(
            self.settings.predictor_type, 0
        )
        counts = np.zeros(classes)
        for batch in batches if classes else []:
            assert batch.labels is not None
            counts += np.bincount(batch.labels.astype(np.int64), minlength=classes)
        return self.collective.sum(counts)

    def _train_epoch(self, models: ParallelModels, epoch: int, batches: Iterator[Batch]) -> None:
        started = time.perf_counter()
        models.start_epoch()
        rows = 0
        # Minus the lowest label, and the highest one: maxima both, as hosts exchange them.
        extremes = np.full(2, -np.inf)
        while True:
            batch = None if self.stop_requested() else next(batches, None)
            if batch is not None:
                rows += batch.features.shape[0]
                if epoch == 0 and batch.labels is not None:
                    found = (-batch.labels.min(), batch.labels.max())
                    extremes = np.maximum(extremes, found)
            if batch is None and self.collective.size == 1:
                break
            if not models.step(batch):
                break
        if epoch == 0 and not self.stop_requested():
            self._check_first_epoch(rows, extremes)
        self.observer.epoch_trained(
            epoch, models.train_losses(), rows, time.perf_counter() - started
        )

    def _check_first_epoch(self, rows: int, extremes: Doubles) -> None:
        wanted = self.settings.mini_batch_size
        if rows < wanted:
            raise ClientError(
                f"The mini_batch_size ({wanted}) must not be greater than the number of training "
                f"examples on each host ({rows}). Provide more data or a smaller mini_batch_size."
            )
        kind = self.settings.predictor_type
        minus_lowest, highest = self.collective.maximum(extremes)
        if kind in (BINARY, MULTICLASS) and -minus_lowest == highest:
            wanted_classes = "both classes, 0 and 1" if kind == BINARY else "two classes or more"
            raise ClientError(
                f"All labels of the train channel are {highest:g}. A {kind} needs examples of "
                f"{wanted_classes}."
            )

    def _judge_epoch(self, models: ParallelModels, progress: Progress) -> bool:
        """Judge the epoch's models; True when training should end."""
        epoch = progress.epoch
        weights, bias = models.raw_parameters()
        judgement = judge(self._judging_data(), weights, bias, self.settings, self.collective)
        if not np.isfinite(judgement.objective[judgement.best]):
            raise ClientError(
                "The objective of every model has become infinite or NaN. Lower learning_rate or "
                "leave it to 'auto', and keep normalize_data on."
            )
        improved = progress.take(
            judgement,
            models,
            self.settings.early_stopping_tolerance,
            by_criterion=self.validation is not None,
        )
        progress.epoch += 1
        self.observer.epoch_judged(epoch, judgement, self.part, improved, progress.stale_epochs)
        # An epoch that was cut short is repeated from its beginning.
        complete = not self.stop_requested()
        if self.checkpoint is not None and self.collective.leads and complete:
            self.checkpoint({**models.state(), **progress.state()})
        self.observer.epoch_ended(epoch)
        exhausted = progress.stale_epochs >= self.settings.early_stopping_patience
        if exhausted and progress.epoch < self.settings.epochs:
            self.observer.stopped_early()
        return exhausted

    @property
    def part(self) -> str:
        """The data that models are chosen on: validation, or train for want of it."""
        return "train" if self.validation is None else "validation"

    def _judging_data(self) -> Pass:
        if self._held is not None:
            return self._held
        return lambda: self._replay.sample(TRAIN_SAMPLE_ROWS)

    def _finish(self, models: ParallelModels, progress: Progress) -> Fitted:
        data = self._held or self._calibration_sample
        model = LinearModel(progress.best_weights, progress.best_bias)
        if self.settings.predictor_type == BINARY:
            model = replace(model, threshold=self._threshold(data, model))
        return Fitted(
            model,
            models.candidates[progress.best_index],
            final_metrics(self._held or self._metric_sample, model, self.settings, self.collective),
            self.part,
            progress.epoch,
        )

    def _metric_sample(self) -> Iterator[Batch]:
        return self._replay.sample(METRIC_ROWS)

    def _calibration_sample(self) -> Iterator[Batch]:
        return self._replay.sample(self.settings.calibration_rows)

    def _threshold(self, data: Pass, model: LinearModel) -> float:
        """The threshold on the response's score that suits the selection criterion best."""
        settings = self.settings
        margin = 0.0
        if settings.binary_classifier_model_selection_criteria not in LOSS_CRITERIA:
            limit = settings.calibration_rows
            scores, labels = sample_scores(data, model, limit, self.collective)
            margin = best_threshold(scores, labels, settings, margin).threshold
        return float(probabilities(np.array([[margin]]), settings)[0, 0])


def _head(stream: Iterator[Batch], rows: int) -> list[Batch]:
    """The first batches of the stream that hold so many rows, fewer if they would be too large."""
    head: list[Batch] = []
    size = 0
    while rows > 0 and size < SCALER_BYTES:
        batch = next(stream, None)
        if batch is None:
            break
        head.append(batch)
        rows -= batch.features.shape[0]
        size += batch.features.shape[0] * batch.features.shape[1] * 4
    return head


def _class_weights(counts: Doubles) -> NDArray[np.float32]:
    """Weights that give every class the same total, those that do not occur weight 1."""
    present = counts > 0
    share = counts.sum() / max(int(present.sum()), 1)
    return np.where(present, share / np.maximum(counts, 1), 1.0).astype(np.float32)
