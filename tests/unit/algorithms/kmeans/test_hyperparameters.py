"""K-Means' hyperparameters: AWS's documented defaults and ranges."""

import pytest

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.kmeans.hyperparameters import SCHEMA

REQUIRED = {"k": "8", "feature_dim": "3"}


def test_defaults_are_the_documented_ones():
    assert SCHEMA.parse(REQUIRED) == {
        "k": 8,
        "feature_dim": 3,
        "mini_batch_size": 5000,
        "epochs": 1,
        "init_method": "random",
        "extra_center_factor": "auto",
        "half_life_time_size": 0,
        "local_lloyd_init_method": "kmeans++",
        "local_lloyd_max_iter": 300,
        "local_lloyd_num_trials": "auto",
        "local_lloyd_tol": 0.0001,
        "eval_metrics": ["msd"],
        "force_dense": True,
    }


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("extra_center_factor", "4", 4),
        ("eval_metrics", '["msd", "ssd"]', ["msd", "ssd"]),
        ("local_lloyd_tol", "0", 0.0),
        ("force_dense", "True", True),
        ("init_method", "kmeans++", "kmeans++"),
    ],
)
def test_values_are_read(name: str, text: str, value: object):
    assert SCHEMA.parse(REQUIRED | {name: text})[name] == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("k", "0"),
        ("feature_dim", "auto"),
        ("mini_batch_size", "0"),
        ("epochs", "0.5"),
        ("init_method", "forgy"),
        ("extra_center_factor", "0"),
        ("half_life_time_size", "-1"),
        ("local_lloyd_max_iter", "0"),
        ("local_lloyd_tol", "1.1"),
        ("eval_metrics", '["mae"]'),
        ("eval_metrics", "[]"),
        ("eval_metrics", "msd"),
        ("no_such_name", "1"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(name: str, text: str):
    with pytest.raises(ClientError, match=name):
        SCHEMA.parse(REQUIRED | {name: text})


@pytest.mark.parametrize("name", ["k", "feature_dim"])
def test_required_names_are_named(name: str):
    given = {other: text for other, text in REQUIRED.items() if other != name}
    with pytest.raises(ClientError, match=name):
        SCHEMA.parse(given)
