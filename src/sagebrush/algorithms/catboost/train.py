"""Trains CatBoost from a job's channels and leaves the artefact of the model ids' script."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.catboost import artifact
from sagebrush.algorithms.catboost.boosting import (
    VALIDATION_NAME,
    BoostingPlan,
    boost,
    library_parameters,
    pool,
)
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.tabular.csv_table import Table
from sagebrush.algorithms.tabular.earlier_model import earlier_model
from sagebrush.algorithms.tabular.fields import PROBLEM_TYPE
from sagebrush.algorithms.tabular.job_data import JobData, read_data
from sagebrush.algorithms.tabular.targets import Classes


def train(context: TrainingContext, values: dict[str, Any]) -> None:
    """Train on the channels and write the model.

    CatBoost prints its rounds and ``bestTest = value``, the best validation score; the last line of
    that form names the metric.
    """
    data = read_data(context, values[PROBLEM_TYPE])
    _describe(context, data)
    with earlier_model(context, (artifact.MODEL_NAME,)) as folder:
        first = None if folder is None else artifact.load(folder)
    if first is not None:
        _require_same(first, data)
        context.log.info(f"Going on from a model of {first.tree_count_} trees.")
    plan = BoostingPlan(
        parameters=library_parameters(values, data.classes, context.threads),
        early_stopping_rounds=values["early_stopping_rounds"],
        verbose=values["verbose"],
        first_model=first,
        write_line=context.log.line,
        stop_requested=context.stop_requested,
    )
    validation = _target(data.validation, data.classes, "validation")
    model = boost(
        plan,
        pool(data.training, _target(data.training, data.classes, "training")),
        pool(data.validation, validation),
    )
    _write_best(context, model)
    artifact.save(model, context.model_dir)


def _target(table: Table, classes: Classes | None, part: str) -> NDArray[Any]:
    """The labels themselves, which CatBoost keeps in the model; all of them must be known."""
    assert table.labels is not None
    if classes is None:
        return table.labels
    classes.indices(table.labels, part)
    return table.labels.astype(np.int64)


def _write_best(context: TrainingContext, model: Any) -> None:
    """The best scores under their names; the one that was watched comes last and so counts."""
    watched = model.get_all_params()["eval_metric"]
    scores = model.get_best_score().get(VALIDATION_NAME, {})
    for name, value in sorted(scores.items(), key=lambda score: score[0] == watched):
        text = np.format_float_positional(value, precision=10, fractional=False, trim="0")
        context.log.line(f"bestTest = {text} ({name})")


def _describe(context: TrainingContext, data: JobData) -> None:
    rows, columns = data.training.numbers.shape
    classes = "" if data.classes is None else f" of {len(data.classes.labels)} classes"
    context.log.info(
        f"Training on {rows} rows{classes} with {columns} features, of which "
        f"{len(data.categorical)} categorical; validating on {data.validation.rows} rows."
    )


def _require_same(first: Any, data: JobData) -> None:
    if len(first.feature_names_) != data.training.numbers.shape[1]:
        raise ClientError("The model to go on from has another number of features than the data.")
    if artifact.labels_of(first) != (() if data.classes is None else data.classes.labels):
        raise ClientError("The model to go on from has other classes than the data.")
    if tuple(first.get_cat_feature_indices()) != data.categorical:
        raise ClientError("The model to go on from has other categorical columns than the data.")
