"""Request bodies to feature rows."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.errors import ClientError, InferenceError
from sagebrush.algorithms.xgboost.content_types import data_format
from sagebrush.algorithms.xgboost.kernel import read_line
from sagebrush.algorithms.xgboost.vocabulary import CSV, LIBSVM, RECORDIO_PROTOBUF

UNSUPPORTED_MEDIA_TYPE = 415
_SMALL_BODY_BYTES = 1 << 15
_DELIMITERS = ",\t;| :"

_Compressed = tuple[NDArray[Any], NDArray[np.float32], NDArray[Any]]


def read_features(body: bytes, content_type: str, num_feature: int) -> tuple[Any, str]:
    """The rows of a body, a float32 array or a CSR matrix, and the format they came in.

    ``num_feature`` is the model's width, by which libsvm indices are told to count from 0 or 1.
    InferenceError 415 for a content type that is not served and for a body that is not in its
    format.
    """
    try:
        found = data_format(content_type or None)
    except ValueError as error:
        raise InferenceError(UNSUPPORTED_MEDIA_TYPE, str(error)) from error
    try:
        if found == CSV:
            plain = read_line(body, num_feature) if len(body) <= _SMALL_BODY_BYTES else None
            if plain is not None:
                return plain, found
            features: Any = _csv(body.strip())
        elif found == LIBSVM:
            features = _libsvm(body.strip(), num_feature)
        elif found == RECORDIO_PROTOBUF:
            features = _recordio(body)
        else:
            raise InferenceError(
                UNSUPPORTED_MEDIA_TYPE, f"Content-type {content_type} is not supported."
            )
        _require_finite(features)
    except (ValueError, ClientError) as error:
        name = found.rpartition("/")[2].removeprefix("x-")
        raise InferenceError(
            UNSUPPORTED_MEDIA_TYPE,
            f"Loading {name} data failed with Exception, please ensure data is in {name} "
            f"format:\n {type(error)}\n {error}",
        ) from error
    return features, found


def _csv(body: bytes) -> NDArray[np.float32]:
    if len(body) > _SMALL_BODY_BYTES:
        return _large_csv(body)
    lines = body.decode().splitlines()
    if not lines:
        raise ValueError("there are no rows")
    delimiter = delimiter_of(lines[0])
    if len(lines) == 1:
        cells = lines[0].split(delimiter)
        return _single([[float(cell) if cell else np.nan for cell in cells]])
    rows = [
        [float(cell) if cell else np.nan for cell in line.split(delimiter)]
        for line in lines
        if line
    ]
    width = len(rows[0])
    for index, row in enumerate(rows, 1):
        if len(row) != width:
            raise ValueError(f"row {index} has {len(row)} columns, expected {width}")
    return _single(rows)


def _single(rows: list[list[float]]) -> NDArray[np.float32]:
    """The numbers in single precision; too large ones become infinite, which is refused later."""
    with np.errstate(over="ignore"):
        return np.array(rows, np.float32)


def _large_csv(body: bytes) -> NDArray[np.float32]:
    from sagebrush.algorithms.formats.csv import read_csv_blocks

    delimiter = delimiter_of(body[: body.find(b"\n")].decode())
    blocks = read_csv_blocks(
        io.BytesIO(body), "the request", delimiter=delimiter, missing_allowed=True
    )
    return np.concatenate(list(blocks))


def delimiter_of(line: str) -> str:
    """The character that separates a CSV line's cells; a comma where none shows."""
    if "," in line:
        return ","
    return next((mark for mark in _DELIMITERS if mark in line), ",")


def _libsvm(body: bytes, num_feature: int) -> Any:
    """Rows of ``index:value`` pairs, a label before them or not.

    Training keeps indices as they are written, so they mean the same here; only indices that do
    not fit the model otherwise are taken to count from 1.
    """
    from scipy import sparse

    if len(body) > _SMALL_BODY_BYTES and b"\n\n" not in body:
        indices, values, edges = _large_libsvm(body)
    else:
        indices, values, edges = _small_libsvm(body)
    if len(indices) and indices.min() >= 1 and indices.max() == num_feature:
        indices = indices - 1
    if len(indices) and indices.min() < 0:
        raise ValueError("an index is negative")
    width = int(indices.max(initial=-1)) + 1
    return sparse.csr_matrix((values, indices, edges), shape=(len(edges) - 1, width))


def _small_libsvm(body: bytes) -> _Compressed:
    edges = [0]
    columns: list[int] = []
    values: list[float] = []
    for line in body.decode().split("\n"):
        for token in line.split():
            index, colon, value = token.partition(":")
            if colon and index != "qid":
                columns.append(int(index))
                values.append(float(value))
        edges.append(len(columns))
    return np.array(columns, np.int64), np.array(values, np.float32), np.array(edges)


def _large_libsvm(body: bytes) -> _Compressed:
    """The same through the reader of training data, whose rows begin with a label."""
    from sagebrush.algorithms.formats.libsvm import parse_libsvm

    first, _, _ = body.partition(b" ")
    if b":" in first:
        body = b"0 " + body.replace(b"\n", b"\n0 ")
    features = parse_libsvm(body, "the request").features
    return features.indices, features.data, features.indptr


def _recordio(body: bytes) -> Any:
    from sagebrush.algorithms.formats.recordio_protobuf import decode

    features: Any = decode(body, "the request").batch.features
    if not features.shape[0]:
        raise ValueError("No records found in RecordIO-Protobuf data")
    return features


def _require_finite(features: Any) -> None:
    values = features if isinstance(features, np.ndarray) else features.data
    if np.isinf(values).any():
        raise ValueError(
            "Input data contains `inf` or a value too large, while `missing` is not set to `inf`"
        )
