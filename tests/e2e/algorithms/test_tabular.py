"""LightGBM and CatBoost: model ids through the SDK v2, plain repositories through boto3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

PROGRAMS = Path(__file__).parent / "programs"


def test_the_developer_guides_notebook_for_a_model_id(run_program: Any) -> None:
    found = run_program(
        "sdk-v2",
        str(PROGRAMS / "sdk_v2_model_id.py"),
        MODEL_ID="lightgbm-classification-model",
        ROUNDS="num_boost_round",
        CHANNEL="train",
        DATASET="tabular_multiclass",
    )
    assert found["status"] == "Completed"
    assert "/lightgbm:" in found["image"]
    assert found["script"].startswith("s3://jumpstart-cache-prod-")
    assert "multi_logloss" in found["metrics"]
    probabilities = np.array(found["plain"]["probabilities"])
    assert probabilities.shape == (100, 4)
    assert np.mean(probabilities.argmax(axis=1) == found["truth"]) > 0.55
    verbose = found["verbose"]
    assert verbose["labels"] == [0, 1, 2, 3]
    assert verbose["predicted_label"] == probabilities.argmax(axis=1).tolist()


def test_a_model_id_alone(run_program: Any) -> None:
    found = run_program(
        "sdk-v2",
        str(PROGRAMS / "sdk_v2_jumpstart_estimator.py"),
        MODEL_ID="catboost-regression-model",
        ROUNDS="iterations",
        CHANNEL="training",
    )
    assert found["status"] == "Completed"
    higher, lower = found["answer"]["prediction"]
    assert higher > 0.4
    assert lower < -0.4


@pytest.mark.parametrize("algorithm", ["lightgbm", "catboost"])
def test_the_plain_repository(run_program: Any, algorithm: str) -> None:
    found = run_program("sdk-v2", str(PROGRAMS / "tabular_boto3.py"), ALGORITHM=algorithm)
    assert found["status"] == "Completed"
    assert found["accuracy"] > 0.9
    assert found["labels"] == [0, 1]
    assert found["hosts"] == (2 if algorithm == "lightgbm" else 1)
    assert "No data was found" in found["refusal"]


@pytest.mark.parametrize("algorithm", ["lightgbm", "catboost"])
def test_a_stopped_job_leaves_a_model_that_serves(run_program: Any, algorithm: str) -> None:
    found = run_program("sdk-v2", str(PROGRAMS / "tabular_stop_boto3.py"), ALGORITHM=algorithm)
    assert found["status"] == "Stopped"
    assert found["secondary"][-3:] == ["Stopping", "Uploading", "Stopped"]
    predicted, truth = np.array(found["predicted"]), np.array(found["truth"])
    assert np.mean((predicted - truth) ** 2) < 0.8 * np.var(truth)
    for refusal, parameter in (
        ("script", "sagemaker_program"),
        ("folder", "sagemaker_submit_directory"),
    ):
        assert found[refusal]["Code"] == "ValidationException"
        assert f"Script mode (hyperparameter {parameter})" in found[refusal]["Message"]
    assert found["jobs"] == [f"{algorithm}-stopped"]
