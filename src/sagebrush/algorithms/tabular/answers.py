"""Requests for predictions, CSV without labels, and their answers in JSON.

Source: the example notebooks that the developer guide names: probabilities for classes, with
labels and the likeliest one where ``verbose`` is asked for; ``prediction`` for regression.
"""

from collections.abc import Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from sagebrush.algorithms.errors import ClientError, InferenceError
from sagebrush.algorithms.formats.media_type import MediaType, negotiate
from sagebrush.algorithms.tabular.csv_table import Table, TableReader

CSV = "text/csv"
JSON = "application/json"


def decode_rows(body: bytes, content_type: str, features: int, categorical: Sequence[int]) -> Table:
    """The rows of a request.

    InferenceError 415 for another content type than CSV, 400 for a body that is not CSV of so many
    features in each row.
    """
    if MediaType.parse(content_type or CSV).name != CSV:
        raise InferenceError(415, f"Unsupported content type {content_type}; only {CSV} is read.")
    try:
        table = TableReader(categorical, labelled=False).read_body(body, "the request")
    except ClientError as error:
        raise InferenceError(400, str(error)) from error
    if not table.rows:
        raise InferenceError(400, "The request holds no rows.")
    if table.numbers.shape[1] != features:
        raise InferenceError(
            400, f"Rows have {table.numbers.shape[1]} columns, the model expects {features}."
        )
    return table


def is_verbose(accept: str) -> bool:
    """Whether labels are asked for: ``application/json;verbose`` or ``;verbose=true``.

    InferenceError 406 if no JSON is accepted.
    """
    media = negotiate(accept, (JSON,), JSON)
    if media is None:
        raise InferenceError(406, f"Accept type {accept} is not supported, only {JSON}.")
    return media.parameters.get("verbose", "false").lower() in {"", "true", "1"}


def encode_classes(
    probabilities: NDArray[np.float64], labels: Sequence[int], *, verbose: bool
) -> bytes:
    """An answer with the (rows, classes) probabilities in the order of the labels."""
    answer: dict[str, object] = {"probabilities": np.ascontiguousarray(probabilities)}
    if verbose:
        known = np.array(labels)
        answer["labels"] = list(labels)
        answer["predicted_label"] = np.ascontiguousarray(known[probabilities.argmax(axis=1)])
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def encode_numbers(predictions: NDArray[np.float64]) -> bytes:
    """An answer with the (rows,) predicted numbers."""
    return orjson.dumps(
        {"prediction": np.ascontiguousarray(predictions)}, option=orjson.OPT_SERIALIZE_NUMPY
    )
