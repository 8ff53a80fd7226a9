"""The boosting itself: LightGBM's own training with the log lines that metrics are read from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.errors import AlgorithmError, ClientError
from sagebrush.algorithms.tabular.targets import Classes

VALIDATION_NAME = "valid_0"
_PASSED_ON = (
    *("boosting", "learning_rate", "num_leaves", "max_depth", "min_data_in_leaf"),
    *("max_delta_step", "lambda_l1", "lambda_l2", "min_gain_to_split", "max_bin"),
    *("feature_fraction", "bagging_fraction", "bagging_freq", "feature_fraction_bynode"),
    *("tweedie_variance_power", "verbosity"),
)
_LOST_HOST = ("socket", "Socket", "connect")


@dataclass(frozen=True)
class Rows:
    """A matrix (rows, features) of float64 and a target (rows,): numbers or class indices."""

    features: NDArray[np.float64]
    target: NDArray[Any]


@dataclass(frozen=True)
class BoostingPlan:
    """How a model is trained.

    ``parameters`` are LightGBM's own. ``early_stopping_rounds`` of 0 or less train all rounds.
    ``first_model`` is a model whose rounds come before. ``network`` are LightGBM's parameters that
    join several hosts. ``stop_requested`` must agree on all hosts; ``write_line`` gets each round's
    validation scores.
    """

    parameters: Mapping[str, Any]
    rounds: int
    early_stopping_rounds: int = 0
    categorical: tuple[int, ...] = ()
    first_model: Any = None
    network: Mapping[str, Any] = field(default_factory=dict)
    write_line: Callable[[str], None] | None = None
    stop_requested: Callable[[], bool] = field(default=lambda: False)


def library_parameters(
    values: Mapping[str, Any], classes: Classes | None, threads: int
) -> dict[str, Any]:
    """LightGBM's parameters for hyperparameter values; ``classes`` is None for regression."""
    parameters: dict[str, Any] = {name: values[name] for name in _PASSED_ON}
    # More than the job's processors are slower, and at 100,000 end the process.
    parameters["num_threads"] = min(values["num_threads"] or threads, threads)
    # Which layout is faster is otherwise found out by the clock, and sums differ in their last
    # digits between the layouts: the same job would not give the same model.
    parameters["force_col_wise"] = True
    automatic = ("regression", "rmse")
    if classes is not None:
        automatic = ("binary", "binary_logloss") if classes.is_binary else _MULTICLASS
        if classes.is_binary:
            parameters["is_unbalance"] = values["is_unbalance"]
            parameters["scale_pos_weight"] = values["scale_pos_weight"]
        if not classes.is_binary or values["objective"].startswith("multiclass"):
            parameters["num_class"] = len(classes.labels)
    for name, chosen in zip(("objective", "metric"), automatic, strict=True):
        parameters[name] = chosen if values[name] == "auto" else values[name]
    return parameters


_MULTICLASS = ("multiclass", "multi_logloss")


def feature_names(count: int) -> list[str]:
    """The names that the hosted algorithm gives its features."""
    return [f"feature_{index}" for index in range(count)]


def boost(plan: BoostingPlan, training: Rows, validation: Rows | None) -> Any:
    """The trained ``lightgbm.Booster``, which predicts with its best round.

    ClientError for hyperparameters and data that LightGBM refuses, AlgorithmError when a host is
    lost.
    """
    import lightgbm

    parameters = {**plan.parameters, **plan.network}
    try:
        data = lightgbm.Dataset(
            training.features,
            training.target,
            feature_name=feature_names(training.features.shape[1]),
            categorical_feature=list(plan.categorical),
            params=parameters,
        )
        watched = []
        if validation is not None:
            watched = [data.create_valid(validation.features, validation.target)]
        booster = lightgbm.train(
            parameters,
            data,
            num_boost_round=plan.rounds,
            valid_sets=watched,
            valid_names=[VALIDATION_NAME] * len(watched),
            init_model=plan.first_model,
            callbacks=_callbacks(plan, watched=bool(watched)),
        )
    except lightgbm.basic.LightGBMError as error:
        if plan.network and any(word in str(error) for word in _LOST_HOST):
            raise AlgorithmError(f"The connection to another host was lost: {error}") from error
        raise ClientError(f"LightGBM refuses the data or the hyperparameters: {error}") from error
    booster.best_score = {
        part: {name: float(value) for name, value in scores.items()}
        for part, scores in booster.best_score.items()
    }
    return booster


def _callbacks(plan: BoostingPlan, *, watched: bool) -> list[Any]:
    import lightgbm

    callbacks: list[Any] = [_AfterRound(plan.write_line, plan.stop_requested)]
    # With dart, earlier trees change in later rounds, so that no best round can be kept.
    if watched and plan.early_stopping_rounds > 0 and plan.parameters["boosting"] != "dart":
        callbacks.append(lightgbm.early_stopping(plan.early_stopping_rounds, verbose=False))
    return callbacks


class _AfterRound:
    """Writes the round's scores and ends the training when a stop is requested."""

    order = 20
    before_iteration = False

    def __init__(
        self, write_line: Callable[[str], None] | None, stop_requested: Callable[[], bool]
    ) -> None:
        self._write_line = write_line
        self._stop_requested = stop_requested

    def __call__(self, environment: Any) -> None:
        from lightgbm.callback import EarlyStopException

        results = environment.evaluation_result_list
        if self._write_line is not None and results:
            scores = "\t".join(f"{r[0]}'s {r[1]}: {plain_number(r[2])}" for r in results)
            self._write_line(f"[{environment.iteration + 1}]\t{scores}")
        if self._stop_requested():
            raise EarlyStopException(environment.iteration, results)


def plain_number(value: float) -> str:
    """The number without an exponent, which the documented metric patterns do not match."""
    return np.format_float_positional(value, precision=6, fractional=False, trim="0")
