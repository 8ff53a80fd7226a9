"""Trains LightGBM from a job's channels and leaves the artefact of the model ids' script."""

from typing import Any

from sagebrush.algorithms.collective import Collective, connect
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.lightgbm import artifact
from sagebrush.algorithms.lightgbm.artifact import PICKLE_NAME, TEXT_NAME, StoredModel
from sagebrush.algorithms.lightgbm.boosting import BoostingPlan, Rows, boost, library_parameters
from sagebrush.algorithms.lightgbm.distributed import network_parameters
from sagebrush.algorithms.lightgbm.thread_waiting import spin_briefly
from sagebrush.algorithms.tabular.category_numbers import (
    Words,
    named_categories,
    with_category_numbers,
)
from sagebrush.algorithms.tabular.csv_table import Table
from sagebrush.algorithms.tabular.earlier_model import earlier_model
from sagebrush.algorithms.tabular.fields import PROBLEM_TYPE
from sagebrush.algorithms.tabular.job_data import JobData, read_data
from sagebrush.algorithms.tabular.targets import Classes


def train(context: TrainingContext, values: dict[str, Any]) -> None:
    """Train on the channels and write the model (first host).

    Prints a line ``[round]\\tvalid_0's metric: value`` for each round.
    """
    spin_briefly()
    group = connect(context.hosts, context.current_host, stop_requested=context.stop_requested)
    try:
        _train(context, values, group)
    finally:
        group.close()


def _train(context: TrainingContext, values: dict[str, Any], group: Collective) -> None:
    _send_log_to(context)
    data = read_data(context, values[PROBLEM_TYPE], group)
    words = named_categories(data.training)
    _describe(context, data)
    with earlier_model(context, (TEXT_NAME, PICKLE_NAME)) as folder:
        first = None if folder is None else artifact.load(folder)
    if first is not None:
        _require_same(first, data, words)
        context.log.info(f"Going on from a model of {first.booster.num_trees()} trees.")
    plan = BoostingPlan(
        parameters=library_parameters(values, data.classes, context.threads),
        rounds=values["num_boost_round"],
        early_stopping_rounds=values["early_stopping_rounds"],
        categorical=data.categorical,
        first_model=None if first is None else first.booster,
        network=network_parameters(context, group, values["tree_learner"]),
        write_line=context.log.line if group.leads else None,
        stop_requested=lambda: group.any(context.stop_requested()),
    )
    booster = boost(
        plan, _rows(data.training, data, words), _rows(data.validation, data, words, "validation")
    )
    if plan.network:
        booster.free_network()
    if not group.leads:
        return
    context.log.info(f"The best round is {booster.best_iteration or booster.current_iteration()}.")
    labels = () if data.classes is None else data.classes.labels
    artifact.save(
        StoredModel(booster, values[PROBLEM_TYPE], labels, data.categorical, words),
        context.model_dir,
    )


def _rows(table: Table, data: JobData, words: Words, part: str = "training") -> Rows:
    assert table.labels is not None
    classes = data.classes
    target = table.labels if classes is None else classes.indices(table.labels, part)
    return Rows(with_category_numbers(table, words), target)


def _describe(context: TrainingContext, data: JobData) -> None:
    rows, columns = data.training.numbers.shape
    classes = "" if data.classes is None else f" of {len(data.classes.labels)} classes"
    context.log.info(
        f"Training on {rows} rows{classes} with {columns} features, of which "
        f"{len(data.categorical)} categorical; validating on {data.validation.rows} rows."
    )


def _require_same(first: StoredModel, data: JobData, words: Words) -> None:
    classes = Classes(first.labels) if first.labels else None
    if first.booster.num_feature() != data.training.numbers.shape[1]:
        raise ClientError("The model to go on from has another number of features than the data.")
    if classes != data.classes:
        raise ClientError("The model to go on from has other classes than the data.")
    if {i: list(w) for i, w in first.words.items()} != {i: list(w) for i, w in words.items()}:
        raise ClientError("The model to go on from has other categories than the data.")


def _send_log_to(context: TrainingContext) -> None:
    """LightGBM's own lines, which would be written by ``print``, go the way of all others."""
    import lightgbm

    lightgbm.register_logger(_Lines(context))


class _Lines:
    def __init__(self, context: TrainingContext) -> None:
        self._write = context.log.line

    def info(self, message: str) -> None:
        self._write(message)

    warning = info
