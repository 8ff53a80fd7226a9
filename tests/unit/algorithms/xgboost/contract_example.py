"""The jobs by which the contract suite knows the algorithm."""

from tests.unit.algorithms.contract import Example

EXAMPLES = (
    Example(
        "xgboost",
        {"num_round": "3", "objective": "reg:squarederror"},
        metrics=("train:rmse", "validation:rmse"),
        name="regression",
        keeping_model_on_stop={"save_model_on_termination": "true"},
    ),
    Example(
        "xgboost",
        {"num_round": "3", "objective": "multi:softprob", "num_class": "3"},
        classes=3,
        metrics=("train:mlogloss", "validation:mlogloss"),
        name="classes",
        keeping_model_on_stop={"save_model_on_termination": "true"},
    ),
)
