"""Answers inference requests with the score of each row and, for classifiers, the label."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.errors import InferenceError
from sagebrush.algorithms.formats.inference import (
    choose_accept,
    decode_features,
    encode_response,
)
from sagebrush.algorithms.linear_learner.model import LinearLearner


class LinearPredictor:
    """A served model.

    A row gets ``score``: a probability for logistic loss, one per class for a multiclass model, the
    margin for hinge loss, the value for a regressor; and from a classifier ``predicted_label``.
    """

    def __init__(self, learner: LinearLearner) -> None:
        assert learner.model_ is not None
        self._learner = learner
        self._width = learner.model_.weights.shape[1]

    def invoke(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """The answer to a request body; see `predictor.Predictor`."""
        media = choose_accept(accept)
        rows = decode_features(body, content_type, self._width)
        if rows.features.shape[0] == 0:
            return encode_response({"score": np.zeros(0, np.float32)}, media)
        scores = self._learner.scores(rows.features)
        if not np.isfinite(scores).all():
            raise InferenceError(400, "The features must be finite numbers.")
        outputs: dict[str, NDArray[Any]] = {"score": scores.astype(np.float32)}
        if not self._learner.settings.is_regression:
            outputs["predicted_label"] = self._learner.labels_of(scores)
        return encode_response(outputs, media, passthrough=rows.passthrough)


def load(model_dir: Path, environment: Mapping[str, str]) -> LinearPredictor:  # noqa: ARG001
    """The predictor of the model in the directory, ours or one trained at AWS."""
    return LinearPredictor(LinearLearner.load(model_dir))
