"""The documented hyperparameters of LightGBM: types, ranges, defaults."""

from typing import Any

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.hyperparameter_fields import Boolean, Categorical, Continuous, Integer
from sagebrush.algorithms.lightgbm import METRICS
from sagebrush.algorithms.tabular.fields import (
    CALLING_FIELDS,
    PROBLEM_TYPE,
    ScriptSchema,
    set_problem_type,
)
from sagebrush.algorithms.tabular.problem_types import CLASSIFICATION

REGRESSION_OBJECTIVES = (
    *("regression", "regression_l1", "huber", "fair", "poisson", "mape", "gamma", "tweedie"),
)
CLASSIFICATION_OBJECTIVES = ("binary", "multiclass", "multiclassova")


def _check_objective(values: dict[str, Any]) -> None:
    objective = values["objective"]
    if objective == "auto":
        return
    classifies = values[PROBLEM_TYPE] == CLASSIFICATION
    if classifies != (objective in CLASSIFICATION_OBJECTIVES):
        raise ClientError(f"The objective {objective!r} is none for {values[PROBLEM_TYPE]}.")


def _check_weights(values: dict[str, Any]) -> None:
    if values["is_unbalance"] and values["scale_pos_weight"] != 1.0:
        raise ClientError("scale_pos_weight cannot be used if is_unbalance is set to 'True'.")


_TREES = (
    Integer(
        "num_leaves",
        default=64,
        low=2,
        high=131_072,
        tunable=True,
        tune_low=10,
        tune_high=100,
        description="Most leaves of a tree.",
    ),
    Integer(
        "max_depth",
        default=6,
        tunable=True,
        tune_low=15,
        tune_high=100,
        description="Deepest level of a tree; 0 and less set no limit.",
    ),
    Integer(
        "min_data_in_leaf",
        default=3,
        low=0,
        tunable=True,
        tune_low=10,
        tune_high=200,
        description="Least rows in a leaf.",
    ),
    Continuous("max_delta_step", default=0.0, description="Largest output of a leaf; 0 any."),
    Continuous("lambda_l1", default=0.0, low=0, description="L1 penalty."),
    Continuous("lambda_l2", default=0.0, low=0, description="L2 penalty."),
    Continuous("min_gain_to_split", default=0.0, low=0, description="Least gain of a split."),
    Integer(
        "max_bin", default=255, low=1, low_open=True, description="Most bins of a feature's values."
    ),
)

_SAMPLING = (
    Continuous(
        "feature_fraction",
        default=0.9,
        low=0,
        low_open=True,
        high=1,
        tunable=True,
        tune_low=0.1,
        tune_high=1.0,
        description="Share of features drawn for each tree.",
    ),
    Continuous(
        "bagging_fraction",
        default=0.9,
        low=0,
        low_open=True,
        high=1,
        tunable=True,
        tune_low=0.1,
        tune_high=1.0,
        description="Share of rows drawn, without repetition.",
    ),
    Integer(
        "bagging_freq",
        default=1,
        low=0,
        tunable=True,
        tune_low=0,
        tune_high=10,
        description="Rounds after which rows are drawn anew; 0 takes all rows.",
    ),
    Continuous(
        "feature_fraction_bynode",
        default=1.0,
        low=0,
        low_open=True,
        high=1,
        description="Share of features drawn for each node.",
    ),
)

SCHEMA = ScriptSchema(
    fields=(
        Integer("num_boost_round", default=100, low=1, description="Rounds of boosting at most."),
        Integer(
            "early_stopping_rounds",
            default=10,
            description="Rounds without a better validation score before it ends; 0 and less: all.",
        ),
        Categorical(
            "metric",
            default="auto",
            choices=("auto", *METRICS),
            description="Score on the validation data; auto: rmse, binary_ or multi_logloss.",
        ),
        Categorical(
            "objective",
            default="auto",
            choices=("auto", *REGRESSION_OBJECTIVES, *CLASSIFICATION_OBJECTIVES),
            description="What is minimised; auto: squared error or cross entropy.",
        ),
        Categorical(
            "boosting",
            default="gbdt",
            choices=("gbdt", "rf", "dart", "goss"),
            description="How trees are added up.",
        ),
        Continuous(
            "learning_rate",
            default=0.1,
            low=0,
            low_open=True,
            high=1,
            high_open=True,
            tunable=True,
            tune_low=0.001,
            tune_high=0.01,
            description="Shrinkage of each tree.",
        ),
        *_TREES,
        *_SAMPLING,
        Continuous(
            "scale_pos_weight",
            default=1.0,
            low=0,
            low_open=True,
            description="Weight of the larger label's rows, where there are two labels.",
        ),
        Boolean(
            "is_unbalance",
            default=False,
            description="Weigh two labels such that both count alike.",
        ),
        Continuous(
            "tweedie_variance_power",
            default=1.5,
            low=1,
            high=2,
            high_open=True,
            description="Variance power of the objective tweedie.",
        ),
        Categorical(
            "tree_learner",
            default="serial",
            choices=("serial", "feature", "data", "voting"),
            description="How several instances share the work; serial means data there.",
        ),
        Integer("num_threads", default=0, low=0, description="Threads; 0: all of the instance."),
        Integer("verbosity", default=1, description="How much LightGBM says; below 0 nothing."),
        Boolean(
            "use_dask",
            default=False,
            description="Several instances work together whether it is set or not.",
        ),
        *CALLING_FIELDS,
    ),
    rules=(set_problem_type, _check_objective, _check_weights),
)
