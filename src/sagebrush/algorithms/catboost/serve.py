"""Answers inference requests with class probabilities or predicted numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagebrush.algorithms.catboost import artifact
from sagebrush.algorithms.catboost.boosting import pool
from sagebrush.algorithms.catboost.model import class_probabilities, predicted_numbers
from sagebrush.algorithms.tabular.answers import (
    JSON,
    decode_rows,
    encode_classes,
    encode_numbers,
    is_verbose,
)
from sagebrush.algorithms.tabular.problem_types import CLASSIFICATION
from sagebrush.algorithms.threads import available_threads

SERIAL_ROWS = 512


class CatBoostPredictor:
    """A served model."""

    def __init__(self, model: Any, threads: int) -> None:
        self._model = model
        self._features = len(model.feature_names_)
        self._categorical = model.get_cat_feature_indices()
        self._labels = artifact.labels_of(model)
        self._classifies = artifact.problem_type_of(model) == CLASSIFICATION
        self._threads = threads

    def invoke(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """The answer to a request body; see `predictor.Predictor`."""
        verbose = is_verbose(accept)
        table = decode_rows(body, content_type, self._features, self._categorical)
        threads = 1 if table.rows <= SERIAL_ROWS else self._threads
        rows = pool(table)
        if self._classifies:
            probabilities = class_probabilities(self._model, rows, threads)
            return encode_classes(probabilities, self._labels, verbose=verbose), JSON
        return encode_numbers(predicted_numbers(self._model, rows, threads)), JSON


def load(model_dir: Path, environment: Mapping[str, str]) -> CatBoostPredictor:
    """The predictor of the model in the directory, ours or one trained at AWS."""
    return CatBoostPredictor(artifact.load(model_dir), available_threads(environment))
