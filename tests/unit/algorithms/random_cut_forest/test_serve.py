"""Random Cut Forest's answers in the forms AWS documents."""

import json
from pathlib import Path

import numpy as np
import pytest

from sagebrush.algorithms.errors import InferenceError
from sagebrush.algorithms.formats.recordio_protobuf_writer import encode_outputs
from sagebrush.algorithms.random_cut_forest.model import RandomCutForest
from sagebrush.algorithms.random_cut_forest.serve import RandomCutForestPredictor, load


@pytest.fixture
def predictor(tmp_path: Path) -> RandomCutForestPredictor:
    """Trees of one row each, all (1, 0): that row scores 0.5, any other 1."""
    RandomCutForest(num_trees=2).fit([[1.0, 0.0], [1.0, 0.0]]).save(tmp_path)
    return load(tmp_path, {})


def test_scores_in_json_json_lines_and_csv(predictor):
    body = b"1,0\n4,5\n"
    answer, kind = predictor.invoke(body, "text/csv", "application/json")
    assert (kind, json.loads(answer)) == (
        "application/json",
        {"scores": [{"score": 0.5}, {"score": 1.0}]},
    )
    lines, kind = predictor.invoke(body, "text/csv;label_size=0", "application/jsonlines")
    assert (lines, kind) == (b'{"score": 0.5}\n{"score": 1.0}\n', "application/jsonlines")
    assert predictor.invoke(body, "text/csv", "text/csv")[0] == b"0.5\n1.0"


def test_recordio_has_the_score_in_the_label(predictor):
    answer, kind = predictor.invoke(b"4,5", "text/csv", "application/x-recordio-protobuf")
    expected = encode_outputs({"score": np.ones(1, np.float32)})
    assert (answer, kind) == (expected, "application/x-recordio-protobuf")


def test_sparse_instances(predictor):
    sparse = {"data": {"features": {"keys": [0], "shape": [2], "values": [1.0]}}}
    body = json.dumps({"instances": [sparse, {"features": [1.0, 0.0]}]}).encode()
    answer = json.loads(predictor.invoke(body, "application/json", "")[0])
    assert answer == {"scores": [{"score": 0.5}, {"score": 0.5}]}
    assert json.loads(predictor.invoke(b'{"instances": []}', "application/json", "")[0]) == {
        "scores": []
    }


@pytest.mark.parametrize("body", [b"1,2,3", b"1,nan", b"1,inf", b"1e39,0", b"a,b", b""])
def test_rows_that_cannot_be_scored_are_refused(predictor, body):
    with pytest.raises(InferenceError) as refused:
        predictor.invoke(body, "text/csv", "")
    assert refused.value.status == 400
