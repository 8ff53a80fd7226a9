"""An algorithm that only adds, to test the shell around every algorithm."""

import json
import os
import time
from pathlib import Path

from sagebrush.algorithms.card import Card, Channel, Metric
from sagebrush.algorithms.errors import AlgorithmError, ClientError, InferenceError
from sagebrush.algorithms.hyperparameter_fields import Categorical, Integer
from sagebrush.algorithms.hyperparameters import Schema

MODULE = "tests.unit.algorithms.trivial_algorithm"

CARD = Card(
    name="trivial",
    title="Trivial",
    summary="Adds.",
    repositories=("trivial",),
    channels=(
        Channel("train", required=True, content_types=("text/csv",), modes=("File", "Pipe")),
        Channel("test", content_types=("text/csv",), distributions=("FullyReplicated",)),
    ),
    metrics=(Metric("train:sum", r"train sum <loss>=(\S+)", "Minimize"),),
    content_types=("text/csv",),
    accepts=("text/csv",),
    hyperparameters=f"{MODULE}:SCHEMA",
    train=f"{MODULE}:train",
    load=f"{MODULE}:load",
)
SCHEMA = Schema(
    (
        Integer("add", required=True),
        Categorical("fail", choices=("client", "algorithm", "defect", "memory", "wait", "pipe")),
    )
)


def train(context, parameters):
    failures = {
        "client": ClientError("row 3 of train/a.csv is bad"),
        "algorithm": AlgorithmError("the sum does not converge"),
        "defect": ZeroDivisionError("division by zero"),
        "memory": MemoryError(),
    }
    fail = parameters["fail"]
    if fail in failures:
        raise failures[fail]
    if fail == "pipe":
        for stream in context.reader("train").streams():
            stream.open()
    if fail == "wait":
        context.log.line("waiting")
        while not context.stop_requested():
            time.sleep(0.01)
    total = parameters["add"]
    for stream in context.reader("train").streams():
        with stream.open() as data:
            total += sum(map(int, data.read().split(b",")))
    context.log.quality_metric("train", "sum", total, "loss")
    document = {
        "total": total,
        "hosts": context.hosts,
        "host": context.current_host,
        "checkpoints": str(context.checkpoint_dir),
        "threads": context.threads,
    }
    (context.model_dir / "sum.json").write_text(json.dumps(document))


def _met(folder: Path) -> bytes:
    """Answer once two processes are in here at the same time: the id of this one."""
    (folder / str(os.getpid())).touch()
    give_up = time.monotonic() + 15
    while len(list(folder.iterdir())) < 2:
        if time.monotonic() > give_up:
            return b"alone"
        time.sleep(0.005)
    return str(os.getpid()).encode()


class Adder:
    def __init__(self, total: int) -> None:
        self.total = total

    def invoke(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        if content_type == "image/png":
            raise InferenceError(415, "no pictures")
        if body == b"crash":
            raise ZeroDivisionError("a defect")
        if body == b"die":
            os._exit(3)
        if body == b"who":
            return str(os.getpid()).encode(), "text/plain"
        if body.startswith(b"meet "):
            return _met(Path(body[5:].decode())), "text/plain"
        if body == b"echo":
            return f"{content_type}|{accept}".encode(), "text/plain"
        if body.startswith(b"size"):
            return str(len(body)).encode(), "text/plain"
        if body.startswith(b"repeat"):
            return b"x" * int(body.split()[1]), "text/plain"
        return str(self.total + int(body)).encode(), "text/csv"

    def execution_parameters(self) -> dict[str, object]:
        return {"MaxConcurrentTransforms": 1, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6}


def load(model_dir: Path, environment) -> Adder:
    path = model_dir / "sum.json"
    if not path.exists():
        raise ClientError("the model has no sum.json")
    return Adder(json.loads(path.read_text())["total"])
