"""Trains XGBoost from the channels of a job and leaves ``xgboost-model`` behind."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xgboost

from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.xgboost.boosting import Boosted, BoostingPlan, boost
from sagebrush.algorithms.xgboost.checkpoints import MODEL_NAME, save_atomically
from sagebrush.algorithms.xgboost.cross_validation import HeldOutPredictions, folds
from sagebrush.algorithms.xgboost.device import choose_device
from sagebrush.algorithms.xgboost.distributed import Member, distributable, membership
from sagebrush.algorithms.xgboost.failures import training_failure
from sagebrush.algorithms.xgboost.image_log import write_info, write_warning
from sagebrush.algorithms.xgboost.image_versions import ImageVersion
from sagebrush.algorithms.xgboost.job_data import (
    JobData,
    describe,
    has_data,
    read_data,
    require_known_channels,
)
from sagebrush.algorithms.xgboost.matrix_options import DEFAULT_BINS
from sagebrush.algorithms.xgboost.paging import cached_histogram_nodes, is_paged
from sagebrush.algorithms.xgboost.parameters import choose_metrics, xgboost_parameters
from sagebrush.algorithms.xgboost.sketched_bins import BIN_PARAMETERS
from sagebrush.algorithms.xgboost.value_pages import ValuePages
from sagebrush.algorithms.xgboost.vocabulary import DEFAULT_OBJECTIVE


def train(context: TrainingContext, values: Mapping[str, Any]) -> None:
    """Train on the channels with validated hyperparameters and write the model directory.

    Prints a line ``[round]\\ttrain-metric:value\\tvalidation-metric:value`` for each round.
    ClientError for wrong channels, data or hyperparameters that xgboost refuses; AlgorithmError
    when training itself fails.
    """
    write_info(context, "Running XGBoost Sagemaker in algorithm mode")
    image = ImageVersion.of(os.environ.get("SAGEBRUSH_IMAGE_TAG", ""))
    if values.get("silent") is not None and not image.has_silent:
        raise ClientError("Extraneous hyperparameter found: silent")
    require_known_channels(context)
    if len(context.hosts) > 1:
        values = _spread_over_hosts(context, values, image)
        write_info(
            context,
            f"Distributed node training with {len(context.hosts)} hosts: {context.hosts}",
        )
    try:
        with membership(context, has_data=has_data(context)) as member:
            if member is None:
                write_warning(
                    context,
                    f"Host {context.current_host} does not have data in every channel and will "
                    "not be used in distributed training. Please divide the data across "
                    "instances properly.",
                )
                return
            data = read_data(context, values, member.group)
            if len(context.hosts) == 1:
                write_info(context, "Single node training.")
            describe(context, data)
            _require_probabilities(values.get("objective"), data.train)
            _train(context, values, data, member)
    except xgboost.core.XGBoostError as error:
        raise training_failure(error) from error


def _spread_over_hosts(
    context: TrainingContext, values: Mapping[str, Any], image: ImageVersion
) -> Mapping[str, Any]:
    """The hyperparameters for several hosts; ClientError for what only one host can do."""
    spread = distributable(values, image)
    if spread is not values:
        write_warning(
            context,
            "tree_method exact trains with the approximate algorithm, approx, since the rows are "
            "spread over several hosts.",
        )
    return spread


def _require_probabilities(objective: str | None, matrix: xgboost.DMatrix) -> None:
    """xgboost finds labels out of range only after they spoiled its first estimate."""
    if objective not in {"binary:logistic", "binary:logitraw", "reg:logistic"}:
        return
    labels = matrix.get_label()
    if len(labels) and not (labels.min() >= 0 and labels.max() <= 1):
        raise ClientError("label must be in [0,1] for logistic regression")


def _plan(
    context: TrainingContext, values: Mapping[str, Any], data: JobData, member: Member
) -> BoostingPlan:
    metrics = choose_metrics(values, member.group)
    device = choose_device(
        values.get("tree_method"), hosts=member.group.size, paged=is_paged(data.train)
    )
    if device.note:
        (write_info if device.is_gpu else write_warning)(context, device.note)
    stopping = values.get("early_stopping_rounds") if data.validation is not None else None
    if values.get("early_stopping_rounds") and not (stopping and metrics.early_stopping):
        write_warning(
            context,
            "early_stopping_rounds has no effect without an eval_metric and a validation channel.",
        )
    keeps_model = values.get("save_model_on_termination") == "true"
    parameters = xgboost_parameters(values, metrics, context.threads) | device.parameters
    if isinstance(data.train, ValuePages):
        _use_bins(context, parameters, data.train)
    nodes = cached_histogram_nodes(data.train, values.get("max_bin"))
    if nodes is not None:
        # The hosts let go of histograms together, or they would sum different ones.
        parameters["max_cached_hist_node"] = int(member.group.minimum(np.array(nodes)))
    return BoostingPlan(
        parameters=parameters,
        rounds=values["num_round"],
        metrics=metrics.custom,
        early_stopping_rounds=stopping,
        early_stopping_metric=metrics.early_stopping,
        checkpoint_dir=context.checkpoint_dir,
        intermediate_model=context.model_dir / MODEL_NAME if keeps_model else None,
        is_master=member.is_master,
        write_line=context.log.line,
        stop_requested=member.any(context.stop_requested),
    )


def _use_bins(context: TrainingContext, parameters: dict[str, Any], matrix: ValuePages) -> None:
    """Train with the bins that the matrix has; version 1.7 would choose another method itself."""
    if matrix.bins is None:
        return
    wanted = parameters.get("max_bin", DEFAULT_BINS)
    if matrix.bins < wanted:
        write_warning(
            context,
            f"max_bin is {matrix.bins} instead of {wanted}: the histograms of a tree would take "
            "too much of the memory.",
        )
    parameters |= BIN_PARAMETERS | {"max_bin": matrix.bins}


def _train(
    context: TrainingContext, values: Mapping[str, Any], data: JobData, member: Member
) -> None:
    plan = _plan(context, values, data, member)
    if values.get("_kfold") is not None:
        _cross_validate(context, values, data, plan)
        return
    boosted = boost(plan, data.train, data.watched)
    if boosted.finished and member.is_master:
        save_atomically(boosted.booster, context.model_dir / MODEL_NAME)


def _cross_validate(
    context: TrainingContext, values: Mapping[str, Any], data: JobData, plan: BoostingPlan
) -> None:
    fold_count, repeats = values["_kfold"], values.get("_num_cv_round") or 1
    objective = values.get("objective") or DEFAULT_OBJECTIVE
    matrix = data.everything
    if is_paged(matrix):
        raise ClientError("The data is too large for cross validation.")
    rows = matrix.num_row()
    write_info(
        context, f"Run {repeats}-round of {fold_count}-fold cross validation with {rows} rows"
    )
    is_classification = bool(values.get("num_class")) or objective.startswith("binary:")
    labels = matrix.get_label()
    held_out = HeldOutPredictions(labels, repeats, is_classification=is_classification)
    trained: list[Boosted] = []
    splits = folds(
        rows, fold_count, repeats, labels if is_classification else None, values.get("seed")
    )
    for training_rows, held_out_rows in splits:
        index = len(trained)
        write_info(context, f"Train cross validation fold {index % fold_count + 1}")
        boosted = boost(_fold_plan(plan, index), matrix.slice(training_rows.tolist()), data.watched)
        if not boosted.finished:
            return
        trained.append(boosted)
        predictions = boosted.booster.predict(matrix.slice(held_out_rows.tolist()))
        held_out.record(held_out_rows, predictions, _class_threshold(objective))
        save_atomically(boosted.booster, context.model_dir / f"{MODEL_NAME}-{index}")
        if len(trained) % fold_count == 0:
            number = len(trained) // fold_count
            write_info(context, f"The metrics of round {number} cross validation")
            context.log.line(_mean_metrics(plan.rounds, trained[-fold_count:]))
    path = held_out.save(context.output_data_dir)
    write_info(context, f"Storing predictions on validation set(s) in {path}")
    if repeats > 1:
        write_info(context, f"The overall metrics of {repeats}-round cross validation")
        context.log.line(_mean_metrics(plan.rounds, trained))


def _fold_plan(plan: BoostingPlan, index: int) -> BoostingPlan:
    folder, model = plan.checkpoint_dir, plan.intermediate_model
    return replace(
        plan,
        checkpoint_dir=None if folder is None else folder / f"model-{index}",
        intermediate_model=None if model is None else model.with_name(f"{model.name}-{index}"),
    )


def _class_threshold(objective: str) -> float:
    if objective == "binary:logitraw":
        return 0.0
    return float("inf") if objective == "multi:softmax" else 0.5


def _mean_metrics(rounds: int, trained: list[Boosted]) -> str:
    """The last round's metrics averaged over models, in the form of a round's line."""
    first = trained[0].history
    line = f"[{rounds}]"
    for metric in first["train"]:
        for part in first:
            last = [boosted.history[part][metric][-1] for boosted in trained]
            line += f"\t{part}-{metric}:{np.mean(last):.5f}"
    return line
