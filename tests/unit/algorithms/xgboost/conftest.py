"""A job's folders and a way to run training in them."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xgboost

from sagebrush.algorithms.channels import ChannelConfig
from sagebrush.algorithms.container import TrainingContext
from sagebrush.algorithms.logs import Log
from sagebrush.algorithms.xgboost.hyperparameters import SCHEMA
from sagebrush.algorithms.xgboost.serve import load
from sagebrush.algorithms.xgboost.train import train


class Job:
    """One training job below a folder; ``add`` channels, then ``run``; ``output`` is its log."""

    def __init__(self, root: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.channels: dict[str, ChannelConfig] = {}
        self.context: TrainingContext | None = None
        self._capture = capture
        self.output = ""

    def add(
        self,
        name: str,
        files: dict[str, bytes | str],
        content_type: str | None = "text/csv",
        mode: str = "File",
    ) -> Path:
        folder = self.root / "input" / "data" / name
        folder.mkdir(parents=True, exist_ok=True)
        for file_name, content in files.items():
            path = folder / file_name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.channels[name] = ChannelConfig(name, folder, content_type, mode)
        return folder

    def prepare(self, checkpoint_dir: Path | None = None, **options: object) -> TrainingContext:
        self.context = TrainingContext(
            self.root,
            {},
            self.channels,
            checkpoint_dir=checkpoint_dir,
            threads=1,
            log=Log(stream=None),
            **options,
        )
        return self.context

    def run(self, context: TrainingContext | None = None, **strings: str) -> str:
        context = context or self.prepare()
        self._capture.readouterr()
        try:
            train(context, SCHEMA.parse({"num_round": "3", "max_depth": "3", **strings}))
        finally:
            self.output = self._capture.readouterr().out
        return self.output

    @property
    def model_path(self) -> Path:
        return self.root / "model" / "xgboost-model"


@pytest.fixture
def job(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Job:
    return Job(tmp_path, capfd)


@pytest.fixture
def csv_text() -> Callable[[np.ndarray, np.ndarray], str]:
    """CSV rows whose numbers read back as the same float32; NaN is an empty cell."""

    def text(labels: np.ndarray, features: np.ndarray) -> str:
        stream = io.StringIO()
        for label, row in zip(labels.tolist(), features.tolist(), strict=True):
            cells = ["" if np.isnan(value) else repr(value) for value in row]
            stream.write(",".join([repr(label), *cells]) + "\n")
        return stream.getvalue()

    return text


@pytest.fixture
def make_data() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """A function (rows, objective kind) -> float32 features with gaps, labels."""

    def data(rows: int = 120, kind: str = "binary", seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        generator = np.random.default_rng(seed)
        features = np.round(generator.normal(size=(rows, 4)), 3).astype(np.float32)
        features[generator.random(features.shape) < 0.1] = np.nan
        signal = np.nan_to_num(2 * features[:, 0] - features[:, 1])
        labels = {
            "binary": (signal > 0).astype(np.float32),
            "multi": np.digitize(signal, [-1, 1]).astype(np.float32),
            "value": signal.astype(np.float32),
            "positive": np.exp(signal / 4).astype(np.float32),
        }[kind]
        return features, labels

    return data


@pytest.fixture
def serve(tmp_path):
    def start(booster: xgboost.Booster, **environment: str):
        (tmp_path / "xgboost-model").write_bytes(bytes(booster.save_raw("ubj")))
        return load(tmp_path, environment)

    return start
