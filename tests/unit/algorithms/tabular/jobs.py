"""Jobs of the tabular algorithms in a container root, and data for them."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from sagebrush.algorithms.container import train_main


def table(count: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of five numbers and a score that depends on them."""
    numbers = np.random.default_rng(seed)
    rows = numbers.normal(size=(count, 5)).round(4)
    return rows, rows[:, 0] - rows[:, 1] ** 2 + 0.1 * numbers.normal(size=count)


def csv(*columns: Any) -> str:
    """Columns as CSV without a header."""
    return "".join(",".join(map(str, row)) + "\n" for row in zip(*columns, strict=True))


def labelled(target: Any, rows: np.ndarray) -> str:
    """A target and rows of numbers as CSV."""
    return csv(np.asarray(target).tolist(), *rows.T.tolist())


def run(root: Path, algorithm: str, files: dict[str, str | bytes], **values: str) -> int:
    """Train on channels given as ``{"train/a.csv": text}``; returns the exit code."""
    for name, content in files.items():
        path = root / "input" / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    config = root / "input" / "config"
    config.mkdir(parents=True)
    (config / "hyperparameters.json").write_text(json.dumps(values))
    names = {name.partition("/")[0] for name in files}
    (config / "inputdataconfig.json").write_text(json.dumps({name: {} for name in names}))
    return train_main(algorithm, root)


def archive_of(model_dir: Path) -> bytes:
    """The folder's files as the tar.gz that a job leaves."""
    import io
    import tarfile

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path in model_dir.iterdir():
            archive.add(path, path.name)
    return packed.getvalue()
