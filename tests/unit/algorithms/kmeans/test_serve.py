"""K-Means' answers in the forms AWS documents."""

import json
from pathlib import Path

import numpy as np
import pytest

from sagebrush.algorithms.errors import InferenceError
from sagebrush.algorithms.formats.recordio_protobuf_writer import encode_outputs
from sagebrush.algorithms.kmeans.artifact import write_centers
from sagebrush.algorithms.kmeans.serve import KMeansPredictor, load

CENTERS = np.array([[0.0, 0.0], [3.0, 4.0]], np.float32)


@pytest.fixture
def predictor(tmp_path: Path) -> KMeansPredictor:
    write_centers(tmp_path / "model_algo-1", CENTERS)
    return load(tmp_path, {})


def test_json_lines_and_csv(predictor: KMeansPredictor):
    body = b"3,4\n0,3\n"
    answer, kind = predictor.invoke(body, "text/csv", "application/json")
    assert kind == "application/json"
    assert json.loads(answer) == {
        "predictions": [
            {"closest_cluster": 1.0, "distance_to_cluster": 0.0},
            {"closest_cluster": 0.0, "distance_to_cluster": 3.0},
        ]
    }
    assert b'"closest_cluster": 1.0' in answer
    assert predictor.invoke(body, "text/csv", "text/csv")[0] == b"1.0,0.0\n0.0,3.0"
    lines = predictor.invoke(body, "text/csv;label_size=0", "application/jsonlines")[0]
    assert json.loads(lines.splitlines()[1]) == {
        "closest_cluster": 0.0,
        "distance_to_cluster": 3.0,
    }


def test_recordio_labels_bear_the_same_names(predictor: KMeansPredictor):
    answer, kind = predictor.invoke(b"0,3", "text/csv", "application/x-recordio-protobuf")
    expected = {
        "closest_cluster": np.zeros(1, np.float32),
        "distance_to_cluster": np.full(1, 3.0, np.float32),
    }
    assert (answer, kind) == (encode_outputs(expected), "application/x-recordio-protobuf")


def test_rows_of_another_width_are_refused(predictor: KMeansPredictor):
    with pytest.raises(InferenceError) as refused:
        predictor.invoke(b"1,2,3", "text/csv", "")
    assert refused.value.status == 400


def test_features_that_are_no_numbers_are_refused(predictor: KMeansPredictor):
    with pytest.raises(InferenceError) as refused:
        predictor.invoke(b"1,nan", "text/csv", "")
    assert refused.value.status == 400
