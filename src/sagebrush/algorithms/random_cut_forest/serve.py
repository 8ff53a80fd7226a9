"""Answers inference requests with the anomaly score of each row."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sagebrush.algorithms.errors import ClientError, InferenceError
from sagebrush.algorithms.formats.inference import (
    choose_accept,
    decode_features,
    encode_response,
)
from sagebrush.algorithms.random_cut_forest.model import RandomCutForest
from sagebrush.algorithms.threads import available_threads


class RandomCutForestPredictor:
    """A served forest; a row gets its ``score``, a float."""

    def __init__(self, model: RandomCutForest) -> None:
        self._model = model
        forest = model.forest_
        assert forest is not None
        self._width = forest.feature_dim

    def invoke(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """The answer to a request body; see `predictor.Predictor`."""
        media = choose_accept(accept)
        rows = decode_features(body, content_type, self._width)
        if rows.features.shape[0] == 0:
            return encode_response({"score": np.empty(0)}, media, collection="scores")
        try:
            scores = self._model.score(rows.features)
        except ClientError as error:
            raise InferenceError(400, f"unable to evaluate payload provided: {error}") from error
        outputs = {"score": scores}
        return encode_response(outputs, media, passthrough=rows.passthrough, collection="scores")


def load(model_dir: Path, environment: Mapping[str, str]) -> RandomCutForestPredictor:
    """The predictor of the model in the directory."""
    threads = available_threads(environment)
    return RandomCutForestPredictor(RandomCutForest.load(model_dir, threads=threads))
