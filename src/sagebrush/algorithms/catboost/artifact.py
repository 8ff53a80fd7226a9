"""CatBoost's model folder: the file ``model`` in CatBoost's own format, as AWS's script leaves.

CatBoost does not survive every damaged file: some end the process that reads them. Beside the model
therefore lies its checksum, and a model without one, such as AWS's, is read by a process of its own
first.
"""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.tabular.problem_types import CLASSIFICATION, REGRESSION, ProblemType

MODEL_NAME = "model"
CHECKSUM_NAME = "model.sha256"
_TRIAL_TIMEOUT_S = 60.0
_TRIAL = """
import sys
import catboost

model = catboost.CatBoost()
try:
    model.load_model(sys.argv[1])
    model.get_all_params()
except catboost.CatBoostError:
    pass
"""
_CLASSIFYING_LOSSES = {"Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll"}


def save(model: Any, folder: Path) -> None:
    """Write the model's file and its checksum into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_model(str(folder / MODEL_NAME), format="cbm")
    (folder / CHECKSUM_NAME).write_text(f"{_checksum(folder / MODEL_NAME)}  {MODEL_NAME}\n")


def load(folder: Path) -> Any:
    """The ``catboost.CatBoost`` of a folder, ours or AWS's.

    ClientError if there is none, and for a damaged one.
    """
    import catboost

    paths = [folder / MODEL_NAME, *sorted(folder.glob("*.cbm"))]
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        raise ClientError(f"There is no model file {MODEL_NAME} in the model.")
    _require_undamaged(found)
    model = catboost.CatBoost()
    try:
        model.load_model(str(found))
        model.get_all_params()  # reads the parameters in the file, which serving asks for
    except catboost.CatBoostError as error:
        raise ClientError(f"{found.name} is no CatBoost model: {error}") from error
    return model


def _require_undamaged(path: Path) -> None:
    told = path.with_name(CHECKSUM_NAME)
    if path.name == MODEL_NAME and told.is_file():
        if told.read_text(errors="replace").partition(" ")[0] != _checksum(path):
            raise ClientError(f"{path.name} is damaged: it does not have the checksum it had.")
        return
    try:
        trial = subprocess.run(
            [sys.executable, "-c", _TRIAL, str(path)],
            check=False,
            capture_output=True,
            timeout=_TRIAL_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise ClientError(f"{path.name} is no CatBoost model: reading it has no end.") from error
    if trial.returncode != 0:
        raise ClientError(f"{path.name} is no CatBoost model: reading it ends the process.")


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def problem_type_of(model: Any) -> ProblemType:
    """What the model was trained for."""
    loss = str(model.get_all_params().get("loss_function", "")).partition(":")[0]
    return CLASSIFICATION if loss in _CLASSIFYING_LOSSES else REGRESSION


def labels_of(model: Any) -> tuple[int, ...]:
    """The labels of the model's classes in order, empty for regression."""
    if problem_type_of(model) == REGRESSION:
        return ()
    return tuple(int(float(label)) for label in model.classes_)
