"""The three models: trained here, in files that every server reads, and one row to ask each.

`xgboost` is 100 trees of depth 6 over 30 columns, `linear` a classifier over them, `network` an
encoder with two dense layers over embeddings (IP Insights, the neural network of the built-ins).
"""

from __future__ import annotations

import json
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from sagebrush.algorithms.ip_insights.model import IPInsights
from sagebrush.algorithms.linear_learner.model import LinearLearner

NAMES = ("xgboost", "linear", "network")
_FEATURES = 30
_ROWS = 4000
_USERS = 500
_IMAGES = {
    "xgboost": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5",
    "linear": "382416733822.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1",
    "network": "382416733822.dkr.ecr.us-east-1.amazonaws.com/ipinsights:1",
}

# What peers run: the library that trained the model, on the same files. `row` is a list.
PREDICTORS = '''
import os
from pathlib import Path

FOLDER = Path(os.environ["MODEL_FOLDER"])


def load():
    """Return the function from a row to its prediction."""
    return {"xgboost": _xgboost, "linear": _linear, "network": _network}[os.environ["MODEL_NAME"]]()


def _xgboost():
    import numpy as np
    import xgboost

    model = xgboost.Booster(model_file=FOLDER / "xgboost-model.ubj")
    model.set_param("nthread", 1)
    return lambda row: float(model.inplace_predict(np.asarray([row], dtype="float32"))[0])


def _linear():
    import numpy as np
    from sagebrush.algorithms.linear_learner.model import LinearLearner

    model = LinearLearner.load(FOLDER / "linear")
    return lambda row: float(model.scores(np.asarray([row], dtype="float32")).ravel()[0])


def _network():
    from sagebrush.algorithms.ip_insights.model import IPInsights

    model = IPInsights.load(FOLDER / "network")
    return lambda row: float(model.predict([row[0]], [row[1]])[0])
'''


@dataclass(frozen=True)
class Model:
    """A trained model; `row` is what is asked, `folder` has every model's files."""

    name: str
    folder: Path
    image: str
    row: list[Any]

    @property
    def csv(self) -> bytes:
        """The row as AWS's containers take it."""
        return ",".join(str(value) for value in self.row).encode()

    @property
    def json(self) -> bytes:
        """The row as the peers take it."""
        return json.dumps({"input": self.row}).encode()

    @property
    def archive(self) -> bytes:
        """The model.tar.gz of an endpoint."""
        path = self.folder / f"{self.name}.tar.gz"
        if not path.exists():
            with tarfile.open(path, "w:gz") as tar:
                if self.name == "xgboost":
                    tar.add(self.folder / "xgboost-model.ubj", "xgboost-model")
                else:
                    for file in sorted((self.folder / self.name).iterdir()):
                        tar.add(file, file.name)
        return path.read_bytes()


def make(name: str, folder: Path) -> Model:
    """Return a model, trained into the folder if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "predictors.py").write_text(PREDICTORS)
    random = np.random.default_rng(0)
    rows = random.normal(size=(_ROWS, _FEATURES)).astype("float32")
    labels = (rows[:, :5].sum(axis=1) + random.normal(size=_ROWS) > 0).astype(int)
    row: list[Any] = [float(f"{value:.6g}") for value in rows[0]]
    if name == "network":
        row = ["user-7", "21.7.3.2"]
    _TRAINERS[name](folder, rows, labels)
    return Model(name, folder, _IMAGES[name], row)


def _train_xgboost(folder: Path, rows: Any, labels: Any) -> None:
    path = folder / "xgboost-model.ubj"
    if not path.exists():
        parameters = {"objective": "binary:logistic", "max_depth": 6, "nthread": 1}
        xgboost.train(parameters, xgboost.DMatrix(rows, labels), 100).save_model(path)


def _train_linear(folder: Path, rows: Any, labels: Any) -> None:
    path = folder / "linear"
    if not path.exists():
        path.mkdir()
        LinearLearner("binary_classifier", epochs=3).fit(rows, labels).save(path)


def _train_network(folder: Path, _rows: Any, _labels: Any) -> None:
    path = folder / "network"
    if not path.exists():
        path.mkdir()
        random = np.random.default_rng(1)
        users = random.integers(_USERS, size=_ROWS)
        addresses = [f"21.{user % 256}.{host % 8}.2" for host, user in enumerate(users)]
        model = IPInsights(2 * _USERS, 64, num_ip_encoder_layers=2, epochs=2)
        model.fit([f"user-{user}" for user in users], addresses).save(path)


_TRAINERS: dict[str, Callable[[Path, Any, Any], None]] = {
    "xgboost": _train_xgboost,
    "linear": _train_linear,
    "network": _train_network,
}


def in_process_us(model: Model, seconds: float = 1.0) -> float:
    """Return the microseconds of one prediction by the library itself: the floor of any server."""
    predict = _predictor(model)
    for _ in range(50):
        predict(model.row)
    count, started = 0, time.perf_counter()
    while (now := time.perf_counter()) - started < seconds:
        for _ in range(20):
            predict(model.row)
        count += 20
    return (now - started) / count * 1e6


def _predictor(model: Model) -> Callable[[list[Any]], float]:
    if model.name == "xgboost":
        booster = xgboost.Booster(model_file=model.folder / "xgboost-model.ubj")
        booster.set_param("nthread", 1)
        return lambda row: float(booster.inplace_predict(np.asarray([row], "float32"))[0])
    if model.name == "linear":
        learner = LinearLearner.load(model.folder / "linear")
        return lambda row: float(learner.scores(np.asarray([row], "float32")).ravel()[0])
    network = IPInsights.load(model.folder / "network")
    return lambda row: float(network.predict([row[0]], [row[1]])[0])
