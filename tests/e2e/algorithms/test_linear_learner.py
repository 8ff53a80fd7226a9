"""Linear Learner through `sagemaker.LinearLearner` of the SDK v2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parent / "programs" / "linear_learner_v2.py"


@pytest.fixture(scope="module")
def answer(run_program: Any) -> dict[str, Any]:
    found: dict[str, Any] = run_program("sdk-v2", str(PROGRAM))
    return found


def test_a_regressor_explains_what_is_linear(answer: dict[str, Any]) -> None:
    found = answer["regressor"]
    assert found["outputs"] == ["score"]
    assert found["r2"] > 0.99
    assert {"train:objective_loss", "validation:mse", "test:mse"} <= set(found["metrics"])


def test_a_binary_classifier_keeps_the_recall_that_was_asked_for(answer: dict[str, Any]) -> None:
    found = answer["binary"]
    assert found["outputs"] == ["predicted_label", "score"]
    # The threshold is set for a recall of 0.9 on the validation channel.
    assert found["recall"] == pytest.approx(0.9, abs=0.1)
    assert found["precision"] > 0.7
    low, high = found["probabilities"]
    assert 0 <= low < 0.05
    assert 0.95 < high <= 1
    assert {"validation:precision", "validation:recall"} <= set(found["metrics"])
    assert "test:binary_f_beta" in found["metrics"]


def test_an_attached_job_answers_as_before(answer: dict[str, Any]) -> None:
    assert answer["attached"] == {"predictor_type": "binary_classifier", "same": True}


def test_a_multiclass_classifier_tells_a_probability_for_each_class(answer: dict[str, Any]) -> None:
    found = answer["multiclass"]
    assert found["outputs"] == ["predicted_label", "score"]
    assert found["classes"] == 3
    assert found["sums"] == pytest.approx([1, 1], abs=1e-4)
    assert found["accuracy"] > 0.95
    assert "test:multiclass_accuracy" in found["metrics"]
