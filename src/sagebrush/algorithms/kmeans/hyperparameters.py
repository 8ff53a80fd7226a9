"""The documented hyperparameters of K-Means: types, ranges, defaults."""

from typing import Any

from sagebrush.algorithms.hyperparameter_fields import (
    Boolean,
    Categorical,
    Continuous,
    Integer,
    Json,
)
from sagebrush.algorithms.hyperparameters import Schema

INIT_METHODS = ("random", "kmeans++")
METRICS = ("msd", "ssd")


def _metric_list(value: Any) -> list[str]:
    if not isinstance(value, list) or not value or any(name not in METRICS for name in value):
        raise ValueError(value)
    return list(dict.fromkeys(value))


SCHEMA = Schema(
    (
        Integer(
            "feature_dim", required=True, low=1, description="The number of features of a row."
        ),
        Integer("k", required=True, low=1, description="The number of clusters."),
        Integer(
            "mini_batch_size",
            default=5000,
            low=1,
            tunable=True,
            tune_low=3000,
            tune_high=15000,
            description="Rows per mini-batch.",
        ),
        Integer(
            "epochs",
            default=1,
            low=1,
            tunable=True,
            tune_low=1,
            tune_high=10,
            description="Passes over the training data.",
        ),
        Categorical(
            "init_method",
            default="random",
            choices=INIT_METHODS,
            tunable=True,
            description="How the streaming centres are chosen from the first mini-batch.",
        ),
        Integer(
            "extra_center_factor",
            default="auto",
            words=("auto",),
            low=1,
            tunable=True,
            tune_low=4,
            tune_high=10,
            description="How many times k centres are kept while the data streams by.",
        ),
        Integer(
            "half_life_time_size",
            default=0,
            low=0,
            description="Rows after which a row counts half in its centre; 0 keeps all alike.",
        ),
        Categorical(
            "local_lloyd_init_method",
            default="kmeans++",
            choices=INIT_METHODS,
            description="How the finish chooses its k centres among the streaming centres.",
        ),
        Integer(
            "local_lloyd_max_iter",
            default=300,
            low=1,
            description="Iterations of the finish at most.",
        ),
        Integer(
            "local_lloyd_num_trials",
            default="auto",
            words=("auto",),
            low=1,
            description="Attempts of the finish, of which the best is kept.",
        ),
        Continuous(
            "local_lloyd_tol",
            default=0.0001,
            low=0.0,
            high=1.0,
            description="Relative change of the loss at which the finish ends.",
        ),
        Json(
            "eval_metrics",
            default=["msd"],
            check=_metric_list,
            noun='a JSON list of "msd" and "ssd"',
            description="Figures reported on the test channel.",
        ),
        Boolean(
            "force_dense",
            default=True,
            hidden=True,
            description="Whether sparse rows are made dense; results are the same either way.",
        ),
    )
)
