"""Documented requests and responses."""

import io
import json

import numpy as np
import pytest
from scipy import sparse
from tests.unit.algorithms.formats import record_oracle

from sagebrush.algorithms.errors import InferenceError
from sagebrush.algorithms.factorization_machines.machine import Machine
from sagebrush.algorithms.factorization_machines.model import FactorizationMachine
from sagebrush.algorithms.factorization_machines.serve import FactorizationMachinePredictor
from sagebrush.algorithms.factorization_machines.settings import Settings
from sagebrush.algorithms.formats.recordio_protobuf_writer import write_dense, write_sparse

ROWS = np.array([[1, 0, 2], [0, 0, 0], [0, 3, 1]], np.float32)
FACTORS = np.array([[1, 0], [0.5, -1], [0.25, 2]], np.float32)
LINEAR = np.array([0.5, -1, 0.125], np.float32)
# By hand: 0.1 + 0.5 + 0.25 + 2 * 0.25; 0.1; 0.1 - 3 + 0.125 + 3 (0.125 - 2)
RAW = np.array([1.35, 0.1, -8.4])

JSON, LINES = "application/json", "application/jsonlines"
RECORDS = "application/x-recordio-protobuf"


def predictor(kind: str = "regressor") -> FactorizationMachinePredictor:
    model = FactorizationMachine(2, kind)
    binary = kind == "binary_classifier"
    model.machine_ = Machine(3, None, FACTORS, LINEAR, 0.1, binary)
    model._settings = Settings(3, 2, kind)
    return FactorizationMachinePredictor(model)


def sparse_instance(row: np.ndarray) -> dict:
    keys = np.flatnonzero(row)
    tensor = {"keys": keys.tolist(), "shape": [3], "values": row[keys].tolist()}
    return {"data": {"features": tensor}}


FORMS = {
    "features": lambda row: {"features": row.tolist()},
    "dense": lambda row: {"data": {"features": {"values": row.tolist()}}},
    "data": lambda row: {"data": row.tolist()},
    "sparse": sparse_instance,
}


@pytest.mark.parametrize("form", FORMS)
def test_json_and_lines_in_every_documented_form(form):
    instances = [FORMS[form](row) for row in ROWS]
    body = json.dumps({"instances": instances}).encode()
    answer, kind = predictor().invoke(body, JSON, JSON)
    assert kind == JSON
    found = json.loads(answer)["predictions"]
    assert [set(each) for each in found] == [{"score"}] * 3
    np.testing.assert_allclose([each["score"] for each in found], RAW, rtol=1e-6)
    lines = "\n".join(map(json.dumps, instances)).encode()
    answer, kind = predictor().invoke(lines, LINES, LINES)
    assert kind == LINES
    found = [json.loads(line)["score"] for line in answer.splitlines()]
    np.testing.assert_allclose(found, RAW, rtol=1e-6)


def test_sparse_and_dense_instances_may_be_mixed():
    instances = [FORMS["features"](ROWS[0]), sparse_instance(ROWS[1]), FORMS["dense"](ROWS[2])]
    body = json.dumps({"instances": instances}).encode()
    found = json.loads(predictor().invoke(body, JSON, "")[0])["predictions"]
    np.testing.assert_allclose([each["score"] for each in found], RAW, rtol=1e-6)


def test_a_classifier_answers_with_probability_and_label():
    body = json.dumps({"instances": [{"features": row.tolist()} for row in ROWS]}).encode()
    found = json.loads(predictor("binary_classifier").invoke(body, JSON, JSON)[0])["predictions"]
    np.testing.assert_allclose([each["score"] for each in found], 1 / (1 + np.exp(-RAW)), rtol=1e-5)
    labels = [each["predicted_label"] for each in found]
    assert labels == [1, 1, 0]
    assert all(isinstance(label, int) for label in labels)


@pytest.mark.parametrize("write", [write_dense, write_sparse])
def test_records_in_and_out(write):
    body = io.BytesIO()
    write(body, sparse.csr_matrix(ROWS) if write is write_sparse else ROWS)
    answer, kind = predictor("binary_classifier").invoke(body.getvalue(), RECORDS, RECORDS)
    expected = []
    for score, label in zip(1 / (1 + np.exp(-RAW)), [1.0, 1.0, 0.0], strict=True):
        record = record_oracle.Record()
        record.label["score"].float32_tensor.values.append(score)
        record.label["predicted_label"].float32_tensor.values.append(label)
        expected.append(record)
    found = []
    for start in range(0, len(answer), len(answer) // 3):
        length = int.from_bytes(answer[start + 4 : start + 8], "little")
        found.append(record_oracle.Record.FromString(answer[start + 8 : start + 8 + length]))
    assert kind == RECORDS
    for ours, theirs in zip(found, expected, strict=True):
        assert set(ours.label) == {"score", "predicted_label"}
        for name in ours.label:
            one, other = (each.label[name].float32_tensor.values for each in (ours, theirs))
            np.testing.assert_allclose(one, other, rtol=1e-5)
        assert not ours.features


def test_the_records_names_come_back():
    record = record_oracle.dense(ROWS[0], uid="first", metadata="{}")
    answer, _ = predictor().invoke(record_oracle.stream(record), RECORDS, RECORDS)
    length = int.from_bytes(answer[4:8], "little")
    found = record_oracle.Record.FromString(answer[8 : 8 + length])
    assert (found.uid, found.metadata) == ("first", "{}")
    assert set(found.label) == {"score"}


def test_csv_is_not_a_format_of_this_algorithm():
    with pytest.raises(InferenceError) as raised:
        predictor().invoke(b"1,0,2\n", "text/csv", JSON)
    assert raised.value.status == 415
    with pytest.raises(InferenceError) as raised:
        predictor().invoke(b'{"instances": []}', JSON, "text/csv")
    assert raised.value.status == 406


def test_bad_requests_say_what_is_wrong():
    def refused(body: dict) -> str:
        with pytest.raises(InferenceError) as raised:
            predictor().invoke(json.dumps(body).encode(), JSON, JSON)
        assert raised.value.status == 400
        return raised.value.message

    assert "the model expects 3" in refused({"instances": [{"features": [1, 2]}]})
    assert "not finite" in refused({"instances": [{"features": [1, 2, 1e39]}]})
    assert "too large" in refused({"instances": [{"features": [1e38, 1e38, 1e38]}]})
    bad = {"data": {"features": {"keys": [3], "shape": [3], "values": [1]}}}
    assert "keys must lie between 0 and 2" in refused({"instances": [bad]})


def test_no_instances_have_no_predictions():
    assert json.loads(predictor().invoke(b'{"instances": []}', JSON, JSON)[0]) == {
        "predictions": []
    }
