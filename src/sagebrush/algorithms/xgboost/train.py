"""Trains XGBoost from the channels of a job and leaves ``xgboost-model`` behind."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from sagebrush.algorithms.channels import ChannelConfig
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.xgboost.boosting import Boosted, BoostingPlan, Watched, boost
from sagebrush.algorithms.xgboost.channel_rows import ChannelRows, ShallowReader
from sagebrush.algorithms.xgboost.checkpoints import MODEL_NAME, save_atomically
from sagebrush.algorithms.xgboost.content_types import data_format
from sagebrush.algorithms.xgboost.cross_validation import HeldOutPredictions, folds
from sagebrush.algorithms.xgboost.distributed import Member, membership, require_distributable
from sagebrush.algorithms.xgboost.failures import training_failure
from sagebrush.algorithms.xgboost.matrices import MatrixOptions, read_matrix
from sagebrush.algorithms.xgboost.parameters import choose_metrics, xgboost_parameters
from sagebrush.algorithms.xgboost.vocabulary import DEFAULT_OBJECTIVE

_CHANNELS = ("train", "validation", "code")


@dataclass(frozen=True)
class _Data:
    train: xgboost.DMatrix
    validation: xgboost.DMatrix | None
    everything: xgboost.DMatrix

    @property
    def watched(self) -> Watched:
        watched = [(self.train, "train")]
        if self.validation is not None:
            watched.append((self.validation, "validation"))
        return watched


def train(context: TrainingContext, values: Mapping[str, Any]) -> None:
    """Train on the channels with validated hyperparameters and write the model directory.

    Prints a line ``[round]\\ttrain-metric:value\\tvalidation-metric:value`` for each round.
    ClientError for wrong channels, data or hyperparameters that xgboost refuses; AlgorithmError
    when training itself fails.
    """
    _info(context, "Running XGBoost Sagemaker in algorithm mode")
    _require_known_channels(context)
    if len(context.hosts) > 1:
        require_distributable(values)
        _info(
            context,
            f"Distributed node training with {len(context.hosts)} hosts: {context.hosts}",
        )
    try:
        with membership(context, has_data=_has_data(context)) as member:
            if member is None:
                _info(
                    context,
                    f"Host {context.current_host} does not have data in every channel and will "
                    "not be used in distributed training. Please divide the data across "
                    "instances properly.",
                    "WARNING",
                )
                return
            data = _read(context, values)
            if len(context.hosts) == 1:
                _info(context, "Single node training.")
            _describe(context, data)
            _require_probabilities(values.get("objective"), data.train)
            _train(context, values, data, member)
    except xgboost.core.XGBoostError as error:
        raise training_failure(error) from error


def _has_data(context: TrainingContext) -> bool:
    """Whether every data channel of this host holds some bytes; a pipe is taken to."""
    for name in ("train", "validation"):
        config = context.channels.get(name)
        if config is None or config.mode == "Pipe":
            continue
        if not any(path.stat().st_size for path in ShallowReader(config).files()):
            return False
    return True


def _require_probabilities(objective: str | None, matrix: xgboost.DMatrix) -> None:
    """xgboost finds labels out of range only after they spoiled its first estimate."""
    if objective not in {"binary:logistic", "binary:logitraw", "reg:logistic"}:
        return
    labels = matrix.get_label()
    if len(labels) and not (labels.min() >= 0 and labels.max() <= 1):
        raise ClientError("label must be in [0,1] for logistic regression")


def _info(context: TrainingContext, text: str, level: str = "INFO") -> None:
    stamp = time.strftime("%Y-%m-%d:%H:%M:%S", time.gmtime())
    context.log.line(f"[{stamp}:{level}] {text}")


def _require_known_channels(context: TrainingContext) -> None:
    if "train" not in context.channels:
        raise ClientError("Missing required channel: train")
    for name in context.channels:
        if name not in _CHANNELS:
            raise ClientError(f"Extraneous channel found: {name}")


def _read(context: TrainingContext, values: Mapping[str, Any]) -> _Data:
    train_config = context.channels["train"]
    options = MatrixOptions(
        threads=values.get("nthread") or context.threads,
        tree_method=values.get("tree_method"),
        booster=values.get("booster"),
        max_bin=values.get("max_bin"),
        needs_bounds=values.get("objective") == "survival:aft"
        or "interval-regression-accuracy" in (values.get("eval_metric") or ()),
    )
    train_rows = _rows(context, train_config, values)
    train = read_matrix([train_rows], options)
    if train is None:
        raise ClientError(f"No data in training channel path {train_config.path}")
    validation_config = context.channels.get("validation")
    if validation_config is None:
        return _Data(train, None, train)
    _warn_of_same_data(context, train_config, validation_config)
    if validation_config.content_type is None:
        validation_config = replace(validation_config, content_type=train_config.content_type)
    validation_rows = _rows(context, validation_config, values)
    validation = read_matrix([validation_rows], options, like=train)
    if validation is None:
        raise ClientError(f"No data in validation channel path {validation_config.path}")
    if values.get("_kfold") is None:
        return _Data(train, validation, train)
    _info(context, "Read both train and validation data into one DMatrix")
    everything = read_matrix([train_rows, validation_rows], options)
    return _Data(train, validation, everything or train)


def _rows(
    context: TrainingContext, config: ChannelConfig, values: Mapping[str, Any]
) -> ChannelRows:
    try:
        found = data_format(config.content_type)
    except ValueError as error:
        raise ClientError(str(error)) from error
    rows = ChannelRows(
        ShallowReader(config, context.stop_requested), found, values.get("csv_weights") == 1
    )
    rows.require_readable_mode()
    if rows.reader.ignored_files():
        _info(
            context,
            f"The depth of folder {config.path} exceed the limit 3. Files in deeper sub dirs "
            "won't be loaded. Please adjust the folder structure accordingly.",
            "WARNING",
        )
    return rows


def _warn_of_same_data(
    context: TrainingContext, train: ChannelConfig, validation: ChannelConfig
) -> None:
    if train.path.resolve() == validation.path.resolve():
        _info(
            context,
            "Found same path for training and validation. This is not recommended and results "
            "may not be correct.",
            "WARNING",
        )
        return
    sizes = _top_level_sizes(train.path)
    for name, size in _top_level_sizes(validation.path).items():
        if sizes.get(name) == size:
            _info(
                context,
                f"Suspected identical files found. ({train.path / name} and "
                f"{validation.path / name}with same size {size} bytes). Note: Duplicate data in "
                "the training set and validation set is usually not intentional and can impair "
                "the validity of the model evaluation by the validation score.",
                "WARNING",
            )


def _top_level_sizes(folder: Path) -> dict[str, int]:
    if not folder.is_dir():
        return {}
    return {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}


def _describe(context: TrainingContext, data: _Data) -> None:
    rows, columns = data.train.num_row(), data.train.num_col()
    _info(context, f"Train matrix has {rows} rows and {columns} columns")
    if data.validation is not None:
        _info(context, f"Validation matrix has {data.validation.num_row()} rows")


def _plan(
    context: TrainingContext, values: Mapping[str, Any], data: _Data, member: Member
) -> BoostingPlan:
    metrics = choose_metrics(values, member.mean)
    if values.get("tree_method") == "gpu_hist":
        _info(context, "No GPU is used: tree_method gpu_hist runs as hist on the CPU.", "WARNING")
    stopping = values.get("early_stopping_rounds") if data.validation is not None else None
    if values.get("early_stopping_rounds") and not (stopping and metrics.early_stopping):
        _info(
            context,
            "early_stopping_rounds has no effect without an eval_metric and a validation channel.",
            "WARNING",
        )
    keeps_model = values.get("save_model_on_termination") == "true"
    return BoostingPlan(
        parameters=xgboost_parameters(values, metrics, context.threads),
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


def _train(
    context: TrainingContext, values: Mapping[str, Any], data: _Data, member: Member
) -> None:
    plan = _plan(context, values, data, member)
    if values.get("_kfold") is not None:
        _cross_validate(context, values, data, plan)
        return
    boosted = boost(plan, data.train, data.watched)
    if boosted.finished and member.is_master:
        save_atomically(boosted.booster, context.model_dir / MODEL_NAME)


def _cross_validate(
    context: TrainingContext, values: Mapping[str, Any], data: _Data, plan: BoostingPlan
) -> None:
    fold_count, repeats = values["_kfold"], values.get("_num_cv_round") or 1
    objective = values.get("objective") or DEFAULT_OBJECTIVE
    matrix = data.everything
    if isinstance(matrix, xgboost.QuantileDMatrix):
        raise ClientError("The data is too large for cross validation.")
    rows = matrix.num_row()
    _info(context, f"Run {repeats}-round of {fold_count}-fold cross validation with {rows} rows")
    is_classification = bool(values.get("num_class")) or objective.startswith("binary:")
    labels = matrix.get_label()
    held_out = HeldOutPredictions(labels, repeats, is_classification=is_classification)
    trained: list[Boosted] = []
    splits = folds(
        rows, fold_count, repeats, labels if is_classification else None, values.get("seed")
    )
    for training_rows, held_out_rows in splits:
        index = len(trained)
        _info(context, f"Train cross validation fold {index % fold_count + 1}")
        boosted = boost(_fold_plan(plan, index), matrix.slice(training_rows.tolist()), data.watched)
        if not boosted.finished:
            return
        trained.append(boosted)
        predictions = boosted.booster.predict(matrix.slice(held_out_rows.tolist()))
        held_out.record(held_out_rows, predictions, _class_threshold(objective))
        save_atomically(boosted.booster, context.model_dir / f"{MODEL_NAME}-{index}")
        if len(trained) % fold_count == 0:
            number = len(trained) // fold_count
            _info(context, f"The metrics of round {number} cross validation")
            context.log.line(_mean_metrics(plan.rounds, trained[-fold_count:]))
    path = held_out.save(context.output_data_dir)
    _info(context, f"Storing predictions on validation set(s) in {path}")
    if repeats > 1:
        _info(context, f"The overall metrics of {repeats}-round cross validation")
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
