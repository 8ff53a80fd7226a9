"""The archive: ours, and what is known of AWS's."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tests.unit.algorithms.damaged_archive import damaged_archives

from sagebrush.algorithms.errors import AlgorithmError
from sagebrush.algorithms.factorization_machines.artifact import read_model, write_model
from sagebrush.algorithms.factorization_machines.machine import Machine
from sagebrush.algorithms.factorization_machines.settings import Settings
from sagebrush.algorithms.formats.mxnet import (
    RowSparse,
    decode_arrays,
    decode_stored,
    encode_arrays,
)

FACTORS = np.array([[1, 2], [3, 4], [5, 6], [7, 8]], np.float32)
LINEAR = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
ROWS = np.array([[1, 0, 2, 0], [0, 3, 0, 1]], np.float32)


def machine_of(features: list[int] | None = None, feature_dim: int = 4) -> Machine:
    chosen = None if features is None else np.array(features, np.int32)
    return Machine(feature_dim, chosen, FACTORS, LINEAR, 0.5, True)


def archive_of(path: Path, arrays: dict, output: str, meta: dict | None = None) -> None:
    nodes = [{"op": "null", "name": "data"}, {"op": output, "name": "out"}]
    with zipfile.ZipFile(path / "model_algo-1", "w") as archive:
        archive.writestr("symbol.json", json.dumps({"nodes": nodes}))
        archive.writestr("params", encode_arrays(arrays))
        if meta is not None:
            archive.writestr("meta.json", json.dumps(meta))


def test_embeddings_are_read_as_public_notebooks_do(tmp_path: Path):
    path = tmp_path / "model_algo-1"
    write_model(path, machine_of(), Settings(4, 2, "binary_classifier"))
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == ["meta.json", "params", "symbol.json"]
        arrays = decode_arrays(archive.read("params"))
        meta = json.loads(archive.read("meta.json"))
    np.testing.assert_array_equal(arrays["arg:v"], FACTORS)
    np.testing.assert_array_equal(arrays["arg:w1_weight"], LINEAR[:, None])
    np.testing.assert_array_equal(arrays["arg:w0_weight"], [0.5])
    assert meta["training_parameters"]["feature_dim"] == 4


@pytest.mark.parametrize("features", [None, [2, 5, 6, 90]])
def test_a_model_comes_back(tmp_path: Path, features):
    width = 4 if features is None else 100
    machine = machine_of(features, width)
    settings = Settings(width, 2, "binary_classifier", epochs=3, linear_lr=0.5)
    write_model(tmp_path / "model_algo-1", machine, settings)
    found, found_settings = read_model(tmp_path)
    assert found_settings == settings
    # What was stored for a few features is not spread over all of them.
    assert found.factors.shape == (4, 2)
    rows = np.random.default_rng(0).normal(size=(5, width))
    np.testing.assert_array_equal(found.raw_scores(rows), machine.raw_scores(rows))
    np.testing.assert_array_equal(found.all_factors(), machine.all_factors())


def test_a_few_of_many_features_are_stored_row_sparse(tmp_path: Path):
    path = tmp_path / "model_algo-1"
    write_model(path, machine_of([1, 2, 3, 9_000_000], 10_000_000), Settings(10_000_000, 2))
    with zipfile.ZipFile(path) as archive:
        stored = decode_stored(archive.read("params"))
    assert isinstance(stored["arg:v"], RowSparse)
    assert stored["arg:v"].shape == (10_000_000, 2)
    assert path.stat().st_size < 10_000


def test_equal_models_are_equal_files(tmp_path: Path):
    for name in ("a", "b"):
        write_model(tmp_path / name, machine_of(), Settings(4, 2))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_graph_holds_every_array_and_the_label(tmp_path: Path):
    write_model(tmp_path / "model_algo-1", machine_of(), Settings(4, 2, "binary_classifier"))
    with zipfile.ZipFile(tmp_path / "model_algo-1") as archive:
        symbol = json.loads(archive.read("symbol.json"))
    named = [symbol["nodes"][index]["name"] for index in symbol["arg_nodes"]]
    assert sorted(named) == ["data", "out_label", "v", "w0_weight", "w1_weight"]
    assert symbol["nodes"][symbol["heads"][0][0]]["op"] == "LogisticRegressionOutput"
    for index, node in enumerate(symbol["nodes"]):
        assert all(source < index for source, _, _ in node["inputs"])


def expected_scores() -> np.ndarray:
    pairs = (ROWS @ FACTORS) ** 2 - ROWS**2 @ FACTORS**2
    return 0.5 + ROWS @ LINEAR + pairs.sum(axis=1) / 2


@pytest.mark.parametrize(
    ("output", "binary"), [("LogisticRegressionOutput", True), ("LinearRegressionOutput", False)]
)
def test_an_archive_of_aws_after_sparse_training(tmp_path: Path, output, binary):
    """The names and shapes that public notebooks read; kept row-sparse in training."""
    every = np.arange(4)
    arrays = {
        "arg:v": RowSparse(every, FACTORS, (4, 2)),
        "arg:w1_weight": RowSparse(every, LINEAR[:, None], (4, 1)),
        "arg:w0_weight": np.array([0.5], np.float32),
    }
    meta = {"training_parameters": {"feature_dim": "4", "num_factors": "2", "_kvstore": "auto"}}
    archive_of(tmp_path, arrays, output, meta)
    machine, settings = read_model(tmp_path)
    assert machine.is_binary == settings.is_binary == binary
    np.testing.assert_allclose(machine.raw_scores(ROWS), expected_scores(), rtol=1e-6)


def test_an_archive_of_aws_after_dense_training(tmp_path: Path):
    arrays = {
        "arg:v": FACTORS.T.copy(),
        "arg:Linear_Plus_Bias_weight": LINEAR[None],
        "arg:Linear_Plus_Bias_bias": np.array([0.5], np.float32),
    }
    archive_of(tmp_path, arrays, "LinearRegressionOutput")
    machine, settings = read_model(tmp_path)
    assert (settings.feature_dim, settings.num_factors) == (4, 2)
    np.testing.assert_allclose(machine.raw_scores(ROWS), expected_scores(), rtol=1e-6)


def test_sparse_factors_beside_dense_weights(tmp_path: Path):
    arrays = {
        "arg:v": RowSparse(np.array([1, 3]), FACTORS[[1, 3]], (4, 2)),
        "arg:w1_weight": LINEAR[:, None],
    }
    archive_of(tmp_path, arrays, "LinearRegressionOutput")
    machine, _ = read_model(tmp_path)
    assert machine.raw_scores(ROWS[:1])[0] == pytest.approx(0.1 + 0.6)
    assert machine.raw_scores(ROWS[1:])[0] == pytest.approx(0.6 + 0.4 + 3 * (3 * 7 + 4 * 8))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"arg:w0_weight": np.zeros(1, np.float32)}, "'v'"),
        ({"arg:v": FACTORS, "arg:w1_weight": LINEAR[:3, None]}, "3 linear weights for 4"),
        ({"arg:v": FACTORS[None], "arg:w1_weight": LINEAR[:, None]}, "3 dimensions"),
        ([FACTORS], "no names"),
    ],
)
def test_other_archives_are_refused(tmp_path: Path, arrays, message):
    archive_of(tmp_path, arrays, "LinearRegressionOutput")
    with pytest.raises(AlgorithmError, match=message):
        read_model(tmp_path)


def test_no_archive_is_refused(tmp_path: Path):
    with pytest.raises(AlgorithmError, match="no file model_algo-1"):
        read_model(tmp_path)
    (tmp_path / "model_algo-1").write_bytes(io.BytesIO(b"no zip").getvalue())
    with pytest.raises(AlgorithmError, match="no Factorization Machines model"):
        read_model(tmp_path)


def test_a_damaged_archive_is_refused_or_read_and_nothing_else(tmp_path: Path):
    path = tmp_path / "model_algo-1"
    write_model(path, machine_of(), Settings(4, 2, "binary_classifier"))
    refused = 0
    for content in damaged_archives(path.read_bytes()):
        path.write_bytes(content)
        try:
            read_model(tmp_path)
        except AlgorithmError:
            refused += 1
    assert refused > 50
