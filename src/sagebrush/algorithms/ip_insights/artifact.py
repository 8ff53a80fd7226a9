"""The model file: one numpy archive with what prediction needs.

AWS's image leaves an opaque ``model_algo-1`` that nothing else reads; this one is a zip that
``numpy.load`` opens. Only entities and prefixes that training met are in it.
"""

import tokenize
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.errors import AlgorithmError
from sagebrush.algorithms.formats.archive import UNREADABLE_ARCHIVE

MODEL_PREFIX = "model_"
FORMAT = 1


@dataclass(frozen=True)
class StoredModel:
    """A trained model: vectors by key, and the encoder's layers in order.

    Keys are (rows,) uint64: an entity's number, and ``length << 32 | prefix`` of a prefix, after
    the 1024 rows of the four octets. Vectors are (rows, vector_dim) float32.
    """

    num_entity_vectors: int
    vector_dim: int
    entity_keys: NDArray[np.uint64]
    entity_vectors: NDArray[np.float32]
    prefix_keys: NDArray[np.uint64]
    prefix_vectors: NDArray[np.float32]
    prefix_lengths: NDArray[np.int32]
    layers: list[dict[str, NDArray[Any]]]


def write_model(path: Path, model: StoredModel) -> None:
    """Write the model to the file."""
    arrays: dict[str, NDArray[Any]] = {
        "format": np.array(FORMAT),
        "num_entity_vectors": np.array(model.num_entity_vectors),
        "num_ip_encoder_layers": np.array(len(model.layers)),
        "entity_keys": model.entity_keys,
        "entity_vectors": model.entity_vectors,
        "prefix_keys": model.prefix_keys,
        "prefix_vectors": model.prefix_vectors,
        "prefix_lengths": model.prefix_lengths,
    }
    for index, layer in enumerate(model.layers):
        arrays |= {f"layer_{index}_{name}": values for name, values in layer.items()}
    with path.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def read_model(directory: Path) -> StoredModel:
    """The model of the file in the directory, whichever host wrote it.

    AlgorithmError when there is none or it is not of this form.
    """
    paths = sorted(directory.glob(f"{MODEL_PREFIX}*"))
    if not paths:
        raise AlgorithmError("The model directory has no file model_algo-1.")
    try:
        with np.load(paths[0], allow_pickle=False) as archive:
            return _model({name: archive[name] for name in archive.files})
    except (*UNREADABLE_ARCHIVE, tokenize.TokenError) as error:
        raise AlgorithmError(f"{paths[0].name} is no IP Insights model: {error}") from error


def _model(arrays: dict[str, NDArray[Any]]) -> StoredModel:
    if int(arrays["format"]) != FORMAT:
        raise ValueError(f"its format is {int(arrays['format'])}, not {FORMAT}")
    prefixes = arrays["prefix_vectors"]
    width = int(prefixes.shape[1])
    if arrays["entity_vectors"].shape[1] != width:
        raise ValueError("its entities and prefixes have vectors of different lengths")
    for kind in ("entity", "prefix"):
        if arrays[f"{kind}_keys"].shape[0] != arrays[f"{kind}_vectors"].shape[0]:
            raise ValueError(f"it has another number of {kind} keys than of vectors")
    if int(arrays["num_entity_vectors"]) < 1:
        raise ValueError("it has room for no entity")
    layers = []
    for index in range(int(arrays["num_ip_encoder_layers"])):
        start = f"layer_{index}_"
        layers.append({n.removeprefix(start): a for n, a in arrays.items() if n.startswith(start)})
    return StoredModel(
        num_entity_vectors=int(arrays["num_entity_vectors"]),
        vector_dim=width,
        entity_keys=arrays["entity_keys"],
        entity_vectors=arrays["entity_vectors"],
        prefix_keys=prefixes_keys(arrays),
        prefix_vectors=prefixes,
        prefix_lengths=np.ascontiguousarray(arrays["prefix_lengths"], np.int32),
        layers=layers,
    )


def prefixes_keys(arrays: dict[str, NDArray[Any]]) -> NDArray[np.uint64]:
    """The prefix keys, of which the octets' 1024 must be the first."""
    keys = arrays["prefix_keys"]
    if keys.shape[0] < 1024:
        raise ValueError("it lacks the vectors of the octets")
    return np.asarray(keys, np.uint64)
