"""The model file of K-Means: an MXNet array list with one (k, d) array of centres.

Such a file is what AWS's image leaves in ``model.tar.gz``, and ``mxnet.nd.load`` reads it.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.errors import AlgorithmError
from sagebrush.algorithms.formats.mxnet import decode_arrays, encode_arrays

MODEL_PREFIX = "model_"


def write_centers(path: Path, centers: NDArray[np.float32]) -> None:
    """Write the (k, d) float32 centres to the file."""
    path.write_bytes(encode_arrays([centers]))


def read_centers(directory: Path) -> NDArray[np.float32]:
    """The (k, d) float32 centres of the model file in the directory, whichever host wrote it.

    Raises AlgorithmError when there is no such file or it holds no centres.
    """
    paths = sorted(directory.glob(f"{MODEL_PREFIX}*"))
    if not paths:
        raise AlgorithmError("The model directory has no file model_algo-1.")
    try:
        arrays = decode_arrays(paths[0].read_bytes())
    except ValueError as error:
        raise AlgorithmError(f"{paths[0].name} is no K-Means model: {error}") from error
    values = list(arrays.values()) if isinstance(arrays, dict) else arrays
    if not values or values[0].ndim != 2:
        raise AlgorithmError(f"{paths[0].name} is no K-Means model: it holds no matrix of centres.")
    return np.ascontiguousarray(values[0], np.float32)
