"""The model file: the safetensors format, mapped, and refused when it is not whole."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagebrush.algorithms.errors import AlgorithmError
from sagebrush.algorithms.random_cut_forest.artifact import read_forest, write_forest
from sagebrush.algorithms.random_cut_forest.forest import Forest, grow_forest

ROWS = np.random.default_rng(0).normal(size=(120, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def forest() -> Forest:
    rows = ROWS.copy()
    rows[::4] = rows[0]
    return grow_forest(rows, 6, seed=1)


@pytest.fixture
def path(forest: Forest, tmp_path: Path) -> Path:
    write_forest(tmp_path / "model_algo-1", forest)
    return tmp_path / "model_algo-1"


def test_a_forest_comes_back_as_it_was_and_is_mapped(forest, path):
    found = read_forest(path.parent)
    for name in ("nodes", "boxes", "leaves", "masses", "node_starts", "leaf_starts", "tree_masses"):
        array = getattr(found, name)
        np.testing.assert_array_equal(array, getattr(forest, name))
        base = array
        while isinstance(base.base, np.ndarray):
            base = base.base
        assert isinstance(base, np.memmap), name
    assert (found.feature_dim, found.scale) == (3, 1.0)
    np.testing.assert_array_equal(found.score(ROWS), forest.score(ROWS))


def test_the_scale_of_huge_values_is_kept(tmp_path):
    huge = grow_forest(ROWS * np.float32(3e37), 6, seed=1)
    write_forest(tmp_path / "model_algo-1", huge)
    found = read_forest(tmp_path)
    assert found.scale == huge.scale < 1
    np.testing.assert_array_equal(found.score(ROWS), huge.score(ROWS))


def test_the_file_is_laid_out_as_safetensors_says(forest, path):
    """Header length, JSON header, then the arrays without a gap, each at its offsets."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    assert content[8:9] == b"{"
    data = content[8 + length :]
    header.pop("__metadata__")
    sizes = {"F32": 4, "I32": 4, "I64": 8}
    end = 0
    for entry in header.values():
        first, last = entry["data_offsets"]
        assert first == end
        assert last - first == sizes[entry["dtype"]] * int(np.prod(entry["shape"]))
        end = last
    assert end == len(data)
    first, last = header["boxes"]["data_offsets"]
    boxes = np.frombuffer(data[first:last], np.float32).reshape(header["boxes"]["shape"])
    np.testing.assert_array_equal(boxes, forest.boxes)


def test_a_missing_file_and_one_that_is_something_else(tmp_path):
    with pytest.raises(AlgorithmError, match="no file model_algo-1"):
        read_forest(tmp_path)
    for content in (b"", b"PK\x03\x04", b"\xff" * 100, struct.pack("<Q", 4) + b"null"):
        (tmp_path / "model_algo-1").write_bytes(content)
        with pytest.raises(AlgorithmError, match="no Random Cut Forest model"):
            read_forest(tmp_path)


def test_a_file_that_is_cut_off(path):
    content = path.read_bytes()
    for size in (4, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(AlgorithmError, match="no Random Cut Forest model"):
            read_forest(path.parent)


@pytest.mark.parametrize(
    ("field", "value"), [("left", 0), ("right", 10**6), ("right", -(10**6)), ("dimension", 3)]
)
def test_nodes_that_lead_out_of_the_arrays(forest, tmp_path, field, value):
    nodes = forest.nodes.copy()
    nodes[field][4] = value
    broken = Forest(**{**vars(forest), "nodes": nodes})
    write_forest(tmp_path / "model_algo-1", broken)
    with pytest.raises(AlgorithmError, match=r"child lies outside|dimension"):
        read_forest(tmp_path)


@settings(max_examples=150, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_a_damaged_byte_is_refused_or_harmless(forest, tmp_path_factory, place, byte):
    folder = tmp_path_factory.mktemp("model")
    write_forest(folder / "model_algo-1", forest)
    content = bytearray((folder / "model_algo-1").read_bytes())
    content[int(place * len(content))] = byte
    (folder / "model_algo-1").write_bytes(content)
    try:
        found = read_forest(folder)
    except AlgorithmError:
        return
    assert found.score(np.ones((20, found.feature_dim), np.float32)).shape == (20,)
