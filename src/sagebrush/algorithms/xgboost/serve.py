"""Serves the models of a folder the way the images answer requests."""

import os
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.container import available_threads
from sagebrush.algorithms.errors import InferenceError
from sagebrush.algorithms.xgboost.answers import (
    JSON,
    encode,
    encode_array,
    encode_joined,
    encode_lines,
    negotiated,
    response_type,
)
from sagebrush.algorithms.xgboost.explanations import EXPLANATIONS, with_explanations
from sagebrush.algorithms.xgboost.image_versions import ImageVersion
from sagebrush.algorithms.xgboost.model import Ensemble, Model, WidthError
from sagebrush.algorithms.xgboost.requests import read_features
from sagebrush.algorithms.xgboost.selectable import encode_selected, select, selected_keys
from sagebrush.algorithms.xgboost.stored_model import UnreadableModelError
from sagebrush.algorithms.xgboost.vocabulary import CSV, LIBSVM

_NO_CONTENT = 204
_BAD_REQUEST = 400
_SERVER_ERROR = 500
_DEFAULT_PAYLOAD_BYTES = 6 << 20


def load(
    model_dir: Path, environment: Mapping[str, str]
) -> "XGBoostPredictor | PredictorWithoutModel":
    """The predictor of the model files directly in the folder, hidden ones left out.

    Several files are an ensemble unless SAGEMAKER_INFERENCE_ENSEMBLE is set to anything but
    ``true``, which leaves the first by name. UnreadableModelError if there is no file or one is
    no model, or is a pickle that the xgboost of the image does not take; images up to 1.2-1 start
    all the same, and say so to each request.
    """
    image = _image(environment)
    try:
        return XGBoostPredictor(_model(model_dir, environment, image), environment)
    except UnreadableModelError as error:
        if image.has_old_server and not _is_multi_model(environment):
            return PredictorWithoutModel(error, environment)
        raise


def _image(environment: Mapping[str, str]) -> ImageVersion:
    return ImageVersion.of(environment.get("SAGEBRUSH_IMAGE_TAG", ""))


def _is_multi_model(environment: Mapping[str, str]) -> bool:
    return environment.get("SAGEMAKER_MULTI_MODEL") == "true"


def _model(
    model_dir: Path, environment: Mapping[str, str], image: ImageVersion
) -> Model | Ensemble:
    paths = sorted(
        path for path in model_dir.iterdir() if path.is_file() and not path.name.startswith(".")
    )
    if not paths:
        raise UnreadableModelError(f"There is no model file in {model_dir}.")
    if environment.get("SAGEMAKER_INFERENCE_ENSEMBLE", "true") != "true":
        paths = paths[:1]
    threads = available_threads(environment)
    models = [Model.load(path, threads, image) for path in paths]
    return models[0] if len(models) == 1 else Ensemble(models)


def _advice(environment: Mapping[str, str]) -> dict[str, Any]:
    payload_bytes = int(environment.get("MAX_CONTENT_LENGTH", _DEFAULT_PAYLOAD_BYTES))
    return {
        "MaxConcurrentTransforms": available_threads(environment) or os.cpu_count() or 1,
        "BatchStrategy": "MULTI_RECORD",
        "MaxPayloadInMB": payload_bytes >> 20,
    }


class PredictorWithoutModel:
    """Answers requests as images up to 1.2-1 do that could not load the model."""

    def __init__(self, error: UnreadableModelError, environment: Mapping[str, str]) -> None:
        self.error = error
        self._advice = _advice(environment)

    def invoke(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Never an answer: InferenceError 204 for no body, 415 for a bad one, 500 for all else."""
        del accept  # These images do not look at it.
        if not body:
            raise InferenceError(_NO_CONTENT, "")
        read_features(body, content_type, 0)
        raise InferenceError(_SERVER_ERROR, f"Unable to load model: {self.error}")

    def execution_parameters(self) -> dict[str, Any]:
        """The advice for batch transform: how many requests at once and how large."""
        return self._advice


class XGBoostPredictor:
    """Answers requests with a model; settings come from the container's environment."""

    def __init__(self, model: Model | Ensemble, environment: Mapping[str, str]) -> None:
        self.model = model
        self.is_batch = environment.get("SAGEMAKER_BATCH", "").lower() not in {"", "false", "0"}
        # AWS's image serves many models with another server, whose answers differ.
        self.is_multi_model = _is_multi_model(environment)
        self.default_accept = environment.get(
            "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", JSON if self.is_multi_model else CSV
        )
        self.only_joins_rows = not self.is_multi_model and _image(environment).has_old_server
        output = environment.get("SAGEMAKER_INFERENCE_OUTPUT")
        self.keys = None if output is None else selected_keys(output)
        self._advice = _advice(environment)

    def invoke(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """The response body and its content type.

        InferenceError 204 for an empty body, 415 for one that cannot be read, 400 for rows that
        do not fit the model, 406 for an Accept that cannot be written.
        """
        features = self.rows_of(body, content_type)
        try:
            predictions = self.model.predict(features)
        except WidthError as error:
            raise InferenceError(
                _BAD_REQUEST, f"Unable to evaluate payload provided: {error}"
            ) from error
        return self.answer_of(features, predictions, accept)

    def rows_of(self, body: bytes, content_type: str) -> Any:
        """The rows of a request body; InferenceError as `invoke`."""
        if not body:
            raise InferenceError(_NO_CONTENT, "")
        features, found = read_features(body, content_type, self.model.head.num_feature)
        self._require_fitting_width(features.shape[1], found)
        return features

    def predictions_of(self, parts: Sequence[Any]) -> list[NDArray[np.float32]] | None:
        """The predictions of each request's rows, to the last bit as if it were alone.

        None for sparse rows and rows of different or too large width, which fail for themselves.
        """
        width = parts[0].shape[1]
        if width > self.model.head.num_feature or not all(
            isinstance(part, np.ndarray) and part.shape[1] == width for part in parts
        ):
            return None
        predictions = self.model.predict(np.concatenate(parts))
        edges = list(accumulate((len(part) for part in parts), initial=0))
        return [predictions[start:end] for start, end in pairwise(edges)]

    def answer_of(self, rows: Any, predictions: Any, accept: str) -> tuple[bytes, str]:
        """The response to a request with these rows; InferenceError as `invoke`."""
        if self.only_joins_rows and self.keys is None:
            wanted = CSV
        else:
            wanted = negotiated(accept, self.default_accept)
        if self.keys is not None:
            return self._selected(rows, predictions, self.keys, wanted), response_type(wanted)
        if self.is_batch:
            body = encode_lines(predictions)
        elif self.is_multi_model and wanted == JSON:
            body = encode_array(predictions)
        elif wanted == CSV and (self.is_multi_model or self.only_joins_rows):
            body = encode_joined(predictions)
        else:
            body = encode(predictions, wanted)
        return body, response_type(wanted)

    def execution_parameters(self) -> dict[str, Any]:
        """The advice for batch transform: how many requests at once and how large."""
        return self._advice

    def _selected(self, features: Any, predictions: Any, keys: list[str], accept: str) -> bytes:
        head = self.model.head
        predicted = [key for key in keys if key not in EXPLANATIONS]
        rows: list[dict[str, Any]] = [{} for _ in predictions]
        try:
            if predicted:
                rows = select(predictions, predicted, head.objective, head.num_class)
            explained = {
                key: self.model.explain(features, key).tolist()
                for key in keys
                if key in EXPLANATIONS
            }
        except (ValueError, UnreadableModelError) as error:
            raise InferenceError(_SERVER_ERROR, str(error)) from error
        rows = with_explanations(rows, explained, keys)
        return encode_selected(rows, keys, accept, ends_line=self.is_batch)

    def _require_fitting_width(self, width: int, found: str) -> None:
        """Pickled models come from versions that did not check it themselves."""
        if not self.model.is_pickle:
            return
        known = self.model.head.num_feature
        if found == LIBSVM:
            if width > known + 1:
                raise InferenceError(
                    _BAD_REQUEST,
                    "Unable to evaluate payload provided: Feature size of libsvm inference data "
                    f"{width} is larger than feature size of trained model {known}.",
                )
        elif width not in (known, known - 1):
            raise InferenceError(
                _BAD_REQUEST,
                f"Unable to evaluate payload provided: Feature size of {found} inference data "
                f"{width} is not consistent with feature size of trained model {known}.",
            )
