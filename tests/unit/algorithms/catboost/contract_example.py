"""The jobs by which the contract suite knows the algorithm."""

from tests.unit.algorithms.contract import Example

ESTIMATOR = "sagebrush.algorithms.catboost.model:CatBoost"

_SMALL = {"iterations": "8", "early_stopping_rounds": "0"}

EXAMPLES = (
    Example(
        "catboost",
        {"problem_type": "regression", **_SMALL},
        metrics=("RMSE",),
        name="regression",
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
