"""Hyperparameters that do not go together, by the developer guide's table."""

import pytest

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.knn.hyperparameters import SCHEMA

GIVEN = {"feature_dim": "20", "k": "5", "sample_size": "1000", "predictor_type": "classifier"}


def test_defaults_are_the_documented_ones():
    values = SCHEMA.parse(GIVEN)
    assert values["index_type"] == "faiss.Flat"
    assert values["index_metric"] == "L2"
    assert values["faiss_index_ivf_nlists"] == "auto"
    assert values["mini_batch_size"] == 5000
    assert values["_faiss_index_nprobe"] == 5
    assert values["dimension_reduction_type"] is None


def test_what_tuning_may_vary_is_the_documented_range():
    ranges = {each["Name"]: each["Range"] for each in SCHEMA.describe() if each["IsTunable"]}
    assert ranges == {
        "k": {"IntegerParameterRangeSpecification": {"MinValue": "1", "MaxValue": "1024"}},
        "sample_size": {
            "IntegerParameterRangeSpecification": {"MinValue": "256", "MaxValue": "20000000"}
        },
    }


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"dimension_reduction_type": "sign"}, "dimension_reduction_target"),
        ({"dimension_reduction_target": "5"}, "dimension_reduction_type"),
        (
            {"dimension_reduction_type": "fjlt", "dimension_reduction_target": "20"},
            "dimension_reduction_target",
        ),
        (
            {"dimension_reduction_type": "fjlt", "dimension_reduction_target": "0"},
            "dimension_reduction_target",
        ),
        ({"dimension_reduction_type": "pca"}, "dimension_reduction_type"),
        ({"index_type": "faiss.IVFPQ"}, "faiss_index_pq_m"),
        ({"index_type": "faiss.IVFPQ", "faiss_index_pq_m": "5"}, "faiss_index_pq_m"),
        ({"faiss_index_pq_m": "4"}, "faiss_index_pq_m"),
        (
            {"index_type": "faiss.IVFPQ", "faiss_index_pq_m": "4", "index_metric": "COSINE"},
            "index_metric",
        ),
        ({"index_type": "Flat"}, "index_type"),
        ({"index_metric": "L1"}, "index_metric"),
        ({"faiss_index_ivf_nlists": "0"}, "faiss_index_ivf_nlists"),
        ({"sample_size": "4"}, "sample_size"),
        ({"k": "0"}, "k"),
        ({"predictor_type": "binary_classifier"}, "predictor_type"),
        ({"mini_batch_size": "0"}, "mini_batch_size"),
    ],
)
def test_wrong_ones_are_refused_by_name(changes: dict[str, str], name: str):
    with pytest.raises(ClientError, match=f"'{name}'"):
        SCHEMA.parse(GIVEN | changes)


def test_what_goes_together_is_accepted():
    values = SCHEMA.parse(
        GIVEN
        | {
            "feature_dim": "auto",
            "index_type": "faiss.IVFPQ",
            "faiss_index_pq_m": "12",
            "faiss_index_ivf_nlists": "30",
            "dimension_reduction_type": "sign",
            "dimension_reduction_target": "19",
        }
    )
    assert (values["faiss_index_pq_m"], values["faiss_index_ivf_nlists"]) == (12, 30)
