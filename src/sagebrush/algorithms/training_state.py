"""A training run's arrays in a checkpoint folder, for a job that is interrupted and goes on."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagebrush.algorithms.collective import Collective

State = dict[str, NDArray[Any]]


def save_state(folder: Path, name: str, state: State) -> None:
    """Write the arrays to ``folder/name`` such that nobody ever sees a part of the file."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{name}.sagemaker-ignore"
    with temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **state)
    temporary.replace(folder / name)


def load_state(folder: Path | None, name: str, collective: Collective) -> State | None:
    """What the first host saved, on every host; None if that is nothing or is damaged."""
    content = b""
    if collective.leads and folder is not None and (folder / name).is_file():
        content = (folder / name).read_bytes()
    shared = collective.broadcast(np.frombuffer(content, np.uint8)).tobytes()
    try:
        with np.load(io.BytesIO(shared), allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (ValueError, EOFError, zipfile.BadZipFile):
        return None
