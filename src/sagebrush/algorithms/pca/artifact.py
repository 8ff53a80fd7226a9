"""The model file of principal component analysis: an MXNet array list with names.

``mean`` (1, d), ``v`` (d, components) with a component in each column and ``s`` (components,) the
singular values of the centred rows, all float32 and in ascending order of ``s``, as in the files
that AWS's image leaves. ``mxnet.nd.load`` reads it.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.errors import AlgorithmError
from sagebrush.algorithms.formats.mxnet import decode_arrays, encode_arrays

Floats = NDArray[np.float32]

MODEL_PREFIX = "model_"


class Components(NamedTuple):
    """mean (d,), components (d, c) in columns and singular values (c,), ascending."""

    mean: Floats
    vectors: Floats
    singular_values: Floats


def write_components(path: Path, found: Components) -> None:
    """Write the model file."""
    arrays = {
        "mean": found.mean.astype(np.float32)[None, :],
        "v": found.vectors.astype(np.float32),
        "s": found.singular_values.astype(np.float32),
    }
    path.write_bytes(encode_arrays(arrays))


def read_components(directory: Path) -> Components:
    """The model of the file in the directory, whichever host wrote it.

    A file without ``mean`` has none subtracted. Raises AlgorithmError when there is no such file
    or it holds no components.
    """
    paths = sorted(directory.glob(f"{MODEL_PREFIX}*"))
    if not paths:
        raise AlgorithmError("The model directory has no file model_algo-1.")
    name = paths[0].name
    try:
        arrays = decode_arrays(paths[0].read_bytes())
    except ValueError as error:
        raise AlgorithmError(f"{name} is no PCA model: {error}") from error
    if not isinstance(arrays, dict) or "v" not in arrays or arrays["v"].ndim != 2:
        raise AlgorithmError(f"{name} is no PCA model: it holds no matrix v of components.")
    vectors = np.ascontiguousarray(arrays["v"], np.float32)
    width, count = vectors.shape
    mean = np.asarray(arrays.get("mean", np.zeros(width)), np.float32).ravel()
    values = np.asarray(arrays.get("s", np.zeros(count)), np.float32).ravel()
    if mean.size != width or values.size != count:
        raise AlgorithmError(
            f"{name} is no PCA model: {width} features and {count} components do not fit a mean "
            f"of {mean.size} and {values.size} singular values."
        )
    return Components(mean, vectors, values)
