"""The boosting loop: xgboost's own training with metrics from margins and resumable rounds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xgboost
from xgboost.callback import CallbackContainer, EarlyStopping, TrainingCallback

from sagebrush.algorithms.xgboost.checkpoints import (
    SaveCheckpoints,
    SaveIntermediateModel,
    latest_checkpoint,
)
from sagebrush.algorithms.xgboost.custom_metrics import CustomMetrics
from sagebrush.algorithms.xgboost.vocabulary import MAXIMIZED_METRICS

Watched = list[tuple[xgboost.DMatrix, str]]


@dataclass(frozen=True)
class BoostingPlan:
    """How a model is trained.

    ``parameters`` go to xgboost as they are. ``early_stopping_metric`` is watched on the matrix
    called ``validation``. ``checkpoint_dir`` and ``intermediate_model`` are None where nothing is
    to be saved. ``write_line`` gets each round's metrics as a line.
    """

    parameters: Mapping[str, Any]
    rounds: int
    metrics: CustomMetrics | None = None
    early_stopping_rounds: int | None = None
    early_stopping_metric: str | None = None
    checkpoint_dir: Path | None = None
    intermediate_model: Path | None = None
    is_master: bool = True
    write_line: Callable[[str], None] = print
    stop_requested: Callable[[], bool] = field(default=lambda: False)

    @property
    def stops_early(self) -> bool:
        """Whether a metric is watched to end the training."""
        return bool(self.early_stopping_rounds and self.early_stopping_metric)


@dataclass(frozen=True)
class Boosted:
    """A trained model and what each metric was after each round, by matrix and metric name."""

    booster: xgboost.Booster
    history: Mapping[str, Mapping[str, Sequence[float]]]
    finished: bool


def boost(plan: BoostingPlan, train: xgboost.DMatrix, watched: Watched) -> Boosted:
    """Train the rounds that the newest checkpoint does not have yet.

    Ends early when the metric stops improving, keeping the best round, and when a stop is
    requested, keeping what there is (``finished`` is then False). Where an intermediate model is
    kept, one round is trained in any case.
    """
    checkpoint, first_round = latest_checkpoint(plan.checkpoint_dir)
    booster = xgboost.Booster(
        dict(plan.parameters), [train, *(matrix for matrix, _ in watched)], model_file=checkpoint
    )
    ordered = _callbacks(plan, first_round)
    callbacks = CallbackContainer(ordered, metric=plan.metrics, output_margin=True)
    # Version 1.7 keeps them as a set, and the one that stops hides the round from those after it.
    callbacks.callbacks = ordered
    finished = True
    booster = callbacks.before_training(booster)
    # Rounds count from 0 also after a checkpoint: callbacks add the trees there were before.
    for index in range(plan.rounds - first_round):
        # A model that is to be kept needs a round to be made of.
        if plan.stop_requested() and (index > 0 or plan.intermediate_model is None):
            finished = False
            break
        if callbacks.before_iteration(booster, index, train, watched):
            break
        booster.update(train, iteration=index)
        if callbacks.after_iteration(booster, index, train, watched):
            break
    if not plan.stops_early or booster.attr("best_iteration") is not None:
        booster = callbacks.after_training(booster)
    return Boosted(booster, callbacks.history, finished)


class _PrintMetrics(TrainingCallback):  # type: ignore[misc]
    """Writes each round's line as xgboost would, but never late: older versions buffer theirs."""

    def __init__(self, write_line: Callable[[str], None], first_round: int) -> None:
        super().__init__()
        self.write_line = write_line
        self.first_round = first_round

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
        cells = [
            f"\t{part}-{metric}:{values[-1]:.5f}"
            for part, metrics in evals_log.items()
            for metric, values in metrics.items()
        ]
        self.write_line(f"[{self.first_round + epoch}]{''.join(cells)}")
        return False


def _callbacks(plan: BoostingPlan, first_round: int) -> list[TrainingCallback]:
    callbacks: list[Any] = []
    if plan.is_master:
        callbacks.append(_PrintMetrics(plan.write_line, first_round))
    if plan.checkpoint_dir is not None and plan.is_master:
        callbacks.append(SaveCheckpoints(plan.checkpoint_dir, first_round))
    if plan.intermediate_model is not None and plan.is_master:
        callbacks.append(SaveIntermediateModel(plan.intermediate_model))
    if plan.stops_early:
        metric = plan.early_stopping_metric or ""
        callbacks.append(
            EarlyStopping(
                rounds=plan.early_stopping_rounds,
                data_name="validation",
                metric_name=metric,
                maximize=metric.partition("@")[0] in MAXIMIZED_METRICS,
                # Linear models have no rounds to cut off.
                save_best=plan.parameters.get("booster") != "gblinear",
            )
        )
    return callbacks
