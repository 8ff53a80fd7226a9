"""Answers inference requests with the nearest centre of each row and the distance to it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sagebrush.algorithms.errors import ClientError, InferenceError
from sagebrush.algorithms.formats.inference import (
    choose_accept,
    decode_features,
    encode_response,
)
from sagebrush.algorithms.kmeans.model import KMeans


class KMeansPredictor:
    """A served model; a row gets ``closest_cluster`` and ``distance_to_cluster``, both floats."""

    def __init__(self, model: KMeans) -> None:
        assert model.centers_ is not None
        self._model = model
        self._width = model.centers_.shape[1]

    def invoke(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """The answer to a request body; see `predictor.Predictor`."""
        media = choose_accept(accept)
        rows = decode_features(body, content_type, self._width)
        try:
            nearest, distances = self._model.assign(rows.features)
        except ClientError as error:
            raise InferenceError(400, str(error)) from error
        outputs = {
            "closest_cluster": nearest.astype(np.float32),
            "distance_to_cluster": distances,
        }
        return encode_response(outputs, media, passthrough=rows.passthrough)


def load(model_dir: Path, environment: Mapping[str, str]) -> KMeansPredictor:  # noqa: ARG001
    """The predictor of the model in the directory, ours or one trained at AWS."""
    return KMeansPredictor(KMeans.load(model_dir))
