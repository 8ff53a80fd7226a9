"""Answers inference requests with the label of each row, verbosely with those of its neighbours."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagebrush.algorithms.errors import ClientError, InferenceError
from sagebrush.algorithms.formats.inference import (
    JSON,
    JSON_LINES,
    RECORDIO_PROTOBUF,
    choose_accept,
    decode_features,
    encode_response,
)
from sagebrush.algorithms.knn.model import KNN
from sagebrush.algorithms.threads import available_threads

ACCEPTS = (JSON, JSON_LINES, RECORDIO_PROTOBUF)


class KnnPredictor:
    """A served model; a row gets ``predicted_label``, a float.

    With ``verbose=true`` in Accept also ``distances`` of its k neighbours, ascending, and their
    ``labels``.
    """

    def __init__(self, model: KNN) -> None:
        self._model = model

    def invoke(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """The answer to a request body; see `predictor.Predictor`."""
        media = choose_accept(accept, offered=ACCEPTS)
        rows = decode_features(body, content_type, self._model.feature_dim)
        if not rows.features.shape[0]:
            return encode_response({"predicted_label": rows.features[:, :0].ravel()}, media)
        try:
            distances, labels = self._model.neighbours(rows.features)
        except ClientError as error:
            raise InferenceError(400, str(error)) from error
        outputs: dict[str, Any] = {"predicted_label": self._model.decide(labels)}
        if media.flag("verbose"):
            outputs |= {"distances": distances, "labels": labels}
        return encode_response(outputs, media, passthrough=rows.passthrough)


def load(model_dir: Path, environment: Mapping[str, str]) -> KnnPredictor:
    """The predictor of the model in the directory, ours or one trained at AWS."""
    threads = available_threads(environment)
    return KnnPredictor(KNN.load(model_dir, threads=threads, search_only=True))
