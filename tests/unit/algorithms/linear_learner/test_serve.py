"""Linear Learner's answers in the forms AWS documents."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagebrush.algorithms.errors import InferenceError
from sagebrush.algorithms.formats.recordio_protobuf_writer import encode_outputs
from sagebrush.algorithms.linear_learner.artifact import write_model
from sagebrush.algorithms.linear_learner.linear_model import LinearModel
from sagebrush.algorithms.linear_learner.model import LinearLearner
from sagebrush.algorithms.linear_learner.serve import LinearPredictor, load
from sagebrush.algorithms.linear_learner.settings import Settings


def predictor_of(folder: Path, model: LinearModel, **settings) -> LinearPredictor:
    write_model(folder / "model_algo-1", model, Settings(**settings))
    return load(folder, {})


def answer(predictor: LinearPredictor, body: bytes = b"1,2\n0,0\n") -> list[dict]:
    return json.loads(predictor.invoke(body, "text/csv", "")[0])["predictions"]


def test_binary_scores_are_probabilities_and_labels_whole_numbers(tmp_path: Path):
    model = LinearModel(np.array([[1.0, 0.5]]), np.array([-1.0]), 0.6)
    predictor = predictor_of(tmp_path, model)
    first, second = answer(predictor)
    assert first == {"score": pytest.approx(1 / (1 + np.exp(-1))), "predicted_label": 1}
    assert second == {"score": pytest.approx(1 / (1 + np.exp(1))), "predicted_label": 0}
    assert b'"predicted_label": 1}' in predictor.invoke(b"1,2", "text/csv", "")[0]


def test_hinge_scores_are_margins(tmp_path: Path):
    model = LinearModel(np.array([[1.0, 0.5]]), np.array([-1.0]), -2.0)
    first, second = answer(predictor_of(tmp_path, model, loss="hinge_loss"))
    assert first == {"score": 1.0, "predicted_label": 1}
    assert second == {"score": -1.0, "predicted_label": 1}


def test_multiclass_scores_are_a_list_of_probabilities(tmp_path: Path):
    model = LinearModel(np.array([[1.0, 0], [0, 1.0], [0, 0]]), np.zeros(3))
    options = {"predictor_type": "multiclass_classifier", "num_classes": 3}
    (first, _) = answer(predictor_of(tmp_path, model, **options))
    expected = np.exp([1.0, 2.0, 0.0])
    assert first["score"] == pytest.approx((expected / expected.sum()).tolist())
    assert first["predicted_label"] == 1


def test_regression_answers_scores_only(tmp_path: Path):
    model = LinearModel(np.array([[2.0, 3.0]]), np.array([0.5]))
    predictor = predictor_of(tmp_path, model, predictor_type="regressor")
    assert answer(predictor) == [{"score": 8.5}, {"score": 0.5}]
    lines, kind = predictor.invoke(b"1,2", "text/csv", "application/jsonlines")
    assert (json.loads(lines), kind) == ({"score": 8.5}, "application/jsonlines")
    records, kind = predictor.invoke(b"1,2", "text/csv", "application/x-recordio-protobuf")
    assert records == encode_outputs({"score": np.array([8.5], np.float32)})


def test_sparse_instances_are_read(tmp_path: Path):
    model = LinearModel(np.array([[2.0, 3.0]]), np.array([0.5]))
    predictor = predictor_of(tmp_path, model, predictor_type="regressor")
    row = {"data": {"features": {"keys": [1], "shape": [2], "values": [4.0]}}}
    body = json.dumps({"instances": [row]}).encode()
    found = json.loads(predictor.invoke(body, "application/json", "application/json")[0])
    assert found == {"predictions": [{"score": 12.5}]}


def test_rows_of_another_width_are_refused(tmp_path: Path):
    model = LinearModel(np.array([[2.0, 3.0]]), np.array([0.5]))
    with pytest.raises(InferenceError) as refused:
        predictor_of(tmp_path, model, predictor_type="regressor").invoke(b"1", "text/csv", "")
    assert refused.value.status == 400


def test_features_that_are_no_numbers_are_refused(tmp_path: Path):
    with pytest.raises(InferenceError) as refused:
        predictor_of(tmp_path, LinearModel(np.ones((1, 2)), np.zeros(1), 0.5)).invoke(
            b"nan,1", "text/csv", ""
        )
    assert refused.value.status == 400


KINDS = [
    Settings(),
    Settings(loss="hinge_loss"),
    Settings(predictor_type="regressor"),
    Settings(predictor_type="multiclass_classifier", num_classes=3),
]
TYPES = ["text/csv", "application/json", "application/jsonlines"]


def outcome(predictor: LinearPredictor, *request) -> tuple:
    try:
        return predictor.invoke(*request)
    except InferenceError as error:
        return (error.status, error.message)


def random_predictor(chosen: Settings, width: int, seed: int, scale: float) -> LinearPredictor:
    random = np.random.default_rng(seed)
    learner = LinearLearner(chosen.predictor_type)
    learner.settings = chosen
    weights = scale * random.normal(size=(chosen.outputs, width))
    learner.model_ = LinearModel(weights, random.normal(size=chosen.outputs), 0.4)
    return LinearPredictor(learner)


@given(
    st.sampled_from(KINDS),
    st.lists(st.floats(-1e3, 1e3) | st.sampled_from([0, -7, 1e300, 1e39]), min_size=1, max_size=40),
    st.integers(0, 2**32),
    st.sampled_from([1.0, 1e-3, 1e37]),
    st.sampled_from([*TYPES, "text/csv; label_size=1", "text/plain"]),
    st.sampled_from(["", *TYPES, "application/x-recordio-protobuf", "text/html"]),
)
@settings(max_examples=400, deadline=None)
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_a_row_alone_is_answered_as_the_general_way_would(
    chosen, row, seed, scale, content_type, accept
):
    predictor = random_predictor(chosen, len(row), seed, scale)
    body = ",".join(map(repr, row)).encode()
    if "json" in content_type:
        document = row if content_type.endswith("lines") else {"instances": [row]}
        body = json.dumps(document).encode()
    found = outcome(predictor, body, content_type, accept)
    predictor._has_one_score = False
    assert outcome(predictor, body, content_type, accept) == found


def test_a_row_alone_has_the_score_it_has_among_others():
    random = np.random.default_rng(1)
    predictor = random_predictor(Settings(), 30, 2, 1.0)
    rows = [",".join(map(repr, row)).encode() for row in random.normal(size=(200, 30)).tolist()]
    together = answer(predictor, b"\n".join(rows))
    for row, expected in zip(rows, together, strict=True):
        (found,) = answer(predictor, row)
        assert found["score"] == pytest.approx(expected["score"], rel=1e-6)
        assert found["predicted_label"] == expected["predicted_label"]
