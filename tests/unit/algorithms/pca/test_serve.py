"""PCA's answers in the forms AWS documents."""

import json
from pathlib import Path

import numpy as np
import pytest

from sagebrush.algorithms.errors import InferenceError
from sagebrush.algorithms.formats.recordio_protobuf_writer import encode_outputs
from sagebrush.algorithms.pca.artifact import Components, write_components
from sagebrush.algorithms.pca.serve import PcaPredictor, load

FOUND = Components(
    np.array([1, 1], np.float32), np.eye(2, dtype=np.float32), np.ones(2, np.float32)
)


@pytest.fixture
def predictor(tmp_path: Path) -> PcaPredictor:
    write_components(tmp_path / "model_algo-1", FOUND)
    return load(tmp_path, {})


def test_json_and_json_lines(predictor: PcaPredictor):
    answer, kind = predictor.invoke(b"2,3\n1,1\n", "text/csv", "application/json")
    assert kind == "application/json"
    assert json.loads(answer) == {
        "projections": [{"projection": [1.0, 2.0]}, {"projection": [0.0, 0.0]}]
    }
    body = b'{"features": [2, 3]}\n{"data": {"features": {"values": [1, 1]}}}\n'
    lines, kind = predictor.invoke(body, "application/jsonlines", "application/jsonlines")
    assert kind == "application/jsonlines"
    assert [json.loads(line) for line in lines.splitlines()] == [
        {"projection": [1.0, 2.0]},
        {"projection": [0.0, 0.0]},
    ]


def test_sparse_instances_and_recordio_answers(predictor: PcaPredictor):
    body = json.dumps(
        {"instances": [{"data": {"features": {"keys": [1], "shape": [2], "values": [3]}}}]}
    ).encode()
    answer, kind = predictor.invoke(body, "application/json", "application/x-recordio-protobuf")
    expected = {"projection": np.array([[-1.0, 2.0]], np.float32)}
    assert (answer, kind) == (encode_outputs(expected), "application/x-recordio-protobuf")


@pytest.mark.parametrize(
    ("body", "accept", "status"),
    [(b"1,2,3", "", 400), (b"1,nan", "", 400), (b"1,2", "text/csv", 406)],
)
def test_what_cannot_be_answered(predictor: PcaPredictor, body: bytes, accept: str, status: int):
    with pytest.raises(InferenceError) as refused:
        predictor.invoke(body, "text/csv", accept)
    assert refused.value.status == status


def test_no_instances_no_projections(predictor: PcaPredictor):
    answer, _ = predictor.invoke(b'{"instances": []}', "application/json", "")
    assert json.loads(answer) == {"projections": []}
