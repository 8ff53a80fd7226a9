"""K-Nearest Neighbors through `sagemaker.KNN` of the SDK v2, and by its image's URI."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = Path(__file__).parent / "programs"


def test_the_estimator_class_classifies_and_names_the_neighbours(run_program: Any) -> None:
    answer = run_program("sdk-v2", str(PROGRAMS / "knn_v2.py"))
    assert answer["status"] == "Completed"
    assert answer["metrics"]["test:accuracy"] > 0.97
    assert answer["accuracy"] == pytest.approx(answer["metrics"]["test:accuracy"])
    # Both hosts sample and one of them indexes what they have.
    assert "algo-2" in answer["stdout"]
    assert "index of 1500 sampled examples" in answer["stdout"]
    for label, verbose in zip(answer["predictions"], answer["verbose"], strict=True):
        assert verbose["predicted_label"] == label
        assert verbose["distances"] == sorted(verbose["distances"])
        assert len(verbose["distances"]) == 7
        assert Counter(verbose["labels"])[label] == max(Counter(verbose["labels"]).values())


def test_compressed_rows_by_the_image_and_json_lines_back(run_program: Any) -> None:
    answer = run_program("sdk-v2", str(PROGRAMS / "knn_boto3.py"))
    assert answer["status"] == "Completed"
    assert answer["error"] < 0.05 * answer["variance"]
    assert answer["metrics"]["test:mse"] == pytest.approx(answer["error"], rel=0.01)
    assert answer["sampled"] == 3000
    assert answer["metadata"]["k"] == 5
    assert answer["metadata"]["predictor_type"] == "regressor"
