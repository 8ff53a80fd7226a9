"""Unmodified programs of both generations of the SageMaker Python SDK."""

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
    assert answer["endpoints"] == ["xgboost-v3-endpoint"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("generation", ["v2", "v3"])
def test_every_way_to_the_server(run_program: Any, generation: str, way: str) -> None:
    program = f"sdk_{generation}_short.py"
    answer = run_program(f"sdk-{generation}", program, way, WAY=way)
    assert answer["status"] == "Completed"
    assert answer["size"] > 0
