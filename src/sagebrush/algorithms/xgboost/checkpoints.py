"""Models saved after each round, so that a job that was interrupted goes on where it stopped."""

import re
from pathlib import Path
from typing import Any

import xgboost

FILE_NAME = "xgboost-checkpoint"
CHECKPOINTS_KEPT = 5
MODEL_NAME = "xgboost-model"

_PATTERN = re.compile(rf"{FILE_NAME}\.(\d+)")


def latest_checkpoint(folder: Path | None) -> tuple[bytearray | None, int]:
    """The newest checkpoint's model and how many rounds it has behind it; (None, 0) if none.

    A file that xgboost cannot load, as a crash of the machine may leave it, is passed over.
    """
    for round_index, path in reversed(_checkpoints(folder)):
        model = bytearray(path.read_bytes())
        try:
            xgboost.Booster(model_file=model)
        except xgboost.core.XGBoostError:
            continue
        return model, round_index + 1
    return None, 0


def _checkpoints(folder: Path | None) -> list[tuple[int, Path]]:
    if folder is None or not folder.is_dir():
        return []
    matches = ((_PATTERN.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted((int(match[1]), path) for match, path in matches if match)


def save_atomically(booster: xgboost.Booster, path: Path) -> None:
    """Write the model such that nobody ever sees a part of it under its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.sagemaker-ignore")
    temporary.write_bytes(saved_bytes(booster))
    temporary.replace(path)


def saved_bytes(booster: xgboost.Booster) -> bytes:
    """What ``save_model`` writes to a file without an extension.

    Newer versions write UBJSON, versions before 2.1 their binary format, which is what programs
    of their time expect to find.
    """
    version = tuple(int(part) for part in xgboost.__version__.split(".")[:2])
    return bytes(booster.save_raw("ubj" if version >= (2, 1) else "deprecated"))


class SaveCheckpoints(xgboost.callback.TrainingCallback):  # type: ignore[misc]
    """Saves every round as ``xgboost-checkpoint.<round>`` and keeps the newest five."""

    def __init__(self, folder: Path, first_round: int) -> None:
        super().__init__()
        self.folder = folder
        self.first_round = first_round

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
        save_atomically(model, self.folder / f"{FILE_NAME}.{self.first_round + epoch}")
        for _, path in _checkpoints(self.folder)[:-CHECKPOINTS_KEPT]:
            path.unlink(missing_ok=True)
        return False


class SaveIntermediateModel(xgboost.callback.TrainingCallback):  # type: ignore[misc]
    """Keeps the model of the last finished round where the artefact goes."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002
        save_atomically(model, self.path)
        return False
