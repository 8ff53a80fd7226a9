"""The model file: the layout AWS's image writes, spelt out byte by byte."""

import struct
from pathlib import Path

import numpy as np
import pytest

from sagebrush.algorithms.errors import AlgorithmError
from sagebrush.algorithms.kmeans.artifact import read_centers, write_centers
from sagebrush.algorithms.kmeans.model import KMeans

CENTERS = np.arange(6, dtype=np.float32).reshape(2, 3)
# An NDArray list with one unnamed 2 x 3 float32 array, after MXNet 1.9's ndarray.cc.
BYTES = (
    struct.pack("<QQQ", 0x112, 0, 1)
    + struct.pack("<IiIqqiii", 0xF993FAC9, 0, 2, 2, 3, 1, 0, 0)
    + CENTERS.tobytes()
    + struct.pack("<Q", 0)
)


def test_file_is_an_mxnet_list_with_one_matrix(tmp_path: Path):
    write_centers(tmp_path / "model_algo-1", CENTERS)
    assert (tmp_path / "model_algo-1").read_bytes() == BYTES


def test_a_file_of_aws_loads_whichever_host_wrote_it(tmp_path: Path):
    (tmp_path / "model_algo-2").write_bytes(BYTES)
    assert np.array_equal(read_centers(tmp_path), CENTERS)
    model = KMeans.load(tmp_path)
    assert model.k == 2
    assert model.predict([[3.0, 4.0, 5.1]]).tolist() == [1]


def test_estimator_saves_what_it_loads(tmp_path: Path):
    rows = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    model = KMeans(4).fit(rows)
    model.save(tmp_path)
    assert np.array_equal(KMeans.load(tmp_path).assign(rows)[1], model.assign(rows)[1])


def test_missing_or_foreign_files_are_refused_by_name(tmp_path: Path):
    with pytest.raises(AlgorithmError, match="no file model_algo-1"):
        read_centers(tmp_path)
    (tmp_path / "model_algo-1").write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(AlgorithmError, match="model_algo-1 is no K-Means model"):
        read_centers(tmp_path)
