"""The jobs by which the contract suite knows the algorithm."""

from tests.unit.algorithms.contract import BadData, Example

ESTIMATOR = "sagebrush.algorithms.catboost.model:CatBoost"

_SMALL = {"iterations": "8", "early_stopping_rounds": "0"}

# NaN stands for a missing value.
_INFINITE = BadData(
    9 * b"1,1,2,3,4\n0,2,1,4,3\n" + b"1,1,inf,3,4\n",
    r"row 19 of train/part-0: column 3 holds inf",
    "text/csv",
)

EXAMPLES = (
    Example(
        "catboost",
        {"problem_type": "regression", **_SMALL},
        metrics=("RMSE",),
        name="regression",
        bad_data={"not_finite": _INFINITE},
    ),
    Example(
        "catboost",
        {"problem_type": "classification", **_SMALL},
        classes=2,
        metrics=("AUC",),
        name="binary",
    ),
    Example(
        "catboost",
        {"problem_type": "classification", "eval_metric": "Accuracy", **_SMALL},
        classes=3,
        metrics=("Accuracy",),
        name="multiclass",
    ),
)
