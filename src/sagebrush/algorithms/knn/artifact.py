"""The three files of a k-nearest-neighbours model, in the layout the developer guide documents.

``model_algo-1`` is a faiss index, ``model_algo-1.labels`` the raw float32 labels of its rows and
``model_algo-1.json`` the metadata, which users may edit: ``k`` and ``predictor_type`` among them.
Source: developer guide, "How the k-NN Algorithm Works", step on serialisation.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.errors import AlgorithmError
from sagebrush.algorithms.knn.index import read_index, write_index
from sagebrush.algorithms.knn.projection import Projection
from sagebrush.algorithms.knn.settings import PREDICTOR_TYPES, REDUCTION_TYPES

MODEL_PREFIX = "model_"
VERSION = "1.0"
GENERATOR = "numpy.random.PCG64"


@dataclass(frozen=True)
class StoredModel:
    """What the files hold: a faiss index, (rows,) labels and how requests are prepared."""

    index: Any
    labels: NDArray[np.float32]
    k: int
    predictor_type: str
    feature_dim: int
    normalize: bool
    projection: Projection | None


def write_model(directory: Path, model: StoredModel, host: str = "algo-1") -> None:
    """Write the three files into the directory."""
    path = directory / f"{MODEL_PREFIX}{host}"
    write_index(path, model.index)
    labels = np.ascontiguousarray(model.labels, "<f4")
    path.with_name(f"{path.name}.labels").write_bytes(labels.tobytes())
    reduction = model.projection and {**model.projection.describe(), "generator": GENERATOR}
    metadata = {
        "k": model.k,
        "predictor_type": model.predictor_type,
        "dimension_reduction": reduction,
        "normalize": model.normalize,
        "feature_dim": model.feature_dim,
        "version": VERSION,
    }
    path.with_name(f"{path.name}.json").write_text(json.dumps(metadata, indent=2), "utf-8")


def read_model(directory: Path) -> StoredModel:
    """The model of the files, ours or AWS's; AlgorithmError says what is wrong with them.

    A model of AWS's with a dimension reduction cannot be used: its random numbers are unknown.
    """
    found = sorted(directory.glob(f"{MODEL_PREFIX}*.json"))
    if not found:
        raise AlgorithmError("The model directory has no file model_algo-1.json.")
    metadata_path = found[0]
    path = metadata_path.with_suffix("")
    labels_path = path.with_name(f"{path.name}.labels")
    for each in (path, labels_path):
        if not each.is_file():
            raise AlgorithmError(f"The model directory has no file {each.name}.")
    index = read_index(path)
    content = labels_path.read_bytes()
    if len(content) != 4 * index.ntotal:
        raise AlgorithmError(
            f"{labels_path.name} holds {len(content)} bytes, not 4 for each of the "
            f"{index.ntotal} rows of {path.name}."
        )
    labels = np.frombuffer(content, "<f4").astype(np.float32)
    return _with_metadata(metadata_path, index, labels)


def _with_metadata(path: Path, index: Any, labels: NDArray[np.float32]) -> StoredModel:
    try:
        metadata = json.loads(path.read_text("utf-8"))
        k, predictor_type = int(metadata["k"]), metadata["predictor_type"]
        projection = _projection(metadata.get("dimension_reduction"))
        width = projection.input_dim if projection else int(metadata.get("feature_dim", index.d))
        normalize = metadata.get("normalize", False)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise AlgorithmError(f"{path.name} is no metadata of a model: {error!r}") from error
    if not 1 <= k <= index.ntotal:
        raise AlgorithmError(f"{path.name} has k {k}; the index has {index.ntotal} rows.")
    if predictor_type not in PREDICTOR_TYPES:
        raise AlgorithmError(f"{path.name} has the predictor_type {predictor_type!r}.")
    if normalize not in (True, False):
        raise AlgorithmError(f"{path.name} has the normalize {normalize!r}, not true or false.")
    if not 1 <= (projection.target_dim if projection else width) <= index.d:
        raise AlgorithmError(f"{path.name} does not fit an index of {index.d} dimensions.")
    return StoredModel(index, labels, k, predictor_type, width, normalize, projection)


def _projection(described: dict[str, Any] | None) -> Projection | None:
    if not described:
        return None
    if described.get("generator") != GENERATOR:
        raise ValueError("the random numbers of its dimension_reduction are unknown")
    kind, seed = described["type"], int(described["seed"])
    widths = int(described["input_dim"]), int(described["target_dim"])
    if kind not in REDUCTION_TYPES or seed < 0 or min(widths) < 1:
        raise ValueError(f"no dimension_reduction: {described}")
    return Projection(kind, seed, *widths)
