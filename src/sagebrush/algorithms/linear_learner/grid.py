"""The candidates that are trained side by side: a grid over what the user leaves to ``auto``.

With nothing fixed there are 32: two learning rates, four regularisations and four learning-rate
schedules. An axis on which the user fixes a value shrinks, and the models left differ in the others
and in their random start.
"""

import itertools
from dataclasses import dataclass
from typing import Any

from sagebrush.algorithms.linear_learner.settings import BINARY, Settings

AUTO_MODELS = 32
# Parameters of all models together when num_models is auto: a few hundred MB with their optimiser.
AUTO_PARAMETERS = 1 << 24

LEARNING_RATES: tuple[float, ...] = (0.1, 0.005)
REGULARIZATIONS: tuple[tuple[float, float], ...] = (
    (0.0, 0.0),
    (0.001, 0.0),
    (0.01, 0.0),
    (0.0, 0.001),
)  # wd, l1
SCHEDULES: tuple[tuple[int, float, float], ...] = (
    (10, 0.98, 1e-5),
    (100, 0.99, 1e-5),
    (10, 0.99, 1e-4),
    (100, 0.98, 1e-4),
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model's own hyperparameters.

    ``positive_weight`` multiplies the loss of rows with label 1.
    """

    learning_rate: float
    wd: float
    l1: float
    lr_scheduler_step: int
    lr_scheduler_factor: float
    lr_scheduler_minimum_lr: float
    positive_weight: float = 1.0

    def describe(self, optimizer: str) -> dict[str, Any]:
        """The entries of the log's line about the best model."""
        return {
            "optimizer": optimizer,
            "learning_rate": self.learning_rate,
            "l1": self.l1,
            "wd": self.wd,
            "lr_scheduler_step": self.lr_scheduler_step,
            "lr_scheduler_factor": self.lr_scheduler_factor,
            "lr_scheduler_minimum_lr": self.lr_scheduler_minimum_lr,
        }


def candidates(
    settings: Settings, *, feature_dim: int, tuning: bool, positive_share: float
) -> list[Candidate]:
    """The models to train.

    ``tuning`` says that a tuning job explores, which wants one model per training job.
    ``positive_share`` is the share of label 1 in the sample, for balanced weights.
    """
    count = _count(settings, feature_dim, tuning)
    weights = _positive_weights(settings, positive_share)
    rates, regularizations, schedules = LEARNING_RATES, REGULARIZATIONS, SCHEDULES
    if count == 1:
        rates, regularizations, schedules = rates[:1], regularizations[:1], schedules[:1]
    axes = itertools.product(
        _fixed(settings.learning_rate, rates),
        _unique((_one(settings.wd, wd), _one(settings.l1, l1)) for wd, l1 in regularizations),
        _unique(
            (
                int(_one(settings.lr_scheduler_step, step)),
                _one(settings.lr_scheduler_factor, factor),
                _one(settings.lr_scheduler_minimum_lr, minimum),
            )
            for step, factor, minimum in schedules
        ),
    )
    points = [
        Candidate(rate, wd, l1, *schedule) for rate, (wd, l1), schedule in _spread(list(axes))
    ]
    return [
        _weighted(points[index % len(points)], weights[index % len(weights)])
        for index in range(count)
    ]


def _count(settings: Settings, feature_dim: int, tuning: bool) -> int:
    if tuning:
        return 1
    if settings.num_models != "auto":
        return int(settings.num_models)
    affordable = AUTO_PARAMETERS // ((feature_dim + 1) * settings.outputs)
    return max(1, min(AUTO_MODELS, affordable))


def _positive_weights(settings: Settings, positive_share: float) -> list[float]:
    if settings.predictor_type != BINARY:
        return [1.0]
    wanted = settings.positive_example_weight_mult
    usable = 0.0 < positive_share < 1.0
    balanced = (1.0 - positive_share) / positive_share if usable else 1.0
    if wanted == "balanced":
        return [balanced]
    if wanted == "auto":
        return [1.0, balanced, balanced**0.5]
    return [float(wanted)]


def _one(given: float | str, automatic: float) -> float:
    return automatic if given == "auto" else float(given)


def _fixed(given: float | str, automatic: tuple[float, ...]) -> tuple[float, ...]:
    return automatic if given == "auto" else (float(given),)


def _unique(values: Any) -> list[Any]:
    return list(dict.fromkeys(values))


def _spread(points: list[Any]) -> list[Any]:
    """The grid in an order whose beginning already covers every axis, for few models."""
    step = 13
    if len(points) % step == 0:
        return points
    return [points[index * step % len(points)] for index in range(len(points))]


def _weighted(point: Candidate, weight: float) -> Candidate:
    return Candidate(
        point.learning_rate,
        point.wd,
        point.l1,
        point.lr_scheduler_step,
        point.lr_scheduler_factor,
        point.lr_scheduler_minimum_lr,
        weight,
    )
