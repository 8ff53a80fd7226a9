"""The archive: AWS's layout out, AWS's archives in."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tests.unit.algorithms.damaged_archive import damaged_archives

from sagebrush.algorithms.errors import AlgorithmError
from sagebrush.algorithms.formats.mxnet import decode_arrays, encode_arrays
from sagebrush.algorithms.linear_learner.artifact import read_model, write_model
from sagebrush.algorithms.linear_learner.linear_model import LinearModel
from sagebrush.algorithms.linear_learner.settings import (
    BINARY,
    MULTICLASS,
    REGRESSOR,
    Settings,
)

MODELS = {
    BINARY: LinearModel(np.array([[0.5, -2.0]]), np.array([0.25]), 0.375),
    MULTICLASS: LinearModel(np.arange(6.0).reshape(3, 2), np.arange(3.0)),
    REGRESSOR: LinearModel(np.array([[4.0, 8.0]]), np.array([-1.0])),
}


def settings_of(kind: str, **options) -> Settings:
    classes = 3 if kind == MULTICLASS else 1
    return Settings(predictor_type=kind, num_classes=classes, **options)


@pytest.mark.parametrize("kind", MODELS)
def test_what_is_written_is_read(kind: str, tmp_path: Path):
    write_model(tmp_path / "model_algo-1", MODELS[kind], settings_of(kind))
    model, settings = read_model(tmp_path)
    assert np.array_equal(model.weights, MODELS[kind].weights)
    assert np.array_equal(model.bias, MODELS[kind].bias)
    assert model.threshold == MODELS[kind].threshold
    assert (settings.predictor_type, settings.outputs) == (kind, len(model.bias))


def test_archive_has_the_members_that_users_unzip(tmp_path: Path):
    write_model(tmp_path / "model_algo-1", MODELS[MULTICLASS], settings_of(MULTICLASS))
    with zipfile.ZipFile(tmp_path / "model_algo-1") as archive:
        assert archive.namelist() == [
            "additional-params.json",
            "manifest.json",
            "mx-mod-symbol.json",
            "mx-mod-0000.params",
        ]
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
        arrays = decode_arrays(archive.read("mx-mod-0000.params"))
        symbol = json.loads(archive.read("mx-mod-symbol.json"))
    assert arrays["arg:fc0_weight"].shape == (3, 2)
    assert arrays["arg:fc0_bias"].shape == (3,)
    nodes = {node["name"]: node for node in symbol["nodes"]}
    assert nodes["out"]["op"] == "SoftmaxOutput"
    assert nodes["fc0"]["attrs"] == {"num_hidden": "3"}
    # Every input of the graph is an argument, and every edge leads to an earlier node.
    names = [node["name"] for node in symbol["nodes"]]
    assert [names[i] for i in symbol["arg_nodes"]] == [
        "data",
        "fc0_weight",
        "fc0_bias",
        "out_label",
    ]
    assert all(edge[0] < i for i, node in enumerate(symbol["nodes"]) for edge in node["inputs"])


def test_equal_models_are_equal_files(tmp_path: Path):
    for name in ("model_algo-1", "model_algo-2"):
        write_model(tmp_path / name, MODELS[BINARY], settings_of(BINARY))
    assert (tmp_path / "model_algo-1").read_bytes() == (tmp_path / "model_algo-2").read_bytes()


def write_foreign(path: Path, output: str, additional: dict | None, **arrays: np.ndarray) -> None:
    """An archive as another program writes it: a graph, arrays, maybe extra parameters."""
    nodes = [{"op": op, "name": op, "inputs": []} for op in ("null", "FullyConnected", output)]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mx-mod-symbol.json", json.dumps({"nodes": nodes}))
        named = {f"arg:{name}": array for name, array in arrays.items()}
        archive.writestr("mx-mod-0000.params", encode_arrays(named))
        if additional is not None:
            archive.writestr("additional-params.json", json.dumps(additional))


@pytest.mark.parametrize(
    ("output", "rows", "kind"),
    [
        ("LogisticRegressionOutput", 1, BINARY),
        ("LinearRegressionOutput", 1, REGRESSOR),
        ("SoftmaxOutput", 4, MULTICLASS),
    ],
)
def test_a_foreign_archive_is_understood_from_its_graph(
    output: str, rows: int, kind: str, tmp_path: Path
):
    weights = np.ones((rows, 2), np.float32)
    write_foreign(
        tmp_path / "model_algo-1",
        output,
        {"unknown": 1},
        fc0_weight=weights,
        fc0_bias=weights[:, 0],
    )
    model, settings = read_model(tmp_path)
    assert settings.predictor_type == kind
    assert settings.outputs == rows
    assert model.threshold == (0.5 if kind == BINARY else None)


@pytest.mark.parametrize("as_array", [False, True])
def test_a_foreign_threshold_is_found(as_array: bool, tmp_path: Path):
    weights = np.ones((1, 2), np.float32)
    arrays = {"fc0_weight": weights}
    if as_array:
        arrays["out_threshold"] = np.array([0.25], np.float32)
    additional = {} if as_array else {"threshold": 0.25}
    write_foreign(tmp_path / "model_algo-1", "LogisticRegressionOutput", additional, **arrays)
    model, _ = read_model(tmp_path)
    assert model.threshold == 0.25
    assert model.bias.tolist() == [0.0]


def test_missing_or_foreign_files_are_refused_by_name(tmp_path: Path):
    with pytest.raises(AlgorithmError, match="no file model_algo-1"):
        read_model(tmp_path)
    (tmp_path / "model_algo-1").write_bytes(b"not a zip")
    with pytest.raises(AlgorithmError, match="model_algo-1 is no Linear Learner model"):
        read_model(tmp_path)
    with zipfile.ZipFile(tmp_path / "model_algo-1", "w") as archive:
        archive.writestr("something", "else")
    with pytest.raises(AlgorithmError, match=r"mx-mod-0000\.params"):
        read_model(tmp_path)


def test_a_damaged_archive_is_refused_or_read_and_nothing_else(tmp_path: Path):
    path = tmp_path / "model_algo-1"
    write_model(path, MODELS[BINARY], settings_of(BINARY))
    refused = 0
    for content in damaged_archives(path.read_bytes()):
        path.write_bytes(content)
        try:
            read_model(tmp_path)
        except AlgorithmError:
            refused += 1
    assert refused > 50
