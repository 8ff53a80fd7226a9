"""Answers inference requests with the score of each row and, for classifiers, the label."""

import ctypes
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.errors import InferenceError
from sagebrush.algorithms.formats.inference import (
    choose_accept,
    decode_features,
    encode_response,
    encode_row,
)
from sagebrush.algorithms.formats.media_type import MediaType
from sagebrush.algorithms.linear_learner.linear_model import probability
from sagebrush.algorithms.linear_learner.model import LinearLearner
from sagebrush.algorithms.linear_learner.settings import MULTICLASS

_NOT_FINITE = "The features must be finite numbers."
_LABELLED = ("score", "predicted_label")


class LinearPredictor:
    """A served model.

    A row gets ``score``: a probability for logistic loss, one per class for a multiclass model, the
    margin for hinge loss, the value for a regressor; and from a classifier ``predicted_label``.
    """

    def __init__(self, learner: LinearLearner) -> None:
        assert learner.model_ is not None
        self._learner = learner
        self._model = learner.model_
        self._settings = learner.settings
        self._width = self._model.weights.shape[1]
        threshold = self._model.threshold
        self._threshold = 0.5 if threshold is None else threshold
        is_multiclass = self._settings.predictor_type == MULTICLASS
        self._has_one_score = len(self._model.weights) == 1 and not is_multiclass

    def invoke(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """The answer to a request body; see `predictor.Predictor`."""
        media = choose_accept(accept)
        rows = decode_features(body, content_type, self._width)
        features = rows.features
        if self._has_one_score and features.shape[0] == 1 and type(features) is np.ndarray:
            return self._answer_row(features[0], media, rows.passthrough)
        if features.shape[0] == 0:
            return encode_response({"score": np.zeros(0, np.float32)}, media)
        scores = self._learner.scores(features)
        if not np.isfinite(scores).all():
            raise InferenceError(400, _NOT_FINITE)
        outputs: dict[str, NDArray[Any]] = {"score": scores.astype(np.float32)}
        if not self._learner.settings.is_regression:
            outputs["predicted_label"] = self._learner.labels_of(scores)
        return encode_response(outputs, media, passthrough=rows.passthrough)

    def _answer_row(
        self, row: NDArray[np.float32], media: MediaType, passthrough: Sequence[bytes]
    ) -> tuple[bytes, str]:
        """The same answer for a single row, without arrays of one number."""
        score = probability(self._model.row_score(row), self._settings)
        if not math.isfinite(score):
            raise InferenceError(400, _NOT_FINITE)
        names: tuple[str, ...] = ("score",)
        values: tuple[float, ...] = (ctypes.c_float(score).value,)
        if not self._settings.is_regression:
            names, values = _LABELLED, (*values, int(score >= self._threshold))
        return encode_row(names, values, media, passthrough=passthrough)


def load(model_dir: Path, environment: Mapping[str, str]) -> LinearPredictor:  # noqa: ARG001
    """The predictor of the model in the directory, ours or one trained at AWS."""
    return LinearPredictor(LinearLearner.load(model_dir))
