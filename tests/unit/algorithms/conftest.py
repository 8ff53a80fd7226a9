"""Fixtures for the shell around the algorithms."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.algorithms.trivial_algorithm import CARD

import sagebrush.algorithms


@pytest.fixture
def trivial(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an algorithm that only adds, registered for one test."""
    monkeypatch.setattr(sagebrush.algorithms, "_cards", lambda: {"trivial": CARD})
    return "trivial"


@pytest.fixture
def container_root(tmp_path: Path) -> Callable[..., Path]:
    """Makes the /opt/ml of a training job from hyperparameters, channels and other settings."""

    def make(
        hyperparameters: dict[str, Any], channels: dict[str, Any] | None = None, **configs: Any
    ) -> Path:
        config = tmp_path / "input" / "config"
        config.mkdir(parents=True, exist_ok=True)
        documents = {
            "hyperparameters": hyperparameters,
            "inputdataconfig": channels or {},
            **configs,
        }
        for name, document in documents.items():
            (config / f"{name}.json").write_text(json.dumps(document))
        for name in channels or {}:
            (tmp_path / "input" / "data" / name).mkdir(parents=True, exist_ok=True)
        return tmp_path

    return make
