"""The documented hyperparameters of Random Cut Forest: types, ranges, defaults."""

from typing import Any

from sagebrush.algorithms.hyperparameter_fields import Boolean, Integer, Json
from sagebrush.algorithms.hyperparameters import Schema

METRICS = ("accuracy", "precision_recall_fscore")
MINI_BATCH_SIZE = 1000


def _metric_list(value: Any) -> list[str]:
    if not isinstance(value, list) or not value or any(name not in METRICS for name in value):
        raise ValueError(value)
    return list(dict.fromkeys(value))


SCHEMA = Schema(
    (
        Integer(
            "feature_dim",
            required=True,
            low=1,
            high=10000,
            description="The number of features of a row.",
        ),
        Integer(
            "num_trees",
            default=100,
            low=50,
            high=1000,
            tunable=True,
            description="The number of trees in the forest.",
        ),
        Integer(
            "num_samples_per_tree",
            default=256,
            low=1,
            high=2048,
            tunable=True,
            description="The number of random rows given to each tree.",
        ),
        Json(
            "eval_metrics",
            default=list(METRICS),
            check=_metric_list,
            noun='a JSON list of "accuracy" and "precision_recall_fscore"',
            description="Figures reported on the test channel.",
        ),
        Integer(
            "mini_batch_size",
            default=MINI_BATCH_SIZE,
            low=MINI_BATCH_SIZE,
            high=MINI_BATCH_SIZE,
            hidden=True,
            description="Rows per mini-batch, which is fixed; it has no effect on the model.",
        ),
        Integer(
            "epochs",
            default=1,
            low=1,
            hidden=True,
            description="Passes over the training data; one is enough for the sample.",
        ),
        Boolean(
            "force_dense",
            default=True,
            hidden=True,
            description="Whether sparse rows are made dense; results are the same either way.",
        ),
    )
)
