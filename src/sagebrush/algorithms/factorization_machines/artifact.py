"""The model file of Factorization Machines: an archive that MXNet's Module can load.

``model_algo-1`` is a zip of three stored files: ``symbol.json``, the graph that computes scores;
``params``, an NDArray list with ``arg:v`` (d, k), ``arg:w1_weight`` (d, 1) and ``arg:w0_weight``
(1,), row-sparse where most features never occurred; and ``meta.json`` with the hyperparameters
under ``training_parameters``. Archives that AWS's image wrote load too: after training on sparse
data they hold these arrays, after dense training ``arg:v`` (k, d), ``arg:Linear_Plus_Bias_weight``
(1, d) and ``arg:Linear_Plus_Bias_bias`` (1,).
"""

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.errors import AlgorithmError
from sagebrush.algorithms.factorization_machines.machine import Machine
from sagebrush.algorithms.factorization_machines.settings import BINARY, REGRESSOR, Settings
from sagebrush.algorithms.formats.archive import UNREADABLE_ARCHIVE
from sagebrush.algorithms.formats.mxnet import RowSparse, Stored, decode_stored, write_arrays

MODEL_PREFIX = "model_"
SYMBOL, PARAMETERS, META = "symbol.json", "params", "meta.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed time of day, so that equal models are equal files
_LOGISTIC = "LogisticRegressionOutput"
# Row-sparse files carry eight bytes more for each row and spare all that are absent.
_SPARSE_BELOW = 0.5


def write_model(path: Path, machine: Machine, settings: Settings) -> None:
    """Write the model to the file."""
    meta = {"training_parameters": dataclasses.asdict(settings), "format_version": "1.0"}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(META, _EPOCH), json.dumps(meta))
        symbol = _symbol(settings.feature_dim, settings.num_factors, machine.is_binary)
        archive.writestr(zipfile.ZipInfo(SYMBOL, _EPOCH), json.dumps(symbol, indent=2))
        with archive.open(zipfile.ZipInfo(PARAMETERS, _EPOCH), "w", force_zip64=True) as stream:
            write_arrays(cast("BinaryIO", stream), _arrays(machine))


def _arrays(machine: Machine) -> dict[str, Stored]:
    linear, factors = machine.linear[:, None], machine.factors
    bias = np.array([machine.bias], np.float32)
    features = machine.features
    if features is None or len(features) > _SPARSE_BELOW * machine.feature_dim:
        linear, factors = machine.all_linear()[:, None], machine.all_factors()
        return {"arg:w0_weight": bias, "arg:w1_weight": linear, "arg:v": factors}
    rows, width = features.astype(np.int64), machine.feature_dim
    return {
        "arg:w0_weight": bias,
        "arg:w1_weight": RowSparse(rows, linear, (width, 1)),
        "arg:v": RowSparse(rows, factors, (width, factors.shape[1])),
    }


def _symbol(feature_dim: int, num_factors: int, is_binary: bool) -> dict[str, Any]:
    """MXNet's graph of w0 + data w1 + sum((data v)^2 - data^2 v^2) / 2."""
    nodes: list[dict[str, Any]] = []

    def add(op: str, name: str, *inputs: int, **attributes: str) -> int:
        node: dict[str, Any] = {"op": op, "name": name}
        if attributes:
            node["attrs"] = attributes
        nodes.append(node | {"inputs": [[each, 0, 0] for each in inputs]})
        return len(nodes) - 1

    data = add("null", "data")
    linear = add("null", "w1_weight", __shape__=str((feature_dim, 1)))
    bias = add("null", "w0_weight", __shape__="(1,)")
    factors = add("null", "v", __shape__=str((feature_dim, num_factors)))
    straight = add("broadcast_add", "linear", add("dot", "w1", data, linear), bias)
    sums = add("square", "sums", add("dot", "data_v", data, factors))
    squares = add("dot", "squares", add("square", "data_2", data), add("square", "v_2", factors))
    pairs = add("elemwise_sub", "pairs", sums, squares)
    total = add("sum", "pairs_total", pairs, axis="1", keepdims="True")
    score = add("elemwise_add", "score", straight, add("_mul_scalar", "half", total, scalar="0.5"))
    label = add("null", "out_label")
    output = _LOGISTIC if is_binary else "LinearRegressionOutput"
    head = add(output, "out", score, label)
    return {
        "nodes": nodes,
        "arg_nodes": [index for index, node in enumerate(nodes) if node["op"] == "null"],
        "node_row_ptr": list(range(len(nodes) + 1)),
        "heads": [[head, 0, 0]],
        "attrs": {"mxnet_version": ["int", 10901]},
    }


def read_model(directory: Path) -> tuple[Machine, Settings]:
    """The machine of the archive in the directory and the settings it was trained with.

    Of an archive of AWS's only shape and type are known for certain. Raises AlgorithmError when
    there is none or it is not of this layout.
    """
    paths = sorted(directory.glob(f"{MODEL_PREFIX}*"))
    if not paths:
        raise AlgorithmError("The model directory has no file model_algo-1.")
    try:
        with zipfile.ZipFile(paths[0]) as archive:
            names = archive.namelist()
            arrays = decode_stored(archive.read(PARAMETERS))
            symbol = json.loads(archive.read(SYMBOL))
            meta = json.loads(archive.read(META)) if META in names else {}
        if not isinstance(arrays, dict):
            raise ValueError("its parameters have no names")
        return _machine(arrays, symbol, meta)
    except (*UNREADABLE_ARCHIVE, TypeError) as error:
        raise AlgorithmError(
            f"{paths[0].name} is no Factorization Machines model: {error}"
        ) from error


def _machine(
    arrays: dict[str, Stored], symbol: dict[str, Any], meta: dict[str, Any]
) -> tuple[Machine, Settings]:
    stored = {name.partition(":")[2]: value for name, value in arrays.items()}
    is_binary = any(node["op"] == _LOGISTIC for node in symbol["nodes"])
    if "Linear_Plus_Bias_weight" in stored:
        linear = _dense(stored["Linear_Plus_Bias_weight"]).ravel()
        bias = _bias(stored.get("Linear_Plus_Bias_bias"))
        factors = _dense(stored["v"]).T
        features, width = None, factors.shape[0]
    else:
        features, factors, linear, width = _by_feature(stored["v"], stored.get("w1_weight"))
        bias = _bias(stored.get("w0_weight"))
    if len(linear) != len(factors):
        raise ValueError(f"{len(linear)} linear weights for {len(factors)} factor vectors")
    machine = Machine(width, features, _contiguous(factors), _contiguous(linear), bias, is_binary)
    return machine, _settings(machine, meta)


def _by_feature(
    factors: Stored, linear: Stored | None
) -> tuple[NDArray[np.int32] | None, NDArray[Any], NDArray[Any], int]:
    """The features that have parameters, their factors and linear weights, and feature_dim."""
    if isinstance(factors, RowSparse):
        rows = factors.rows
        if isinstance(linear, RowSparse) and np.array_equal(rows, linear.rows):
            weights = linear.values[:, 0]
            return rows.astype(np.int32), factors.values, weights, factors.shape[0]
    dense = _dense(factors)
    weights = np.zeros(len(dense), np.float32) if linear is None else _dense(linear).ravel()
    return None, dense, weights, len(dense)


def _settings(machine: Machine, meta: dict[str, Any]) -> Settings:
    """The settings in the archive as far as they are ours; what prediction needs in any case."""
    names = {field.name for field in dataclasses.fields(Settings)}
    given = meta.get("training_parameters", {}) if "format_version" in meta else {}
    known = {name: value for name, value in given.items() if name in names}
    known["feature_dim"] = machine.feature_dim
    known["num_factors"] = machine.factors.shape[1]
    known["predictor_type"] = BINARY if machine.is_binary else REGRESSOR
    return Settings(**known)


def _dense(value: Stored) -> NDArray[Any]:
    array = value.toarray() if isinstance(value, RowSparse) else value
    if array.ndim not in (1, 2):
        raise ValueError(f"an array of {array.ndim} dimensions among its parameters")
    return array


def _bias(value: Stored | None) -> float:
    return 0.0 if value is None else float(_dense(value).ravel()[0])


def _contiguous(array: NDArray[Any]) -> NDArray[np.float32]:
    return np.ascontiguousarray(array, np.float32)
