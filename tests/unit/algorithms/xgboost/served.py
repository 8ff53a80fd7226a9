"""Small models that are served, and what is asked of them."""

import numpy as np
import pytest
import xgboost

from sagebrush.algorithms.errors import InferenceError

CSV = "text/csv"
JSON = "application/json"
ROWS = np.array([[0.5, -1.25, 2, 0], [np.nan, 1, -0.5, 3]], np.float32)
BODY = b"0.5,-1.25,2,0\n,1,-0.5,3\n"


def trained(objective: str = "binary:logistic", seed: int = 0, **parameters) -> xgboost.Booster:
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(100, 4)).astype(np.float32)
    labels = np.digitize(features[:, 0], [-0.5, 0.5])
    labels = labels if objective.startswith("multi:") else np.minimum(labels, 1)
    settings = {"objective": objective, "max_depth": 3, "nthread": 1, **parameters}
    return xgboost.train(settings, xgboost.DMatrix(features, label=labels), 4)


def scores(booster: xgboost.Booster, rows: np.ndarray = ROWS) -> list:
    return booster.predict(xgboost.DMatrix(rows)).tolist()


def refusal(predictor, *request) -> InferenceError:
    with pytest.raises(InferenceError) as raised:
        predictor.invoke(*request)
    return raised.value
