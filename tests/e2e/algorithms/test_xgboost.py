"""XGBoost by its image's URI on one, two and three instances, and its artefact in plain xgboost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from sklearn.metrics import accuracy_score, f1_score, log_loss

PROGRAMS = Path(__file__).parent / "programs"


def test_instances_with_shares_of_the_rows_learn_what_one_learns(run_program: Any) -> None:
    found = run_program("sdk-v2", str(PROGRAMS / "xgboost_boto3.py"))
    rows, labels = np.array(found["rows"], np.float32), np.array(found["labels"])
    matrix = xgboost.DMatrix(rows)
    answers = {}
    for hosts, model in found["models"].items():
        booster = xgboost.Booster(model_file=bytearray.fromhex(model))
        assert booster.num_boosted_rounds() == 8
        answers[hosts] = booster.predict(matrix)
        metrics = found["metrics"][hosts]
        classes = answers[hosts] > 0.5
        # Those of all instances' rows, not a mean of what each of them has.
        expected = {
            "validation:logloss": log_loss(labels, answers[hosts]),
            "validation:accuracy": accuracy_score(labels, classes),
            "validation:f1": f1_score(labels, classes, average="macro"),
            "validation:rmse": np.sqrt(np.mean((answers[hosts] - labels) ** 2)),
        }
        for name, value in expected.items():
            assert metrics[name] == pytest.approx(value, abs=1e-5), (hosts, name)
        assert metrics["validation:accuracy"] > 0.9
    for hosts in ("2", "3"):
        # Histograms are summed in another order, which moves the last digits of float32.
        assert answers[hosts] == pytest.approx(answers["1"], abs=1e-3)
    assert found["served"] == pytest.approx(answers["3"], abs=1e-6)
