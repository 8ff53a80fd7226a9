"""Unmodified programs for boto3 and both generations of the SageMaker Python SDK."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

WAYS = ("proxy", "http", "https")


def test_v2_first_party_estimator_trains_deploys_predicts(run_program: Any) -> None:
    answer = run_program("sdk-v2", "sdk_v2_kmeans.py")
    assert answer["status"] == "Completed"
    assert answer["account"] == "000000000000"
    assert answer["role"].endswith(":role/SageMakerRole")
    assert "#quality_metric: host=algo-1, train msd <loss>=" in answer["stdout"]
    # The data are four clusters of unit variance in five dimensions.
    assert all(distance < 6 for distance in answer["distances"])
    assert len(Counter(answer["clusters"])) > 1


def test_v3_trainer_and_builder_with_xgboost(run_program: Any) -> None:
    answer = run_program("sdk-v3", "sdk_v3_xgboost.py")
    assert answer["status"] == "Completed"
    assert answer["rows"] == 69
    assert answer["accuracy"] > 0.9
    assert set(answer["metrics"]) == {"train:auc", "validation:auc"}
    assert "xgboost-v3-endpoint" in answer["endpoints"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("environment", "program"),
    [
        ("sdk-v2", "boto3_short.py"),
        ("sdk-v2", "sdk_v2_short.py"),
        ("sdk-v3", "sdk_v3_short.py"),
    ],
)
def test_every_way_to_the_server(
    run_program: Any, environment: str, program: str, way: str
) -> None:
    answer = run_program(environment, program, way, WAY=way)
    assert answer["status"] == "Completed"
    assert answer["size"] > 0
