"""Inference requests in every content type."""

import io
import json

import numpy as np
import pytest
from scipy import sparse
from tests.unit.algorithms.lda.corpora import bars

from sagebrush.algorithms.errors import InferenceError
from sagebrush.algorithms.formats.recordio_protobuf_writer import write_dense, write_sparse
from sagebrush.algorithms.lda.artifact import write_model
from sagebrush.algorithms.lda.serve import LDAPredictor, load

DATA = bars(5, 12)
ROWS = DATA.counts.toarray()


@pytest.fixture
def predictor(tmp_path) -> LDAPredictor:
    alpha = np.full(5, 0.2, np.float32)
    write_model(tmp_path / "model_algo-1", alpha, DATA.topics.astype(np.float32))
    return load(tmp_path, {})


def sparse_instances() -> dict:
    tensors = [
        {
            "keys": np.flatnonzero(row).tolist(),
            "shape": [25],
            "values": row[np.flatnonzero(row)].tolist(),
        }
        for row in ROWS
    ]
    return {"instances": [{"data": {"features": tensor}} for tensor in tensors]}


def records(write, rows) -> bytes:
    out = io.BytesIO()
    write(out, rows)
    return out.getvalue()


REQUESTS = {
    "csv": ("text/csv", "\n".join(",".join(map(repr, row)) for row in ROWS.tolist()).encode()),
    "json": (
        "application/json",
        json.dumps({"instances": [{"features": row} for row in ROWS.tolist()]}).encode(),
    ),
    "json-sparse": ("application/json", json.dumps(sparse_instances()).encode()),
    "jsonlines-sparse": (
        "application/jsonlines",
        "\n".join(map(json.dumps, sparse_instances()["instances"])).encode(),
    ),
    "recordio": ("application/x-recordio-protobuf", records(write_dense, ROWS)),
    "recordio-sparse": (
        "application/x-recordio-protobuf",
        records(write_sparse, sparse.csr_matrix(ROWS)),
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_mixtures_have_exact_zeros_in_every_content_type(predictor, name):
    kind, body = REQUESTS[name]
    answer, accept = predictor.invoke(body, kind, "")
    assert accept == "application/json"
    found = np.array([each["topic_mixture"] for each in json.loads(answer)["predictions"]])
    assert found.shape == (12, 5)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-5)
    assert np.abs(found - DATA.mixtures).sum(axis=1).mean() < 0.12
    assert (found == 0).any(axis=1).sum() >= 6


def test_records_carry_the_mixture_as_label(predictor):
    kind, body = REQUESTS["json"]
    answer, _ = predictor.invoke(body, kind, "application/x-recordio-protobuf")
    expected = json.loads(predictor.invoke(body, kind, "")[0])["predictions"]
    assert answer.count(b"topic_mixture") == len(expected) == 12
    for each in expected:
        assert np.array(each["topic_mixture"], "<f4").tobytes() in answer


@pytest.mark.parametrize("values", ["-1", "1e10"])
def test_what_is_no_count_is_a_bad_request(predictor, values):
    with pytest.raises(InferenceError) as raised:
        predictor.invoke(("1," * 24 + values).encode(), "text/csv", "")
    assert raised.value.status == 400
    assert "word count" in raised.value.message


def test_csv_is_not_answered(predictor):
    with pytest.raises(InferenceError) as raised:
        predictor.invoke(REQUESTS["json"][1], "application/json", "text/csv")
    assert raised.value.status == 406
