"""A job's channels to the matrices it trains and validates on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import xgboost

from sagebrush.algorithms.channels import ChannelConfig
from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.xgboost.boosting import Watched
from sagebrush.algorithms.xgboost.channel_rows import ChannelRows, ShallowReader
from sagebrush.algorithms.xgboost.content_types import data_format
from sagebrush.algorithms.xgboost.device import GPU_METHOD
from sagebrush.algorithms.xgboost.image_log import write_info, write_warning
from sagebrush.algorithms.xgboost.matrices import read_matrix
from sagebrush.algorithms.xgboost.matrix_options import MatrixOptions, tree_nodes

_CHANNELS = ("train", "validation", "code")


@dataclass(frozen=True)
class JobData:
    """The matrices of a job; ``everything`` is both joined where cross validation needs it."""

    train: xgboost.DMatrix
    validation: xgboost.DMatrix | None
    everything: xgboost.DMatrix

    @property
    def watched(self) -> Watched:
        watched = [(self.train, "train")]
        if self.validation is not None:
            watched.append((self.validation, "validation"))
        return watched


def require_known_channels(context: TrainingContext) -> None:
    """ClientError for a channel the images do not have and when there is no training channel."""
    if "train" not in context.channels:
        raise ClientError("Missing required channel: train")
    for name in context.channels:
        if name not in _CHANNELS:
            raise ClientError(f"Extraneous channel found: {name}")


def has_data(context: TrainingContext) -> bool:
    """Whether every data channel of this host holds some bytes; a pipe is taken to."""
    for name in ("train", "validation"):
        config = context.channels.get(name)
        if config is None or config.mode == "Pipe":
            continue
        if not any(path.stat().st_size for path in ShallowReader(config).files()):
            return False
    return True


def read_data(context: TrainingContext, values: Mapping[str, Any], hosts: Collective) -> JobData:
    """The data of the channels train and validation, of which each of the ``hosts`` has a share.

    ClientError for a channel without data, data that cannot be read, or a wrong ContentType.
    """
    train_config = context.channels["train"]
    options = MatrixOptions(
        threads=values.get("nthread") or context.threads,
        # Rows in pages never go to a GPU.
        tree_method="hist"
        if values.get("tree_method") == GPU_METHOD
        else values.get("tree_method"),
        booster=values.get("booster"),
        max_bin=values.get("max_bin"),
        tree_nodes=tree_nodes(values.get("max_depth"), values.get("max_leaves")),
        needs_bounds=values.get("objective") == "survival:aft"
        or "interval-regression-accuracy" in (values.get("eval_metric") or ()),
    )
    train_rows = _rows(context, train_config, values)
    train = read_matrix([train_rows], options, hosts=hosts)
    if train is None:
        raise ClientError(f"No data in training channel path {train_config.path}")
    validation_config = context.channels.get("validation")
    if validation_config is None:
        return JobData(train, None, train)
    _warn_of_same_data(context, train_config, validation_config)
    if validation_config.content_type is None:
        validation_config = replace(validation_config, content_type=train_config.content_type)
    validation_rows = _rows(context, validation_config, values)
    validation = read_matrix([validation_rows], options, like=train, hosts=hosts)
    if validation is None:
        raise ClientError(f"No data in validation channel path {validation_config.path}")
    if values.get("_kfold") is None:
        return JobData(train, validation, train)
    write_info(context, "Read both train and validation data into one DMatrix")
    everything = read_matrix([train_rows, validation_rows], options)
    return JobData(train, validation, everything or train)


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
        write_warning(
            context,
            f"The depth of folder {config.path} exceed the limit 3. Files in deeper sub dirs "
            "won't be loaded. Please adjust the folder structure accordingly.",
        )
    return rows


def _warn_of_same_data(
    context: TrainingContext, train: ChannelConfig, validation: ChannelConfig
) -> None:
    if train.path.resolve() == validation.path.resolve():
        write_warning(
            context,
            "Found same path for training and validation. This is not recommended and results "
            "may not be correct.",
        )
        return
    sizes = _top_level_sizes(train.path)
    for name, size in _top_level_sizes(validation.path).items():
        if sizes.get(name) == size:
            write_warning(
                context,
                f"Suspected identical files found. ({train.path / name} and "
                f"{validation.path / name}with same size {size} bytes). Note: Duplicate data in "
                "the training set and validation set is usually not intentional and can impair "
                "the validity of the model evaluation by the validation score.",
            )


def _top_level_sizes(folder: Path) -> dict[str, int]:
    if not folder.is_dir():
        return {}
    return {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}


def describe(context: TrainingContext, data: JobData) -> None:
    """Log how large the matrices are."""
    rows, columns = data.train.num_row(), data.train.num_col()
    write_info(context, f"Train matrix has {rows} rows and {columns} columns")
    if data.validation is not None:
        write_info(context, f"Validation matrix has {data.validation.num_row()} rows")
