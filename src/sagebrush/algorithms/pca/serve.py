"""Answers inference requests with the projection of each row onto the components."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sagebrush.algorithms.errors import InferenceError
from sagebrush.algorithms.formats.inference import (
    JSON,
    JSON_LINES,
    RECORDIO_PROTOBUF,
    choose_accept,
    decode_features,
    encode_response,
)
from sagebrush.algorithms.pca.model import PCA

ACCEPTS = (JSON, JSON_LINES, RECORDIO_PROTOBUF)


class PcaPredictor:
    """A served model; a row gets ``projection``, in ascending order of the components."""

    def __init__(self, model: PCA) -> None:
        self._model = model
        self._width = model.fitted().mean.size

    def invoke(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """The answer to a request body; see `predictor.Predictor`."""
        media = choose_accept(accept, offered=ACCEPTS)
        rows = decode_features(body, content_type, self._width)
        features = rows.features
        if not features.shape[0]:
            features = np.zeros((0, self._width), np.float32)
        projections = self._model.transform(features)
        if not np.isfinite(projections).all():
            raise InferenceError(400, "The features must be finite numbers.")
        return encode_response(
            {"projection": projections},
            media,
            passthrough=rows.passthrough,
            collection="projections",
        )


def load(model_dir: Path, environment: Mapping[str, str]) -> PcaPredictor:  # noqa: ARG001
    """The predictor of the model in the directory, ours or one trained at AWS."""
    return PcaPredictor(PCA.load(model_dir))
