"""Every hyperparameter of the XGBoost images, with their ranges, dependencies and wording.

Unset hyperparameters stay unset, so that xgboost's own defaults apply; the defaults named in the
descriptions are those.
"""

from typing import Any

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.hyperparameter_fields import Categorical, Continuous
from sagebrush.algorithms.hyperparameters import Schema
from sagebrush.algorithms.xgboost.hyperparameter_fields import (
    CommaList,
    Flag,
    ImageWording,
    MetricList,
    NestedList,
    NumberTuple,
    WholeNumber,
)
from sagebrush.algorithms.xgboost.vocabulary import DEFAULT_OBJECTIVE, METRICS, OBJECTIVES

_GROWERS = (
    "grow_colmaker",
    "distcol",
    "grow_histmaker",
    "grow_quantile_histmaker",
)
_TREE_UPDATERS = (*_GROWERS, "grow_skmaker", "sync", "refresh", "prune")
_LINEAR_UPDATERS = ("shotgun", "coord_descent")
_UPDATE_UPDATERS = ("refresh", "prune")
_INT32 = 2**31


def _check_updater(values: dict[str, Any]) -> None:
    updaters = values["updater"]
    if updaters is None:
        return
    if values["booster"] == "gblinear":
        if len(updaters) != 1 or updaters[0] not in _LINEAR_UPDATERS:
            options = ", ".join(f"'{name}'" for name in _LINEAR_UPDATERS)
            raise ClientError(f"Linear updater should be one of these options: {options}.")
    elif values["process_type"] == "update":
        if any(name not in _UPDATE_UPDATERS for name in updaters):
            raise ClientError(
                "process_type 'update' can only be used with updater 'refresh' and 'prune'"
            )
    else:
        _check_tree_updaters(updaters)


def _check_tree_updaters(updaters: list[str]) -> None:
    if any(name not in _TREE_UPDATERS for name in updaters):
        options = ", ".join(f"'{name}'" for name in _TREE_UPDATERS)
        raise ClientError(f"Tree updater should be selected from these options: {options}.")
    if sum(name in _GROWERS for name in updaters) > 1:
        options = ", ".join(f"'{name}'" for name in _GROWERS)
        raise ClientError(
            f"Only one tree grow plugin can be selected. Choose one from the following: {options}"
        )


def _check_objective(values: dict[str, Any]) -> None:
    if values["objective"] in {"multi:softmax", "multi:softprob"} and values["num_class"] is None:
        raise ClientError("Require input for parameter 'num_class' for multi-classification")


def _check_metrics(values: dict[str, Any]) -> None:
    metrics = values["eval_metric"] or []
    objective = values["objective"] or DEFAULT_OBJECTIVE
    if "auc" in metrics and not objective.startswith(("binary:", "rank:")):
        raise ClientError(
            "Metric 'auc' can only be applied for classification and ranking problems."
        )
    if "aft-nloglik" in metrics and objective != "survival:aft":
        raise ClientError("Metric 'aft-nloglik' can only be applied for 'survival:aft' objective.")


def _check_constraints(values: dict[str, Any]) -> None:
    method = values["tree_method"]
    if values["monotone_constraints"] is not None and method not in {"exact", "hist"}:
        raise ClientError(
            "monotone_constraints can be used only when the tree_method parameter is set to "
            "either 'exact' or 'hist'."
        )
    if values["interaction_constraints"] is not None and method not in {"exact", "hist", "approx"}:
        raise ClientError(
            "interaction_constraints can be used only when the tree_method parameter is set to "
            "either 'exact', 'hist' or 'approx'."
        )


_GENERAL = (
    WholeNumber(
        "num_round",
        required=True,
        low=1,
        tunable=True,
        tune_low=1,
        tune_high=4000,
        description="Rounds of boosting.",
    ),
    WholeNumber(
        "early_stopping_rounds",
        low=1,
        description="Stop when the last metric of the validation channel has not improved for "
        "this many rounds, and keep the best round.",
    ),
    WholeNumber(
        "csv_weights",
        low=0,
        high=1,
        description="1: the second column of CSV data holds instance weights. Default 0.",
    ),
    Categorical(
        "booster",
        choices=("gbtree", "gblinear", "dart"),
        description="Default gbtree.",
    ),
    Categorical("objective", choices=OBJECTIVES, description=f"Default {DEFAULT_OBJECTIVE}."),
    WholeNumber("num_class", low=2, description="Number of classes, for multi: objectives."),
    MetricList("eval_metric", description="Comma separated metrics. Default by objective."),
    Continuous(
        "base_score",
        low=0,
        description="First prediction of every row. Default: estimated.",
    ),
    WholeNumber(
        "seed",
        low=-_INT32,
        high=_INT32 - 1,
        low_open=True,
        high_open=True,
        description="Seed of the random numbers. Default 0.",
    ),
    WholeNumber("nthread", low=1, description="Threads. Default: those of the instance."),
    WholeNumber("verbosity", low=0, high=3, description="0 silent to 3 debug. Default 1."),
    Flag(
        "save_model_on_termination",
        description="Keep the model of the last finished round when the job is stopped.",
    ),
    WholeNumber("silent", low=0, high=1, hidden=True),
)

_TREE = (
    Continuous(
        "eta",
        aliases=("learning_rate",),
        low=0,
        high=1,
        tunable=True,
        tune_low=0.1,
        tune_high=0.5,
        description="Shrinkage of each tree. Default 0.3.",
    ),
    Continuous(
        "gamma",
        aliases=("min_split_loss",),
        low=0,
        tunable=True,
        tune_low=0,
        tune_high=5,
        description="Least loss reduction of a split. Default 0.",
    ),
    WholeNumber(
        "max_depth",
        low=0,
        tunable=True,
        tune_low=0,
        tune_high=10,
        description="Deepest level of a tree, 0 for no limit. Default 6.",
    ),
    Continuous(
        "min_child_weight",
        low=0,
        tunable=True,
        tune_low=0,
        tune_high=120,
        description="Least sum of hessians in a child. Default 1.",
    ),
    Continuous(
        "max_delta_step",
        low=0,
        tunable=True,
        tune_low=0,
        tune_high=10,
        description="Largest output of a leaf, 0 for no limit. Default 0.",
    ),
    Continuous(
        "subsample",
        low=0,
        low_open=True,
        high=1,
        tunable=True,
        tune_low=0.5,
        tune_high=1,
        description="Share of rows drawn for each tree. Default 1.",
    ),
    *(
        Continuous(
            name,
            low=0,
            low_open=True,
            high=1,
            tunable=True,
            tune_low=low,
            tune_high=1,
            description=f"Share of columns drawn for each {what}. Default 1.",
        )
        for name, low, what in (
            ("colsample_bytree", 0.5, "tree"),
            ("colsample_bylevel", 0.1, "level"),
            ("colsample_bynode", 0.1, "node"),
        )
    ),
    Continuous(
        "lambda",
        aliases=("reg_lambda",),
        low=0,
        tunable=True,
        tune_low=0,
        tune_high=1000,
        description="L2 penalty. Default 1.",
    ),
    Continuous(
        "alpha",
        aliases=("reg_alpha",),
        low=0,
        tunable=True,
        tune_low=0,
        tune_high=1000,
        description="L1 penalty. Default 0.",
    ),
    Categorical(
        "tree_method",
        choices=("auto", "exact", "approx", "hist", "gpu_hist"),
        description="How splits are found. Default auto; gpu_hist: hist on a GPU, if any.",
    ),
    Categorical(
        "grow_policy",
        choices=("depthwise", "lossguide"),
        description="Default depthwise.",
    ),
    WholeNumber("max_leaves", low=0, description="Most leaves of a tree. Default 0, no limit."),
    WholeNumber("max_bin", low=0, description="Bins of a column in histograms. Default 256."),
    Continuous("scale_pos_weight", low=0, low_open=True, description="Default 1."),
    CommaList(
        "updater",
        choices=_TREE_UPDATERS + _LINEAR_UPDATERS,
        description="Steps that make and change trees, or the linear solver.",
    ),
    WholeNumber("refresh_leaf", low=0, high=1, description="Default 1."),
    Categorical("process_type", choices=("default", "update"), description="Default default."),
    NumberTuple("monotone_constraints", choices=(-1, 0, 1), description="Such as (1, 0, -1)."),
    NestedList("interaction_constraints", description="Such as [[1, 2], [3, 4, 5]]."),
    WholeNumber("num_parallel_tree", low=1, description="Trees of a round. Default 1."),
    Categorical(
        "sampling_method",
        choices=("uniform", "gradient_based"),
        description="Default uniform.",
    ),
)

_OTHER_BOOSTERS = (
    Categorical("sample_type", choices=("uniform", "weighted"), description="dart: which to drop."),
    Categorical("normalize_type", choices=("tree", "forest"), description="dart: new weights."),
    Continuous("rate_drop", low=0, high=1, description="dart: share of dropped trees. Default 0."),
    WholeNumber("one_drop", low=0, high=1, description="dart: drop at least one. Default 0."),
    Continuous("skip_drop", low=0, high=1, description="dart: chance of no drop. Default 0."),
    Continuous("lambda_bias", low=0, high=1, description="gblinear: L2 penalty of the bias."),
    Continuous(
        "tweedie_variance_power",
        low=1,
        low_open=True,
        high=2,
        high_open=True,
        description="Variance power of reg:tweedie. Default 1.5.",
    ),
    Categorical(
        "aft_loss_distribution",
        choices=("normal", "logistic", "extreme"),
        description="Noise of survival:aft. Default normal.",
    ),
    Continuous("aft_loss_distribution_scale", low=0, description="Its scale. Default 1."),
)

_OBSOLETE = (
    Continuous(
        "sketch_eps",
        low=0,
        low_open=True,
        high=1,
        high_open=True,
        description="Of old versions; accepted without effect.",
    ),
    Categorical(
        "predictor",
        choices=("auto", "cpu_predictor", "gpu_predictor"),
        description="Of old versions; accepted without effect.",
    ),
    Flag("deterministic_histogram", description="Of training on GPUs; accepted without effect."),
    Flag("single_precision_histogram", description="Of old versions; accepted without effect."),
    Categorical(
        "dsplit", choices=("row", "col"), description="Of old versions; accepted without effect."
    ),
    WholeNumber(
        "prob_buffer_row",
        low=1,
        low_open=True,
        description="Of old versions; accepted without effect.",
    ),
    Flag(
        "use_dask_gpu_training", description="Of training on several GPUs; accepted without effect."
    ),
)

_INTERNAL = (
    WholeNumber("_kfold", low=2, hidden=True),
    WholeNumber("_num_cv_round", low=1, hidden=True),
    Categorical(
        "_tuning_objective_metric",
        choices=tuple(f"validation:{name}" for name in METRICS),
        hidden=True,
    ),
)

OBSOLETE_NAMES = frozenset(field.name for field in _OBSOLETE)
"""Accepted for the sake of existing programs; they change nothing here."""

SCHEMA = Schema(
    fields=(*_GENERAL, *_TREE, *_OTHER_BOOSTERS, *_OBSOLETE, *_INTERNAL),
    rules=(_check_updater, _check_objective, _check_metrics, _check_constraints),
    wording=ImageWording(),
    underscore_names_accepted=False,
)
