"""The jobs by which the contract suite knows the algorithm."""

from tests.unit.algorithms.contract import BadData, Example

ESTIMATOR = "sagebrush.algorithms.lightgbm.model:LightGBM"

_SMALL = {"num_boost_round": "8", "early_stopping_rounds": "0"}

# NaN stands for a missing value.
_INFINITE = BadData(
    9 * b"1,1,2,3,4\n0,2,1,4,3\n" + b"1,1,inf,3,4\n",
    r"row 19 of train/part-0: column 3 holds inf",
    "text/csv",
)

EXAMPLES = (
    Example(
        "lightgbm",
        {"problem_type": "regression", **_SMALL},
        metrics=("rmse",),
        name="regression",
        bad_data={"not_finite": _INFINITE},
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
