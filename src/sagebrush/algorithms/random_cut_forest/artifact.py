"""The model file of Random Cut Forest: named arrays in the safetensors format, mapped not read.

A safetensors file is the length of its header (uint64, little endian), a JSON header with each
array's type, shape and place, and the arrays' bytes; ``safetensors.numpy.load_file`` reads it
(https://github.com/huggingface/safetensors, "Format").
"""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.errors import AlgorithmError
from sagebrush.algorithms.random_cut_forest.forest import Forest
from sagebrush.algorithms.random_cut_forest.kernel import NODE, padded_width

MODEL_PREFIX = "model_"
FORMAT = "sagebrush-random-cut-forest-1"

# The widest come first: then each array lies at a multiple of its item's size.
ARRAYS: dict[str, tuple[str, type[np.generic]]] = {
    "node_starts": ("I64", np.int64),
    "leaf_starts": ("I64", np.int64),
    "tree_masses": ("I32", np.int32),
    "masses": ("I32", np.int32),
    "nodes": ("I32", np.int32),
    "boxes": ("F32", np.float32),
    "leaves": ("F32", np.float32),
}
ALIGNMENT = 64
_LENGTH = struct.Struct("<Q")


def write_forest(path: Path, forest: Forest) -> None:
    """Write the forest to the file."""
    arrays = {name: getattr(forest, name) for name in ARRAYS}
    # A node's five fields of four bytes each are a row of five words.
    arrays["nodes"] = forest.nodes.view(np.int32).reshape(-1, 5)
    header: dict[str, Any] = {
        "__metadata__": {
            "format": FORMAT,
            "feature_dim": str(forest.feature_dim),
            "scale": repr(forest.scale),
        }
    }
    offset = 0
    for name, array in arrays.items():
        end = offset + array.nbytes
        header[name] = {
            "dtype": ARRAYS[name][0],
            "shape": list(array.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-(len(text) + _LENGTH.size) % ALIGNMENT)
    with path.open("wb") as stream:
        stream.write(_LENGTH.pack(len(text)) + text)
        for array in arrays.values():
            stream.write(np.ascontiguousarray(array).data)


def read_forest(directory: Path) -> Forest:
    """The forest of the model file in the directory, its arrays mapped from the file.

    Raises AlgorithmError when there is no such file or it is no whole forest.
    """
    paths = sorted(directory.glob(f"{MODEL_PREFIX}*"))
    if not paths:
        raise AlgorithmError("The model directory has no file model_algo-1.")
    try:
        forest = _mapped(paths[0])
        _check(forest)
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise AlgorithmError(f"{paths[0].name} is no Random Cut Forest model: {error}") from error
    return forest


def _mapped(path: Path) -> Forest:
    data = np.memmap(path, np.uint8, "r")
    (length,) = _LENGTH.unpack_from(data[: _LENGTH.size].tobytes())
    first = _LENGTH.size + length
    if first > data.size:
        raise ValueError("it is cut off")
    header = json.loads(data[_LENGTH.size : first].tobytes())
    metadata = header["__metadata__"]
    if metadata["format"] != FORMAT:
        raise ValueError(f"its format is {metadata['format']!r}")
    arrays = {name: _array(data[first:], name, header[name]) for name in ARRAYS}
    arrays["nodes"] = arrays["nodes"].view(NODE).reshape(-1)
    return Forest(int(metadata["feature_dim"]), float(metadata["scale"]), **arrays)


def _array(data: NDArray[np.uint8], name: str, entry: dict[str, Any]) -> NDArray[Any]:
    first, end = entry["data_offsets"]
    if not 0 <= first <= end <= data.size:
        raise ValueError("it is cut off")
    return np.asarray(data[first:end].view(ARRAYS[name][1]).reshape(entry["shape"]))


def _check(forest: Forest) -> None:
    """ValueError unless the kernel can walk the trees without leaving the arrays."""
    nodes, leaves, trees = forest.nodes.shape[0], forest.leaves.shape[0], forest.trees
    width = padded_width(forest.feature_dim)
    consistent = (
        trees > 0
        and forest.feature_dim > 0
        and forest.boxes.shape == (nodes, 2, width)
        and forest.leaves.shape == (leaves, width)
        and forest.masses.shape == (leaves,)
        and _splits(forest.node_starts, trees, nodes)
        and _splits(forest.leaf_starts, trees, leaves)
        and bool((np.diff(forest.leaf_starts) == np.diff(forest.node_starts) + 1).all())
        and bool((forest.tree_masses > 0).all())
    )
    if not consistent:
        raise ValueError("its arrays do not fit together")
    dimension = forest.nodes["dimension"]
    if ((dimension < 0) | (dimension >= forest.feature_dim)).any():
        raise ValueError("a node cuts a dimension that rows do not have")
    _check_children(forest)


def _splits(starts: NDArray[np.int64], parts: int, whole: int) -> bool:
    return bool(
        starts.shape == (parts + 1,)
        and starts[0] == 0
        and starts[-1] == whole
        and (np.diff(starts) >= 0).all()
    )


def _check_children(forest: Forest) -> None:
    """A child is one of its tree's leaves or a later node: so every way down ends."""
    counts = np.diff(forest.node_starts)
    own = np.arange(forest.nodes.shape[0]) - np.repeat(forest.node_starts[:-1], counts)
    node_counts = np.repeat(counts, counts)
    for side in ("left", "right"):
        child = forest.nodes[side]
        node_is_right = (child > own) & (child < node_counts)
        leaf_is_right = (child < 0) & (~child <= node_counts)
        if not (node_is_right | leaf_is_right).all():
            raise ValueError("a node's child lies outside its tree")
