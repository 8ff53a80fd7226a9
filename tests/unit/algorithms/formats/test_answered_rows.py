"""Answers of PCA and LDA as requests of the next algorithm."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.algorithms.errors import InferenceError
from sagebrush.algorithms.formats.inference import (
    ACCEPTS,
    CSV,
    choose_accept,
    decode_features,
    encode_response,
)

MEDIA = [media for media in ACCEPTS if media != CSV]
RECORDIO = "application/x-recordio-protobuf"


@pytest.mark.parametrize("media", MEDIA)
@pytest.mark.parametrize(
    ("name", "collection"), [("projection", "projections"), ("topic_mixture", "predictions")]
)
@pytest.mark.parametrize("count", [1, 3, 40])
def test_rows_come_back_as_they_went_out(
    media: str, name: str, collection: str, count: int
) -> None:
    rows = np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32)
    body, content_type = encode_response({name: rows}, choose_accept(media), collection=collection)
    decoded = decode_features(body, content_type, 3)
    assert decoded.features.dtype == np.float32
    assert (decoded.features == rows).all()


def test_uids_go_on() -> None:
    strings = [b"\x1a\x01a", b"\x1a\x01b"]
    outputs = {"projection": np.eye(2, dtype=np.float32)}
    body, _ = encode_response(outputs, choose_accept(RECORDIO), passthrough=strings)
    assert decode_features(body, RECORDIO, 2).passthrough == strings


@pytest.mark.parametrize(
    ("content_type", "document"),
    [
        ("application/json", {"predictions": [{"score": 1.0}]}),
        ("application/json", {"projections": [{"score": [1.0]}]}),
        ("application/json", {"projections": 3}),
        ("application/jsonlines", {"score": [1.0, 2.0]}),
        ("application/jsonlines", {"projection": 1.0}),
    ],
)
def test_other_answers_are_no_requests(content_type: str, document: dict[str, object]) -> None:
    with pytest.raises(InferenceError) as caught:
        decode_features(json.dumps(document).encode(), content_type, 2)
    assert caught.value.status == 400


def test_records_of_other_answers_are_no_requests() -> None:
    body, _ = encode_response({"score": np.ones(3, np.float32)}, choose_accept(RECORDIO))
    with pytest.raises(InferenceError, match="no feature tensor"):
        decode_features(body, RECORDIO, 1)


@given(st.binary(max_size=200))
def test_garbage_is_refused(body: bytes) -> None:
    with pytest.raises(InferenceError):
        decode_features(body, RECORDIO, 7)
