"""Validated hyperparameters to what xgboost takes and how its metrics are chosen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xgboost

from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.xgboost.custom_metrics import ALONE, CUSTOM_METRICS, CustomMetrics
from sagebrush.algorithms.xgboost.hyperparameters import OBSOLETE_NAMES
from sagebrush.algorithms.xgboost.vocabulary import DEFAULT_OBJECTIVE

_NOT_FOR_XGBOOST = OBSOLETE_NAMES | {
    "_kfold",
    "_num_cv_round",
    "_tuning_objective_metric",
    "csv_weights",
    "early_stopping_rounds",
    "eval_metric",
    "num_round",
    "predictor",
    "save_model_on_termination",
    "silent",
}
_FIRST_MAJOR_WITH_TRANSFORMED_METRICS = 2


@dataclass(frozen=True)
class ChosenMetrics:
    """The metrics of a job: xgboost's own, those computed here, and the one to stop by."""

    own: list[str]
    custom: CustomMetrics | None
    early_stopping: str | None


def choose_metrics(values: Mapping[str, Any], hosts: Collective = ALONE) -> ChosenMetrics:
    """What ``eval_metric`` and the tuning objective ask for together.

    With a tuning objective the metrics are in alphabetical order and it is the one to stop by,
    else the last ``eval_metric`` is. ``hosts`` share the rows that metrics are computed from.
    """
    requested: list[str] = values.get("eval_metric") or []
    tuned = values.get("_tuning_objective_metric")
    tuning = [] if tuned is None else tuned.partition(":")[2].split(",")
    names = sorted({*requested, *tuning}) if tuning and requested else [*requested, *tuning]
    custom = [name for name in names if name in CUSTOM_METRICS]
    last = (tuning or requested or [None])[-1]
    return ChosenMetrics(
        own=[name for name in names if name not in CUSTOM_METRICS],
        custom=CustomMetrics(custom, _metrics_objective(values), hosts) if custom else None,
        early_stopping=last,
    )


def _metrics_objective(values: Mapping[str, Any]) -> str | None:
    if int(xgboost.__version__.partition(".")[0]) < _FIRST_MAJOR_WITH_TRANSFORMED_METRICS:
        return None
    return values.get("objective") or DEFAULT_OBJECTIVE


def xgboost_parameters(
    values: Mapping[str, Any], metrics: ChosenMetrics, threads: int
) -> dict[str, Any]:
    """The parameters for xgboost: those that were set, spelled as this version spells them."""
    parameters = {
        name: value
        for name, value in values.items()
        if value is not None and name not in _NOT_FOR_XGBOOST
    }
    if "updater" in parameters:
        parameters["updater"] = ",".join(parameters["updater"])
    if metrics.own:
        parameters["eval_metric"] = metrics.own
    parameters.setdefault("nthread", threads)
    return parameters
