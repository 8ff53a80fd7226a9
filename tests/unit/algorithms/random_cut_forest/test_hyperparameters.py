"""Random Cut Forest's hyperparameters beside the documented table."""

import pytest

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.random_cut_forest.hyperparameters import SCHEMA


def test_the_documented_defaults():
    parsed = SCHEMA.parse({"feature_dim": "8"})
    assert parsed == {
        "feature_dim": 8,
        "num_trees": 100,
        "num_samples_per_tree": 256,
        "eval_metrics": ["accuracy", "precision_recall_fscore"],
        "mini_batch_size": 1000,
        "epochs": 1,
        "force_dense": True,
    }


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("feature_dim", ("1", "10000"), ("0", "10001", "2.5", "x")),
        ("num_trees", ("50", "1000"), ("49", "1001", "auto")),
        ("num_samples_per_tree", ("1", "2048"), ("0", "2049")),
        ("mini_batch_size", ("1000",), ("999", "1001")),
        (
            "eval_metrics",
            ('["accuracy"]', '["precision_recall_fscore"]'),
            ('["f1"]', "[]", "accuracy", '{"accuracy": 1}'),
        ),
    ],
)
def test_the_documented_ranges(name, good, bad):
    for text in good:
        SCHEMA.parse({"feature_dim": "8"} | {name: text})
    for text in bad:
        with pytest.raises(ClientError, match=name):
            SCHEMA.parse({"feature_dim": "8"} | {name: text})


def test_what_a_tuning_job_may_vary():
    ranges = {
        each["Name"]: each["Range"]["IntegerParameterRangeSpecification"]
        for each in SCHEMA.describe()
        if each["IsTunable"]
    }
    assert ranges == {
        "num_trees": {"MinValue": "50", "MaxValue": "1000"},
        "num_samples_per_tree": {"MinValue": "1", "MaxValue": "2048"},
    }
