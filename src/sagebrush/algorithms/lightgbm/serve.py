"""Answers inference requests with class probabilities or predicted numbers."""

from collections.abc import Mapping
from pathlib import Path

from sagebrush.algorithms.lightgbm import artifact
from sagebrush.algorithms.lightgbm.artifact import StoredModel
from sagebrush.algorithms.lightgbm.model import class_probabilities, raw_predictions
from sagebrush.algorithms.lightgbm.thread_waiting import spin_briefly
from sagebrush.algorithms.tabular.answers import (
    JSON,
    decode_rows,
    encode_classes,
    encode_numbers,
    is_verbose,
)
from sagebrush.algorithms.tabular.category_numbers import with_category_numbers
from sagebrush.algorithms.tabular.problem_types import CLASSIFICATION
from sagebrush.algorithms.threads import available_threads


class LightGBMPredictor:
    """A served model."""

    def __init__(self, model: StoredModel, threads: int) -> None:
        self._model = model
        self._features = model.booster.num_feature()
        # Columns that hold whole numbers are read as numbers, which is faster and means the same.
        self._named = sorted(model.words)
        self._threads = threads

    def invoke(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """The answer to a request body; see `predictor.Predictor`."""
        verbose = is_verbose(accept)
        table = decode_rows(body, content_type, self._features, self._named)
        numbers = with_category_numbers(table, self._model.words)
        raw = raw_predictions(self._model, numbers, self._threads)
        if self._model.problem_type == CLASSIFICATION:
            probabilities = class_probabilities(raw)
            return encode_classes(probabilities, self._model.labels, verbose=verbose), JSON
        return encode_numbers(raw), JSON


def load(model_dir: Path, environment: Mapping[str, str]) -> LightGBMPredictor:
    """The predictor of the model in the directory, ours or one trained at AWS."""
    spin_briefly()
    return LightGBMPredictor(artifact.load(model_dir), available_threads(environment))
