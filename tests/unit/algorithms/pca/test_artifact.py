"""The model file: the layout AWS's image writes, spelt out byte by byte."""

import struct
from pathlib import Path

import numpy as np
import pytest

from sagebrush.algorithms.errors import AlgorithmError
from sagebrush.algorithms.formats.mxnet import encode_arrays
from sagebrush.algorithms.pca.artifact import Components, read_components, write_components
from sagebrush.algorithms.pca.model import PCA

MEAN = np.array([1, 2, 3], np.float32)
VECTORS = np.array([[0, 1], [1, 0], [0, 0]], np.float32)
VALUES = np.array([4, 5], np.float32)


def array(shape: tuple[int, ...], values: np.ndarray) -> bytes:
    head = struct.pack(f"<IiI{len(shape)}q", 0xF993FAC9, 0, len(shape), *shape)
    return head + struct.pack("<iii", 1, 0, 0) + values.tobytes()


# A named NDArray list after MXNet 1.9's ndarray.cc; components lie in columns, the largest last.
BYTES = (
    struct.pack("<QQQ", 0x112, 0, 3)
    + array((1, 3), MEAN)
    + array((3, 2), VECTORS)
    + array((2,), VALUES)
    + struct.pack("<Q", 3)
    + b"".join(struct.pack("<Q", len(name)) + name for name in (b"mean", b"v", b"s"))
)


def test_file_is_an_mxnet_list_of_mean_components_and_values(tmp_path: Path):
    write_components(tmp_path / "model_algo-1", Components(MEAN, VECTORS, VALUES))
    assert (tmp_path / "model_algo-1").read_bytes() == BYTES


def test_a_file_of_aws_projects_whichever_host_wrote_it(tmp_path: Path):
    (tmp_path / "model_algo-2").write_bytes(BYTES)
    model = PCA.load(tmp_path)
    assert model.transform([[2.0, 4.0, 9.0]]).tolist() == [[2.0, 1.0]]
    assert model.num_components == 2


def test_missing_or_foreign_files_are_refused_by_name(tmp_path: Path):
    with pytest.raises(AlgorithmError, match="no file model_algo-1"):
        read_components(tmp_path)
    path = tmp_path / "model_algo-1"
    for content in (
        b"PK\x03\x04 something else",
        encode_arrays([VECTORS]),
        encode_arrays({"v": VECTORS, "mean": MEAN[:2]}),
        encode_arrays({"v": VECTORS, "s": VALUES[:1]}),
    ):
        path.write_bytes(content)
        with pytest.raises(AlgorithmError, match="model_algo-1 is no PCA model"):
            read_components(tmp_path)


def test_a_file_without_a_mean_subtracts_none(tmp_path: Path):
    (tmp_path / "model_algo-1").write_bytes(encode_arrays({"v": VECTORS, "s": VALUES}))
    assert PCA.load(tmp_path).transform([[2.0, 4.0, 9.0]]).tolist() == [[4.0, 2.0]]
