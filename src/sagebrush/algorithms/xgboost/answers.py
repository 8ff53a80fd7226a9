"""Predictions to response bodies."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.errors import InferenceError
from sagebrush.algorithms.xgboost.vocabulary import CSV, RECORDIO_PROTOBUF

JSON = "application/json"
JSON_LINES = "application/jsonlines"
SUPPORTED_ACCEPTS = (JSON, JSON_LINES, RECORDIO_PROTOBUF, CSV)
NOT_ACCEPTABLE = 406


def negotiated(accept: str, default: str) -> str:
    """The first media type of an Accept header that can be written; ``default`` if it is open.

    InferenceError 406 when none can be.
    """
    if not accept:
        return default
    for part in accept.split(","):
        name = part.partition(";")[0].strip().lower()
        if name in SUPPORTED_ACCEPTS:
            return name
        if name == "*/*":
            return default
    raise InferenceError(
        NOT_ACCEPTABLE,
        f"Accept type {accept} is not supported. "
        f"Please use supported accept types: {list(SUPPORTED_ACCEPTS)}.",
    )


def response_type(accept: str) -> str:
    """The Content-Type header of an answer; text states its character set."""
    return f"{accept}; charset=utf-8" if accept.startswith("text/") else accept


def encode_lines(predictions: NDArray[Any]) -> bytes:
    """Batch transform's form: one prediction per line, several scores as a bracketed list."""
    return "".join(f"{prediction}\n" for prediction in predictions.tolist()).encode()


def encode_joined(predictions: NDArray[Any]) -> bytes:
    """All predictions in one line without an end, several scores of a row as a bracketed list.

    Such are the CSV answers of old images and of multi-model containers of every version.
    """
    return ",".join(map(str, predictions.tolist())).encode()


def encode(predictions: NDArray[Any], accept: str) -> bytes:
    """The predictions in the media type: one row per line or element, called ``score``."""
    rows = predictions.tolist()
    if accept == CSV:
        if predictions.ndim == 1:
            return "".join(f"{row}\n" for row in rows).encode()
        return "".join(",".join(map(str, row)) + "\n" for row in rows).encode()
    if accept == JSON:
        scores = ", ".join(f'{{"score": {_json(row)}}}' for row in rows)
        return f'{{"predictions": [{scores}]}}'.encode()
    if accept == JSON_LINES:
        return "".join(f'{{"score": {_json(row)}}}\n' for row in rows).encode()
    from sagebrush.algorithms.formats.recordio_protobuf_writer import encode_outputs

    return encode_outputs({"score": np.asarray(predictions)})


def encode_array(predictions: NDArray[Any]) -> bytes:
    """A multi-model container's JSON: the bare array of predictions."""
    return json.dumps(predictions.tolist()).encode()


def _json(value: Any) -> str:
    """JSON text as Python's own encoder writes it."""
    text = str(value)
    return text.replace("nan", "NaN").replace("inf", "Infinity") if "n" in text else text
