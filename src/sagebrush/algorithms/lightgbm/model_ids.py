"""The JumpStart model ids of LightGBM, and the defaults that their specifications give."""

from sagebrush.algorithms.card import ModelId

_DEFAULTS = {
    "num_boost_round": "5000",
    "early_stopping_rounds": "30",
    "learning_rate": "0.009",
    "num_leaves": "67",
    "feature_fraction": "0.74",
    "bagging_fraction": "0.53",
    "bagging_freq": "5",
    "max_depth": "11",
    "min_data_in_leaf": "26",
}

MODEL_IDS = (
    ModelId("lightgbm-classification-model", "classification", _DEFAULTS, "tabular_multiclass"),
    ModelId("lightgbm-regression-model", "regression", _DEFAULTS, "tabular_regress"),
)
