"""The documented hyperparameters and ranges, as the developer guide's tables have them."""

import pytest

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.ip_insights.hyperparameters import SCHEMA

REQUIRED = {"num_entity_vectors": "20000", "vector_dim": "128"}


def test_defaults_are_the_documented_ones():
    assert SCHEMA.parse(REQUIRED) == {
        "num_entity_vectors": 20000,
        "vector_dim": 128,
        "batch_metrics_publish_interval": 1000,
        "epochs": 10,
        "learning_rate": 0.001,
        "mini_batch_size": 10_000,
        "num_ip_encoder_layers": 1,
        "random_negative_sampling_rate": 1,
        "shuffled_negative_sampling_rate": 1,
        "weight_decay": 0.00001,
        "feature_dim": None,
    }


@pytest.mark.parametrize(
    ("name", "low", "high", "outside"),
    [
        ("num_entity_vectors", "1", "250000000", ("0", "250000001", "1.5")),
        ("vector_dim", "4", "4096", ("3", "4097")),
        ("batch_metrics_publish_interval", "1", "99999", ("0",)),
        ("epochs", "1", "100000", ("0", "auto")),
        ("learning_rate", "0.000001", "10", ("0.0000009", "10.1", "nan")),
        ("mini_batch_size", "1", "500000", ("0", "500001")),
        ("num_ip_encoder_layers", "0", "100", ("-1", "101")),
        ("random_negative_sampling_rate", "0", "499", ("-1", "501")),
        ("shuffled_negative_sampling_rate", "0", "499", ("-1", "501")),
        ("weight_decay", "0", "10", ("-0.1", "10.5")),
    ],
)
def test_ranges_are_the_documented_ones(name, low, high, outside):
    for text in (low, high):
        assert SCHEMA.parse(REQUIRED | {name: text})[name] == float(text)
    for text in outside:
        with pytest.raises(ClientError, match=name):
            SCHEMA.parse(REQUIRED | {name: text})


@pytest.mark.parametrize("rates", [("0", "0"), ("500", "1"), ("251", "250")])
def test_one_to_500_pairs_are_generated_for_each(rates):
    names = ("random_negative_sampling_rate", "shuffled_negative_sampling_rate")
    with pytest.raises(ClientError, match=" and ".join(f"'{name}'" for name in names)):
        SCHEMA.parse(REQUIRED | dict(zip(names, rates, strict=True)))
    SCHEMA.parse(REQUIRED | dict(zip(names, ("500", "0"), strict=True)))


def test_the_number_of_columns_that_the_sdk_sends_is_accepted():
    assert SCHEMA.parse(REQUIRED | {"feature_dim": "2"})["feature_dim"] == 2
    assert "feature_dim" not in [each["Name"] for each in SCHEMA.describe()]
    with pytest.raises(ClientError, match="feature_dim"):
        SCHEMA.parse(REQUIRED | {"feature_dim": "3"})


def test_tunable_ranges_are_the_documented_ones():
    described = {each["Name"]: each for each in SCHEMA.describe()}
    assert not described["batch_metrics_publish_interval"]["IsTunable"]
    found = {
        name: next(iter(each["Range"].values()))
        for name, each in described.items()
        if each["IsTunable"]
    }
    assert {name: (each["MinValue"], each["MaxValue"]) for name, each in found.items()} == {
        "epochs": ("1", "100"),
        "learning_rate": ("0.0001", "0.1"),
        "mini_batch_size": ("100", "50000"),
        "num_entity_vectors": ("10000", "1000000"),
        "num_ip_encoder_layers": ("1", "10"),
        "random_negative_sampling_rate": ("0", "10"),
        "shuffled_negative_sampling_rate": ("0", "10"),
        "vector_dim": ("8", "256"),
        "weight_decay": ("0", "1"),
    }
