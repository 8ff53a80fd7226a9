"""Answers inference requests with the mixture of topics of each document."""

from collections.abc import Mapping
from pathlib import Path

from sagebrush.algorithms.errors import ClientError, InferenceError
from sagebrush.algorithms.formats.inference import (
    JSON,
    JSON_LINES,
    RECORDIO_PROTOBUF,
    choose_accept,
    decode_features,
    encode_response,
)
from sagebrush.algorithms.lda.model import LDA

ACCEPTS = (JSON, JSON_LINES, RECORDIO_PROTOBUF)


class LDAPredictor:
    """A served model; a document gets ``topic_mixture``, one float for each topic."""

    def __init__(self, model: LDA) -> None:
        assert model.beta_ is not None
        self._model = model
        self._vocabulary = model.beta_.shape[1]

    def invoke(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """The answer to a request body; see `predictor.Predictor`."""
        media = choose_accept(accept, offered=ACCEPTS)
        rows = decode_features(body, content_type, self._vocabulary)
        try:
            mixtures = self._model.transform(rows.features)
        except ClientError as error:
            raise InferenceError(400, str(error)) from error
        return encode_response({"topic_mixture": mixtures}, media, passthrough=rows.passthrough)


def load(model_dir: Path, environment: Mapping[str, str]) -> LDAPredictor:  # noqa: ARG001
    """The predictor of the model in the directory, ours or one trained at AWS."""
    return LDAPredictor(LDA.load(model_dir))
