"""The answers of k nearest neighbours in the forms AWS documents."""

import json
from pathlib import Path

import numpy as np
import pytest

from sagebrush.algorithms.errors import InferenceError
from sagebrush.algorithms.formats.recordio_protobuf_writer import encode_outputs
from sagebrush.algorithms.knn.model import KNN
from sagebrush.algorithms.knn.serve import KnnPredictor, load

ROWS = np.array([[0, 0], [1, 0], [0, 2], [9, 9]], np.float32)
LABELS = np.array([0, 2, 2, 1], np.float32)


@pytest.fixture
def predictor(tmp_path: Path) -> KnnPredictor:
    KNN(3).fit(ROWS, LABELS).save(tmp_path)
    return load(tmp_path, {"SM_NUM_CPUS": "1"})


def test_json_and_json_lines(predictor: KnnPredictor):
    answer, kind = predictor.invoke(b"0,0\n9,9\n", "text/csv", "application/json")
    assert kind == "application/json"
    assert answer == b'{"predictions": [{"predicted_label": 2.0}, {"predicted_label": 2.0}]}'
    body = b'{"features": [0, 0]}\n{"data": {"features": {"values": [9, 9]}}}\n'
    lines, kind = predictor.invoke(body, "application/jsonlines", "application/jsonlines")
    assert kind == "application/jsonlines"
    assert lines == b'{"predicted_label": 2.0}\n{"predicted_label": 2.0}\n'


def test_verbose_answers_add_distances_ascending_and_labels(predictor: KnnPredictor):
    answer, _ = predictor.invoke(b"0,0", "text/csv", "application/json; verbose=true")
    expected = {"predicted_label": 2.0, "distances": [0.0, 1.0, 4.0], "labels": [0.0, 2.0, 2.0]}
    assert json.loads(answer) == {"predictions": [expected]}
    lines, _ = predictor.invoke(b"0,0", "text/csv", "application/jsonlines;verbose=True")
    assert json.loads(lines) == expected
    plain, _ = predictor.invoke(b"0,0", "text/csv", "application/json; verbose=false")
    assert json.loads(plain) == {"predictions": [{"predicted_label": 2.0}]}


def test_recordio_answers_bear_the_same_names(predictor: KnnPredictor):
    accept = "application/x-recordio-protobuf"
    answer, kind = predictor.invoke(b"0,0", "text/csv", accept)
    expected = {"predicted_label": np.array([2], np.float32)}
    assert (answer, kind) == (encode_outputs(expected), accept)
    answer, kind = predictor.invoke(b"0,0", "text/csv", f"{accept}; verbose=true")
    expected |= {
        "distances": np.array([[0, 1, 4]], np.float32),
        "labels": np.array([[0, 2, 2]], np.float32),
    }
    assert (answer, kind) == (encode_outputs(expected), accept)


@pytest.mark.parametrize(
    ("body", "accept", "status"),
    [(b"1,2,3", "", 400), (b"1,nan", "", 400), (b"1e38,-1e38", "", 400), (b"1,2", "text/csv", 406)],
)
def test_what_cannot_be_answered(predictor: KnnPredictor, body: bytes, accept: str, status: int):
    with pytest.raises(InferenceError) as refused:
        predictor.invoke(body, "text/csv", accept)
    assert refused.value.status == status


def test_no_instances_no_predictions(predictor: KnnPredictor):
    for accept in ("", "application/json;verbose=true"):
        answer, _ = predictor.invoke(b'{"instances": []}', "application/json", accept)
        assert json.loads(answer) == {"predictions": []}
