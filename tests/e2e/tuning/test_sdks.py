"""Tuning with the unmodified SageMaker SDKs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PROGRAMS = Path(__file__).parent / "programs"


def test_v2_tuner(run_program: Any) -> None:
    answer = run_program("sdk-v2", str(PROGRAMS / "tuner_v2.py"))
    assert {"eta", "max_depth", "FinalObjectiveValue", "TrainingElapsedTimeSeconds"} <= set(
        answer["columns"]
    )
    assert len(answer["values"]) == 4
    assert answer["best"] == answer["names"][answer["values"].index(max(answer["values"]))]
    assert max(answer["values"]) > 0.97
    assert answer["accuracy"] > 0.8
    assert answer["warm"] == ["Completed", "Completed"]
    assert answer["overall"]
    assert answer["several"] == ["linear"] * 2 + ["trees"] * 2
    assert answer["several_objectives"] == {"Succeeded": 4, "Pending": 0, "Failed": 0}
    assert answer["attached"] == [answer["several_best"], answer["best"]]
    assert answer["attached_to"] == ["linear", "trees"]
    assert answer["attached_hyperparameters"] == ["eval_metric", "num_round", "objective"]
    assert answer["automatic"] == {"Succeeded": 2, "Pending": 0, "Failed": 0}
    assert "eta" in answer["automatic_ranges"]
    assert "num_round" not in answer["automatic_ranges"]
    assert answer["halted"] == "Stopped"


def test_v3_tuner(run_program: Any) -> None:
    answer = run_program("sdk-v3", str(PROGRAMS / "tuner_v3.py"))
    assert answer["status"] == "Completed"
    assert answer["listed"]
    assert answer["trials"] == 3
    assert "-00" in str(answer["best"])
