"""Checkpoints: what was saved comes back, and damage counts as nothing saved."""

from pathlib import Path

import numpy as np

from sagebrush.algorithms.collective import Collective
from sagebrush.algorithms.training_state import load_state, save_state

STATE = {"theta": np.arange(6, dtype=np.float32).reshape(2, 3), "steps": np.array(7)}


def test_state_comes_back_as_it_was(tmp_path: Path):
    save_state(tmp_path / "new" / "folder", "state", STATE)
    restored = load_state(tmp_path / "new" / "folder", "state", Collective())
    assert restored is not None
    assert restored.keys() == STATE.keys()
    assert all(np.array_equal(restored[name], STATE[name]) for name in STATE)
    assert restored["theta"].dtype == np.float32
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["state"]


def test_no_folder_no_file_and_a_damaged_file_are_no_state(tmp_path: Path):
    assert load_state(None, "state", Collective()) is None
    assert load_state(tmp_path, "state", Collective()) is None
    save_state(tmp_path, "state", STATE)
    content = (tmp_path / "state").read_bytes()
    (tmp_path / "state").write_bytes(content[: len(content) // 2])
    assert load_state(tmp_path, "state", Collective()) is None
