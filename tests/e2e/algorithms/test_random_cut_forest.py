"""Random Cut Forest through `sagemaker.RandomCutForest` of the SDK v2, and by its image's URI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PROGRAMS = Path(__file__).parent / "programs"


def test_the_estimator_class_finds_planted_outliers(run_program: Any) -> None:
    answer = run_program("sdk-v2", str(PROGRAMS / "random_cut_forest_v2.py"))
    assert answer["status"] == "Completed"
    assert answer["scores"] == 4000
    # Scores of the crowd are below one, as the documentation's examples have them.
    assert 0.5 < answer["normal"] < 1
    assert answer["anomalous"] > 2 * answer["normal"]
    assert answer["metrics"]["test:f1"] > 0.9
    assert {"test:precision", "test:recall", "test:accuracy"} <= set(answer["metrics"])
    # Both hosts train and one of them writes the model of all rows.
    assert "algo-2" in answer["stdout"]
    assert "6000 samples gathered" in answer["stdout"]


def test_csv_through_pipes_and_json_lines_back(run_program: Any) -> None:
    answer = run_program("sdk-v2", str(PROGRAMS / "random_cut_forest_boto3.py"))
    assert answer["status"] == "Completed"
    assert answer["scores"] == 3953 - 2900
    # The window with the highest score reaches into the hours out of step.
    assert 2953 <= answer["highest"] < 3020
    assert answer["auc"] > 0.9
    assert answer["metrics"]["test:accuracy"] > 0.95
    assert "'FullyReplicated' is not one of" in answer["refused"]
    assert answer["refused"].startswith("ClientError")
