"""The model file of Linear Learner: an archive that MXNet's Module and Gluon can load.

``model_algo-1`` is a zip of four stored files: ``mx-mod-symbol.json``, the graph of one fully
connected layer and an output; ``mx-mod-0000.params``, an NDArray list with ``arg:fc0_weight``
(C, d) and ``arg:fc0_bias`` (C,) for raw rows; ``additional-params.json``, what the graph cannot say
(the threshold); and ``manifest.json``. Archives that AWS's image wrote have the same layout; what
their extra file does not say is taken from the graph.
"""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.errors import AlgorithmError
from sagebrush.algorithms.formats.archive import UNREADABLE_ARCHIVE
from sagebrush.algorithms.formats.mxnet import decode_arrays, encode_arrays
from sagebrush.algorithms.linear_learner.linear_model import LinearModel
from sagebrush.algorithms.linear_learner.settings import (
    BINARY,
    DEFAULT_LOSS,
    MULTICLASS,
    REGRESSOR,
    Settings,
)

MODEL_PREFIX = "model_"
SYMBOL, PARAMETERS = "mx-mod-symbol.json", "mx-mod-0000.params"
ADDITIONAL, MANIFEST = "additional-params.json", "manifest.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed time of day, so that equal models are equal files

_OUTPUT_OF_LOSS = {
    "logistic": "LogisticRegressionOutput",
    "softmax_loss": "SoftmaxOutput",
    "absolute_loss": "MAERegressionOutput",
}
_TYPE_OF_OUTPUT = {
    "LogisticRegressionOutput": BINARY,
    "SoftmaxOutput": MULTICLASS,
    "SVMOutput": BINARY,
}
_THRESHOLD_NAMES = ("threshold", "out_threshold", "prediction_threshold")


def write_model(path: Path, model: LinearModel, settings: Settings) -> None:
    """Write the model to the file."""
    additional = {
        "predictor_type": settings.predictor_type,
        "loss": settings.loss_name,
        "num_classes": settings.num_classes,
        "feature_dim": model.weights.shape[1],
        "threshold": model.threshold,
    }
    files = {
        ADDITIONAL: json.dumps(additional).encode(),
        MANIFEST: json.dumps({"format_version": "1.0", "files": [SYMBOL, PARAMETERS]}).encode(),
        SYMBOL: json.dumps(_symbol(model, settings), indent=2).encode(),
        PARAMETERS: encode_arrays(
            {
                "arg:fc0_weight": model.weights.astype(np.float32),
                "arg:fc0_bias": model.bias.astype(np.float32),
            }
        ),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)


def _symbol(model: LinearModel, settings: Settings) -> dict[str, Any]:
    output = _OUTPUT_OF_LOSS.get(settings.loss_name, "LinearRegressionOutput")
    layer = {"num_hidden": str(model.weights.shape[0])}
    return {
        "nodes": [
            {"op": "null", "name": "data", "inputs": []},
            {"op": "null", "name": "fc0_weight", "inputs": []},
            {"op": "null", "name": "fc0_bias", "inputs": []},
            {
                "op": "FullyConnected",
                "name": "fc0",
                "attrs": layer,
                "inputs": [[0, 0, 0], [1, 0, 0], [2, 0, 0]],
            },
            {"op": "null", "name": "out_label", "inputs": []},
            {"op": output, "name": "out", "inputs": [[3, 0, 0], [4, 0, 0]]},
        ],
        "arg_nodes": [0, 1, 2, 4],
        "node_row_ptr": [0, 1, 2, 3, 4, 5, 6],
        "heads": [[5, 0, 0]],
        "attrs": {"mxnet_version": ["int", 10901]},
    }


def read_model(directory: Path) -> tuple[LinearModel, Settings]:
    """The model of the archive in the directory, and the settings that prediction needs.

    Raises AlgorithmError when there is none or it is not of this layout.
    """
    paths = sorted(directory.glob(f"{MODEL_PREFIX}*"))
    if not paths:
        raise AlgorithmError("The model directory has no file model_algo-1.")
    try:
        with zipfile.ZipFile(paths[0]) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        arrays = decode_arrays(files[PARAMETERS])
        symbol = json.loads(files[SYMBOL])
        additional = json.loads(files.get(ADDITIONAL, b"{}"))
        if not isinstance(arrays, dict):
            raise ValueError("its parameters have no names")
        return _model(arrays, _ops(symbol), additional if isinstance(additional, dict) else {})
    except UNREADABLE_ARCHIVE as error:
        raise AlgorithmError(f"{paths[0].name} is no Linear Learner model: {error}") from error


def _ops(symbol: dict[str, Any]) -> list[str]:
    return [node["op"] for node in symbol["nodes"]]


def _model(
    arrays: dict[str, NDArray[Any]], ops: list[str], additional: dict[str, Any]
) -> tuple[LinearModel, Settings]:
    plain = {
        name.removeprefix("arg:").removeprefix("aux:"): array for name, array in arrays.items()
    }
    weights = np.atleast_2d(plain["fc0_weight"].astype(np.float64))
    bias = plain.get("fc0_bias", np.zeros(weights.shape[0])).astype(np.float64).ravel()
    if bias.shape != (weights.shape[0],):
        raise ValueError("weights and biases do not belong together")
    predictor_type = additional.get("predictor_type") or _guess_type(ops, weights.shape[0])
    loss = additional.get("loss") or _guess_loss(predictor_type, ops)
    settings = Settings(
        predictor_type=predictor_type,
        loss=loss,
        num_classes=weights.shape[0] if predictor_type == MULTICLASS else 1,
        feature_dim=weights.shape[1],
    )
    threshold = None
    if predictor_type == BINARY:
        threshold = _threshold(plain, additional, 0.0 if loss == "hinge_loss" else 0.5)
    return LinearModel(weights, bias, threshold), settings


def _guess_type(ops: list[str], outputs: int) -> str:
    for op in ops:
        if op in _TYPE_OF_OUTPUT:
            return _TYPE_OF_OUTPUT[op]
    if "sigmoid" in ops or "Activation" in ops:
        return BINARY
    return MULTICLASS if outputs > 1 else REGRESSOR


def _guess_loss(predictor_type: str, ops: list[str]) -> str:
    is_margin = predictor_type == BINARY and "SVMOutput" in ops
    return "hinge_loss" if is_margin else DEFAULT_LOSS[predictor_type]


def _threshold(
    arrays: dict[str, NDArray[Any]], additional: dict[str, Any], default: float
) -> float:
    """The stored threshold, by any name it is known under and in either place."""
    for name in _THRESHOLD_NAMES:
        if additional.get(name) is not None:
            return float(additional[name])
        if name in arrays:
            return float(arrays[name].ravel()[0])
    return default
