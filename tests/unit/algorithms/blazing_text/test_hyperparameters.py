"""Documented defaults, ranges and tuning ranges."""

import pytest

from sagebrush.algorithms.blazing_text.hyperparameters import SCHEMA
from sagebrush.algorithms.errors import ClientError


def test_defaults_are_the_documented_ones():
    found = SCHEMA.parse({"mode": "cbow"})
    assert found == {
        "mode": "cbow", "batch_size": 11, "buckets": 2_000_000, "epochs": 5, "evaluation": True,
        "learning_rate": 0.05, "min_char": 3, "min_count": 5, "max_char": 6,
        "negative_samples": 5, "sampling_threshold": 0.0001, "subwords": False, "vector_dim": 100,
        "window_size": 5, "early_stopping": False, "patience": 4, "min_epochs": 5, "word_ngrams": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("mode", "glove"), ("epochs", "0"), ("learning_rate", "0"),
        ("min_count", "-1"), ("min_count", "2147483648"),
        ("vector_dim", "0"), ("buckets", "0"), ("batch_size", "0"), ("evaluation", "maybe"),
        ("min_char", "0"), ("max_char", "0"), ("negative_samples", "0"),
        ("sampling_threshold", "0"), ("sampling_threshold", "1.5"), ("subwords", "2"),
        ("window_size", "0"), ("early_stopping", ""), ("patience", "0"), ("min_epochs", "0"),
        ("word_ngrams", "0"), ("epochs", "1.5"), ("buckets", "4000000000"),
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused_by_name(name, wrong):
    with pytest.raises(ClientError, match=name):
        SCHEMA.parse({"mode": "cbow", name: wrong})


def test_what_can_be_tuned_and_in_which_range():
    found = {
        each["Name"]: next(iter(each["Range"].values()))
        for each in SCHEMA.describe()
        if each["IsTunable"]
    }
    modes = found.pop("mode")["Values"]
    assert modes == ["batch_skipgram", "skipgram", "cbow", "supervised"]
    bounds = {
        name: (float(each["MinValue"]), float(each["MaxValue"])) for name, each in found.items()
    }
    assert bounds == {
        "batch_size": (8, 32), "epochs": (5, 15), "learning_rate": (0.005, 0.01),
        "min_count": (0, 100), "negative_samples": (5, 25), "sampling_threshold": (1e-4, 1e-3),
        "vector_dim": (32, 300), "window_size": (1, 10), "buckets": (1e6, 1e7),
        "word_ngrams": (1, 3),
    }  # fmt: skip
