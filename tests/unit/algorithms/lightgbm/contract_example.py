"""The jobs by which the contract suite knows the algorithm."""

from tests.unit.algorithms.contract import Example

ESTIMATOR = "sagebrush.algorithms.lightgbm.model:LightGBM"

_SMALL = {"num_boost_round": "8", "early_stopping_rounds": "0"}

EXAMPLES = (
    Example(
        "lightgbm",
        {"problem_type": "regression", **_SMALL},
        metrics=("rmse",),
        name="regression",
    ),
    Example(
        "lightgbm",
        {"problem_type": "classification", **_SMALL},
        classes=2,
        metrics=("binary_logloss",),
        name="binary",
    ),
    Example(
        "lightgbm",
        {"problem_type": "classification", "metric": "multi_error", **_SMALL},
        classes=3,
        metrics=("multi_error",),
        name="multiclass",
    ),
)
