"""What is no model of CatBoost's."""

import pytest
from tests.unit.algorithms.tabular.jobs import table

from sagebrush.algorithms.catboost import artifact
from sagebrush.algorithms.catboost.model import CatBoost
from sagebrush.algorithms.catboost.serve import load
from sagebrush.algorithms.errors import ClientError


def test_a_model_with_damaged_parameters_is_refused(tmp_path):
    rows, target = table()
    CatBoost("regression", iterations=3).fit(rows, target).save(tmp_path)
    path = tmp_path / "model"
    path.write_bytes(path.read_bytes().replace(b"fold_len_multiplier", b"fold_len_multiplies"))
    (tmp_path / "model.sha256").unlink()  # AWS's models have none
    with pytest.raises(ClientError, match=r"model is no CatBoost model: .*fold_len_multiplies"):
        load(tmp_path, {})


def test_a_model_with_another_byte_than_it_was_saved_with_is_refused(tmp_path):
    rows, target = table()
    CatBoost("regression", iterations=3).fit(rows, target).save(tmp_path)
    path = tmp_path / "model"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ClientError, match="model is damaged"):
        load(tmp_path, {})


def test_a_model_without_checksum_is_tried_in_a_process_of_its_own(tmp_path, monkeypatch):
    rows, target = table()
    CatBoost("regression", iterations=3).fit(rows, target).save(tmp_path)
    (tmp_path / "model.sha256").unlink()
    load(tmp_path, {})
    monkeypatch.setattr(artifact, "_TRIAL", "import os; os.abort()")
    with pytest.raises(ClientError, match="reading it ends the process"):
        load(tmp_path, {})
