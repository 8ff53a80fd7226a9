"""The JumpStart model ids of CatBoost, and the defaults that their specifications give."""

from sagebrush.algorithms.card import ModelId

_DEFAULTS = {
    "learning_rate": "0.03",
    "random_seed": "0",
}

MODEL_IDS = (
    ModelId("catboost-classification-model", "classification", _DEFAULTS, "tabular_multiclass"),
    ModelId("catboost-regression-model", "regression", _DEFAULTS, "tabular_regress"),
)
