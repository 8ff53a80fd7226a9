"""The model file of LDA: an MXNet array list with alpha (k,) and beta (k, V).

Such a file is what AWS's image leaves in ``model.tar.gz``, and ``mxnet.nd.load`` reads it
(https://docs.aws.amazon.com/sagemaker/latest/dg/lda-how-it-works.html).
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.errors import AlgorithmError
from sagebrush.algorithms.formats.mxnet import decode_arrays, encode_arrays

Floats = NDArray[np.float32]

MODEL_PREFIX = "model_"


def write_model(path: Path, alpha: Floats, beta: Floats) -> None:
    """Write the (k,) prior and the (k, V) topics, both float32, to the file."""
    path.write_bytes(encode_arrays([alpha, beta]))


def read_model(directory: Path) -> tuple[Floats, Floats]:
    """Alpha (k,) and beta (k, V), float32, of the model file in the directory.

    Raises AlgorithmError when there is no such file or it holds no topics: users may have edited
    it, which the documentation suggests.
    """
    paths = sorted(directory.glob(f"{MODEL_PREFIX}*"))
    if not paths:
        raise AlgorithmError("The model directory has no file model_algo-1.")
    name = paths[0].name
    try:
        arrays = decode_arrays(paths[0].read_bytes())
    except ValueError as error:
        raise AlgorithmError(f"{name} is no LDA model: {error}") from error
    values = list(arrays.values()) if isinstance(arrays, dict) else arrays
    if len(values) < 2 or values[1].ndim != 2 or values[0].size != values[1].shape[0]:
        raise AlgorithmError(f"{name} is no LDA model: it must hold alpha (k) and beta (k, V).")
    alpha = np.ascontiguousarray(values[0].ravel(), np.float32)
    beta = np.ascontiguousarray(values[1], np.float32)
    if not (np.isfinite(alpha).all() and np.isfinite(beta).all()):
        raise AlgorithmError(f"{name} is no LDA model: it holds numbers that are not finite.")
    if not ((alpha > 0).all() and (beta >= 0).all() and (beta.sum(axis=1) > 0).all()):
        raise AlgorithmError(
            f"{name} is no LDA model: alpha must be positive, and each topic must not be negative "
            "and have a positive sum."
        )
    return alpha, beta
