"""Answers inference requests with the score of each row, and the label a classifier gives it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.errors import ClientError, InferenceError
from sagebrush.algorithms.factorization_machines import INFERENCE_TYPES
from sagebrush.algorithms.factorization_machines.model import FactorizationMachine, labels_of
from sagebrush.algorithms.formats.inference import (
    choose_accept,
    decode_features,
    encode_response,
)


class FactorizationMachinePredictor:
    """A served model; a row gets ``score``, and ``predicted_label`` (0 or 1) from a classifier."""

    def __init__(self, model: FactorizationMachine) -> None:
        self._model = model
        self._machine = model.machine()

    def invoke(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """The answer to a request body; see `predictor.Predictor`."""
        media = choose_accept(accept, offered=INFERENCE_TYPES)
        rows = decode_features(
            body, content_type, self._machine.feature_dim, accepted=INFERENCE_TYPES
        )
        if not rows.features.shape[0]:
            return encode_response({"score": np.zeros(0, np.float32)}, media)
        try:
            scores = self._model.scores(rows.features)
        except ClientError as error:
            raise InferenceError(400, str(error)) from error
        if not np.isfinite(scores).all():
            raise InferenceError(400, "The scores of these features are too large to be numbers.")
        outputs: dict[str, NDArray[Any]] = {"score": scores}
        if self._machine.is_binary:
            outputs["predicted_label"] = labels_of(scores)
        return encode_response(outputs, media, passthrough=rows.passthrough)


def load(
    model_dir: Path,
    environment: Mapping[str, str],  # noqa: ARG001
) -> FactorizationMachinePredictor:
    """The predictor of the model in the directory, ours or one trained at AWS."""
    return FactorizationMachinePredictor(FactorizationMachine.load(model_dir))
