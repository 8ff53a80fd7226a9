"""The reader against xgboost's own writer and against hand-made documents of the specification."""

import contextlib
import json

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.algorithms.xgboost import ubjson


def plain(value):
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    return [plain(member) for member in value] if isinstance(value, list) else value


def rounded(value):
    """Numbers as float32, since JSON text does not say how wide its numbers are."""
    if isinstance(value, dict):
        return {key: rounded(member) for key, member in value.items()}
    if isinstance(value, list):
        return [rounded(member) for member in value]
    return value if isinstance(value, str) or value is None else float(np.float32(value))


@pytest.fixture(scope="module")
def booster() -> xgboost.Booster:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(80, 4))
    return xgboost.train(
        {"max_depth": 3, "booster": "dart", "nthread": 1},
        xgboost.DMatrix(features, label=features[:, 0], feature_names=list("abcd")),
        3,
    )


def test_a_model_reads_the_same_from_ubjson_and_json(booster: xgboost.Booster):
    from_json = json.loads(bytes(booster.save_raw("json")))
    from_ubjson = plain(ubjson.decode(bytes(booster.save_raw("ubj"))))
    assert rounded(from_ubjson) == rounded(from_json)


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        (b"Z", None),
        (b"T", True),
        (b"F", False),
        (b"i\xff", -1),
        (b"U\xff", 255),
        (b"I\x01\x00", 256),
        (b"l\x00\x00\x00\x02", 2),
        (b"L" + bytes(7) + b"\x03", 3),
        (b"d\x3f\x80\x00\x00", 1.0),
        (b"D\x3f\xf0" + bytes(6), 1.0),
        (b"Si\x02hi", "hi"),
        (b"Cx", "x"),
        (b"[i\x01i\x02]", [1, 2]),
        (b"[#i\x02TF", [True, False]),
        (b"{i\x01ai\x05i\x01bZ}", {"a": 5, "b": None}),
    ],
)
def test_each_marker_of_the_specification(encoded: bytes, value: object):
    assert ubjson.decode(encoded) == value


def test_typed_arrays_are_big_endian():
    assert ubjson.decode(b"[$I#i\x02\x00\x01\x01\x00").tolist() == [1, 256]


def test_a_member_is_cut_out_as_a_document(booster: xgboost.Booster):
    model = bytes(booster.save_raw("ubj"))
    wrapped = b"{L" + (6).to_bytes(8, "big") + b"ConfigZL" + (5).to_bytes(8, "big") + b"Model"
    assert ubjson.member_bytes(wrapped + model + b"}", "Model") == model
    assert ubjson.member_bytes(wrapped + model + b"}", "Other") is None


@given(st.binary(max_size=60), st.integers(0, 400))
def test_broken_documents_raise_value_error(noise: bytes, cut: int):
    model = b"{L" + bytes(7) + b"\x01a[$d#L" + bytes(7) + b"\x02" + bytes(8) + b"}"
    for data in (noise, model[:cut] + noise):
        with contextlib.suppress(ValueError):
            ubjson.decode(data)
