"""The SageMaker SDK's PipelineModel and MultiDataModel, unmodified."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

RunProgram = Callable[..., dict[str, Any]]


def test_pipeline_model(run_program: RunProgram) -> None:
    told = run_program("sdk-v2", "sdk_v2_pipeline_model.py")
    assert told["containers"] == 2
    assert told["spread"] > 1.5
    assert told["error"] < 0.15 * told["spread"]
    assert told["transformed"] == pytest.approx(told["error"], abs=1e-3)


def test_multi_data_model(run_program: RunProgram) -> None:
    told = run_program("sdk-v2", "sdk_v2_multi_data_model.py")
    assert told["names"] == ["minus/three.tar.gz", "one.tar.gz"]
    assert told["answers"]["one.tar.gz"] == pytest.approx(told["value"], abs=0.2)
    assert told["answers"]["minus/three.tar.gz"] == pytest.approx(-3 * told["value"], abs=0.6)
