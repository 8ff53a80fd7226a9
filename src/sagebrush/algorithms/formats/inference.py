"""Inference bodies of the first-party algorithms: features in, named outputs out."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from scipy import sparse

from sagebrush.algorithms.errors import ClientError, InferenceError
from sagebrush.algorithms.formats.answered_rows import (
    answered_instances,
    answered_records,
    answered_values,
    is_answered,
)
from sagebrush.algorithms.formats.batch import stack_features
from sagebrush.algorithms.formats.csv import parse_csv
from sagebrush.algorithms.formats.media_type import MediaType, negotiate
from sagebrush.algorithms.formats.recordio_protobuf import decode
from sagebrush.algorithms.formats.recordio_protobuf_writer import encode_outputs

JSON = "application/json"
JSON_LINES = "application/jsonlines"
CSV = "text/csv"
RECORDIO_PROTOBUF = "application/x-recordio-protobuf"

CONTENT_TYPES = (CSV, JSON, JSON_LINES, RECORDIO_PROTOBUF)
ACCEPTS = (JSON, JSON_LINES, CSV, RECORDIO_PROTOBUF)

_UNREADABLE = "unable to evaluate payload provided"
# Deep nesting ends in RecursionError, huge numbers in OverflowError.
_UNREADABLE_ERRORS = (
    ClientError,
    ValueError,
    TypeError,
    KeyError,
    OverflowError,
    RecursionError,
)


class InferenceInput(NamedTuple):
    """The rows of a request.

    ``features`` is a (rows, feature_dim) float32 array or CSR matrix; ``passthrough`` the encoded
    uid and metadata of each record, for ``encode_response``.
    """

    features: Any
    passthrough: Sequence[bytes] = ()


def decode_features(
    body: bytes,
    content_type: str,
    feature_dim: int,
    *,
    accepted: tuple[str, ...] = CONTENT_TYPES,
) -> InferenceInput:
    """The rows of a request body.

    InferenceError 415 for a content type the algorithm does not read, 400 for a body that is not of
    its content type or whose rows are not ``feature_dim`` wide.
    """
    media = MediaType.parse(content_type or JSON)
    if media.name not in accepted:
        raise InferenceError(415, f"Unsupported content-type: {content_type}")
    try:
        decoded = _DECODERS[media.name](body, media)
    except _UNREADABLE_ERRORS as error:
        raise InferenceError(400, f"{_UNREADABLE}: {_reason(error)}") from error
    count, width = decoded.features.shape
    if width == feature_dim:
        return decoded
    if count:
        raise InferenceError(
            400, f"{_UNREADABLE}: rows have {width} features, the model expects {feature_dim}"
        )
    # No instances have no width; models need one, and answer with an empty list.
    return decoded._replace(features=np.empty((0, feature_dim), np.float32))


def choose_accept(
    accept: str, *, offered: tuple[str, ...] = ACCEPTS, default: str = JSON
) -> MediaType:
    """What to answer with, parameters such as ``verbose`` kept.

    InferenceError 406 if the algorithm writes nothing that fits.
    """
    media = negotiate(accept, offered, default)
    if media is None:
        raise InferenceError(406, f"Accept type {accept} is not supported")
    return media


def encode_response(
    outputs: Mapping[str, NDArray[Any]],
    media: MediaType,
    *,
    passthrough: Sequence[bytes] = (),
    collection: str = "predictions",
) -> tuple[bytes, str]:
    """The body and content type of an answer with one value or vector per row under each name.

    Columns have shape (rows,) or (rows, values); floats are written as floats, integers as
    integers. ``collection`` is the key of the JSON form.
    """
    if media.name == RECORDIO_PROTOBUF:
        return encode_outputs(outputs, passthrough), RECORDIO_PROTOBUF
    names = tuple(outputs)
    columns = [np.asarray(column).tolist() for column in outputs.values()]
    if all(len(column) == 1 for column in columns):
        return encode_row(names, tuple([each for (each,) in columns]), media, collection=collection)
    rows = zip(*columns, strict=True)
    if media.name == CSV:
        return "\n".join(_csv_row(row) for row in rows).encode(), CSV
    objects = [dict(zip(names, row, strict=True)) for row in rows]
    if media.name == JSON_LINES:
        return _json_lines(objects), JSON_LINES
    return json.dumps({collection: objects}).encode(), JSON


def encode_row(
    names: tuple[str, ...],
    row: tuple[Any, ...],
    media: MediaType,
    *,
    passthrough: Sequence[bytes] = (),
    collection: str = "predictions",
) -> tuple[bytes, str]:
    """As `encode_response` for one row, given as Python's numbers and lists of numbers."""
    if media.name == RECORDIO_PROTOBUF:
        outputs = {name: np.array([value]) for name, value in zip(names, row, strict=True)}
        return encode_outputs(outputs, passthrough), RECORDIO_PROTOBUF
    if media.name == CSV:
        return _csv_row(row).encode(), CSV
    text = _json_object(names) % row
    # Python and JSON spell numbers alike but for NaN and the infinities.
    if "nan" in text or "inf" in text:
        text = json.dumps(dict(zip(names, row, strict=True)))
    if media.name == JSON_LINES:
        return f"{text}\n".encode(), JSON_LINES
    return f'{{"{collection}": [{text}]}}'.encode(), JSON


@lru_cache(maxsize=256)
def _json_object(names: tuple[str, ...]) -> str:
    """A JSON object as a pattern for the values."""
    members = ", ".join(f'"{name}": %r' for name in names)
    return f"{{{members}}}"


def _json_lines(objects: list[dict[str, Any]]) -> bytes:
    """Each object on a line of its own; encoding all at once is much faster than one by one.

    Values are numbers and lists of them, so what stands between two objects stands nowhere else.
    """
    if not objects:
        return b""
    return (json.dumps(objects)[1:-1].replace("}, {", "}\n{") + "\n").encode()


def _csv_row(row: tuple[Any, ...]) -> str:
    cells: list[str] = []
    for value in row:
        cells.extend(map(repr, value) if isinstance(value, list) else (repr(value),))
    return ",".join(cells)


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is missing"
    return str(error)


def _decode_json(body: bytes, media: MediaType) -> InferenceInput:  # noqa: ARG001
    document = _loads(body)
    if not isinstance(document, dict):
        raise TypeError("the body must be an object with 'instances'")
    instances = document["instances"] if "instances" in document else answered_instances(document)
    if not isinstance(instances, list):
        raise TypeError("'instances' must be a list")
    return InferenceInput(_rows(instances, b"null" in body))


def _loads(text: bytes) -> Any:
    """The JSON document; the standard library takes what the strict and fast reader refuses."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)


def _decode_json_lines(body: bytes, media: MediaType) -> InferenceInput:  # noqa: ARG001
    instances = [_loads(line) for line in body.split(b"\n") if line.strip()]
    if not instances:
        raise ValueError("the body is empty")
    return InferenceInput(_rows(instances, b"null" in body))


def _decode_csv(body: bytes, media: MediaType) -> InferenceInput:
    rows = parse_csv(body, "the request")
    if not rows.size:
        raise ValueError("the body is empty")
    label_size = media.parameters.get("label_size", "0")
    if not label_size.isdigit():
        raise ValueError(f"label_size {label_size!r} is not a number")
    return InferenceInput(rows[:, int(label_size) :])


def _decode_recordio(body: bytes, media: MediaType) -> InferenceInput:  # noqa: ARG001
    try:
        records = decode(body, "the request")
    except ClientError:
        answered = answered_records(body)
        if answered is None:
            raise
        rows, strings = answered
        return InferenceInput(rows, strings if any(strings) else ())
    if not records.batch.rows:
        raise ValueError("the body is empty")
    return InferenceInput(records.batch.features, records.passthrough)


_DECODERS = {
    JSON: _decode_json,
    JSON_LINES: _decode_json_lines,
    CSV: _decode_csv,
    RECORDIO_PROTOBUF: _decode_recordio,
}


def _rows(instances: list[Any], may_hold_null: bool) -> NDArray[np.float32] | sparse.csr_matrix:
    if not instances:
        return np.empty((0, 0), np.float32)
    values = [_dense_values(instance) for instance in instances]
    if any(row is None for row in values):
        return stack_features([_matrix(instance) for instance in instances])
    with np.errstate(over="ignore"):
        rows = np.array(values, np.float32)
    if rows.ndim != 2:
        raise ValueError("an instance must be a list of numbers")
    # numpy reads null as NaN; JSON's own NaN is spelt otherwise.
    if may_hold_null and any(None in row for row in values if row is not None):
        raise ValueError("features must be numbers, not null")
    return rows


def _dense_values(instance: Any) -> list[float] | None:
    """The numbers of a dense instance in any of its forms; None for a sparse one."""
    if isinstance(instance, list):
        return instance
    if not isinstance(instance, dict):
        raise TypeError("an instance must be an object or a list")
    if "features" in instance:
        values = instance["features"]
    else:
        values = answered_values(instance) if is_answered(instance) else instance["data"]
        if isinstance(values, dict):
            values = values["features"]
    if isinstance(values, dict):
        if _is_sparse(values):
            return None
        values = values["values"]
    if not isinstance(values, list):
        raise TypeError("the features of an instance must be a list of numbers")
    return values


def _is_sparse(tensor: dict[str, Any]) -> bool:
    """Whether keys place the values; none need be placed in a row of zeros, told by its shape.

    Without keys the values are a dense vector, whatever the shape (the developer guide, *Common
    Data Formats for Training*).
    """
    return bool(tensor.get("keys") or (tensor.get("shape") and not tensor.get("values")))


def _matrix(instance: Any) -> NDArray[np.float32] | sparse.csr_matrix:
    """One row; a sparse instance has keys, values and a shape of one dimension."""
    values = _dense_values(instance)
    if values is not None:
        return np.array([values], np.float32)
    tensor = instance["features"] if "features" in instance else instance["data"]["features"]
    shape = tensor["shape"]
    if not isinstance(shape, list) or len(shape) != 1:
        raise ValueError(
            f"the shape of a sparse instance must be a list of one number, not {shape}"
        )
    (width,) = shape
    keys = np.array(tensor.get("keys", []), np.int64)
    numbers = np.array(tensor.get("values", []), np.float32)
    if len(keys) != len(numbers):
        raise ValueError(f"{len(keys)} keys for {len(numbers)} values")
    if len(keys) and (keys.min() < 0 or keys.max() >= width):
        raise ValueError(f"keys must lie between 0 and {width - 1}")
    row = sparse.csr_matrix((numbers, keys, np.array([0, len(keys)])), shape=(1, width))
    row.sum_duplicates()
    return row
