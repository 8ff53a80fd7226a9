"""Factorization Machines through `sagemaker.FactorizationMachines` and by the image's URI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture(scope="module")
def answer(run_program: Any) -> dict[str, Any]:
    found: dict[str, Any] = run_program("sdk-v2", str(PROGRAMS / "factorization_machines_v2.py"))
    return found


def test_a_regressor_of_dense_record_sets_comes_close_to_the_noise(answer: dict[str, Any]) -> None:
    found = answer["regressor"]
    assert found["outputs"] == ["score"]
    # The noise of the ratings is 0.2.
    assert found["rmse"] < 0.23
    assert found["metrics"]["test:rmse"] == pytest.approx(found["rmse"], rel=1e-4)
    assert {"train:rmse", "train:rmse:epoch", "test:mse", "test:absolute_loss"} <= set(
        found["metrics"]
    )


def test_the_embeddings_are_in_the_artifact(answer: dict[str, Any]) -> None:
    assert answer["regressor"]["files"] == ["meta.json", "params", "symbol.json"]
    assert answer["regressor"]["arrays"] == ["v", "w1_weight", "w0_weight"]


def test_a_classifier_of_sparse_records_from_a_pipe(answer: dict[str, Any]) -> None:
    found = answer["classifier"]
    assert found["outputs"] == ["predicted_label", "score"]
    assert found["consistent"]
    assert found["accuracy"] > 0.93
    accuracy = found["metrics"]["test:binary_classification_accuracy"]
    assert accuracy == pytest.approx(found["accuracy"], abs=0.05)
    assert {"test:binary_f_beta", "test:binary_classification_cross_entropy"} <= set(
        found["metrics"]
    )


def test_the_sdk_and_the_algorithm_agree_on_hyperparameters(answer: dict[str, Any]) -> None:
    assert "predictor_type" in answer["refused"]


def test_two_instances_by_image_and_sparse_json_lines(run_program: Any) -> None:
    found = run_program("sdk-v2", str(PROGRAMS / "factorization_machines_boto3.py"))
    assert found["status"] == "Completed", found["reason"]
    # Of a hundred thousand features twenty occurred.
    assert found["size"] < 20_000
    assert found["answers"] == 1000
    assert found["accuracy"] > 0.99
