"""What training is compared with, and data sets as files of each format."""

import io
import re
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import xgboost
from scipy import sparse

from sagebrush.algorithms.formats.recordio_protobuf_writer import write_dense, write_sparse

ROUND_LINE = re.compile(
    r"^\[(\d+)\]((?:\t(?:train|validation)-[^:\t]+:-?\d+\.\d{5})+)$", re.MULTILINE
)


def plain_model(parameters: dict, features, labels, rounds: int = 3, **information) -> bytes:
    """What xgboost itself writes to a file called ``xgboost-model``."""
    matrix = xgboost.DMatrix(features, label=labels, **information)
    booster = xgboost.train({"max_depth": 3, "nthread": 1, **parameters}, matrix, rounds)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder, "xgboost-model")
        booster.save_model(path)
        return path.read_bytes()


def parquet_bytes(columns: np.ndarray) -> bytes:
    sink = io.BytesIO()
    names = [f"c{index}" for index in range(columns.shape[1])]
    pa.parquet.write_table(pa.table(dict(zip(names, columns.T, strict=True))), sink)
    return sink.getvalue()


def recordio_bytes(features, labels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    write = write_sparse if sparse.issparse(features) else write_dense
    write(stream, features, labels)
    return stream.getvalue()


def libsvm_text(features: np.ndarray, labels: np.ndarray, weights=None) -> str:
    lines = []
    for index, row in enumerate(features.tolist()):
        head = repr(labels[index].item())
        head += f":{weights[index].item()!r}" if weights is not None else ""
        cells = [f"{column}:{value!r}" for column, value in enumerate(row) if not np.isnan(value)]
        lines.append(" ".join([head, *cells]))
    return "\n".join(lines) + "\n"
