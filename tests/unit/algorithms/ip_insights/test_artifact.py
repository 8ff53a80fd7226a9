"""The model file: what it holds, and what is refused in its place."""

from pathlib import Path

import numpy as np
import pytest
from tests.unit.algorithms.damaged_archive import damaged_archives

from sagebrush.algorithms.errors import AlgorithmError
from sagebrush.algorithms.ip_insights.artifact import read_model, write_model
from sagebrush.algorithms.ip_insights.model import IPInsights


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    IPInsights(10, 4, num_ip_encoder_layers=2).fit(["a", "b"], ["1.2.3.4", "5.6.7.8"]).save(
        tmp_path
    )
    return tmp_path


def test_it_holds_what_was_met_and_no_more(folder: Path):
    with np.load(folder / "model_algo-1", allow_pickle=False) as archive:
        assert archive["entity_vectors"].shape == (2, 4)
        assert archive["prefix_vectors"].shape == (1024 + 2 * 5, 4)
        assert int(archive["num_entity_vectors"]) == 10
        assert archive["layer_1_weight"].shape == (4, 4)


def test_it_is_read_as_it_was_written_whoever_wrote_it(folder: Path):
    stored = read_model(folder)
    (folder / "model_algo-1").unlink()
    write_model(folder / "model_algo-7", stored)
    again = read_model(folder)
    np.testing.assert_array_equal(stored.prefix_keys, again.prefix_keys)
    np.testing.assert_array_equal(stored.entity_vectors, again.entity_vectors)
    assert len(again.layers) == 2


def test_no_model_and_no_such_model_are_refused(folder: Path):
    path = folder / "model_algo-1"
    content = path.read_bytes()
    stored = read_model(folder)
    path.unlink()
    with pytest.raises(AlgorithmError, match="has no file model_algo-1"):
        read_model(folder)
    for damaged in (b"", b"no archive", content[: len(content) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(AlgorithmError, match="model_algo-1 is no IP Insights model"):
            read_model(folder)
    write_model(path, stored)
    with np.load(path) as archive:
        arrays = dict(archive)
    for change in (
        {"format": np.array(2)},
        {"num_entity_vectors": np.array(0)},
        {"entity_vectors": arrays["entity_vectors"][:1]},
        {"entity_vectors": arrays["entity_vectors"][:, :3]},
        {"prefix_keys": arrays["prefix_keys"][:9], "prefix_vectors": arrays["prefix_vectors"][:9]},
    ):
        with path.open("wb") as stream:
            np.savez(stream, **(arrays | change))
        with pytest.raises(AlgorithmError, match="model_algo-1 is no IP Insights model"):
            read_model(folder)


def test_a_damaged_archive_is_refused_or_read_and_nothing_else(folder: Path):
    path = folder / "model_algo-1"
    refused = 0
    for content in damaged_archives(path.read_bytes()):
        path.write_bytes(content)
        try:
            read_model(folder)
        except AlgorithmError:
            refused += 1
    assert refused > 50
