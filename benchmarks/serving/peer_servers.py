"""The peers set up for a measurement, each as its own documentation does it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmarks.peers import ROOT, environment, free_port, process, wait_for
from benchmarks.serving.load import http_request
from benchmarks.serving.models import Model
from benchmarks.serving.targets import Setting, Target

_JSON = {"content-type": "application/json"}
# Worker processes that are still importing answer nobody, though the port does already.
_SETTLING_S = 4.0

_LITSERVE = """
import sys
import litserve as ls
import predictors
class Bench(ls.LitAPI):
    def setup(self, device):
        self.function = predictors.load()
    def decode_request(self, request):
        return request["input"]
    def predict(self, row):
        return self.function(row)
    def encode_response(self, output):
        return {"output": output}
if __name__ == "__main__":
    server = ls.LitServer(Bench(), accelerator="cpu", workers_per_device=int(sys.argv[2]))
    server.run(port=int(sys.argv[1]), generate_client_file=False)
"""
_BENTOML = """
import os
import bentoml
import predictors
@bentoml.service(workers=int(os.environ["BENCH_WORKERS"]))
class Bench:
    def __init__(self):
        self.function = predictors.load()
    @bentoml.api
    def predict(self, input: list) -> float:
        return self.function(input)
"""
_MLSERVER = """
import predictors
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceResponse
import numpy as np
class Bench(MLModel):
    async def load(self):
        self.function = predictors.load()
        return True
    async def predict(self, payload):
        given = payload.inputs[0]
        if given.datatype == "BYTES":
            row = StringCodec.decode_input(given)
        else:
            row = NumpyCodec.decode_input(given)[0]
        output = NumpyCodec.encode_output("y", np.array([[self.function(row)]]))
        return InferenceResponse(model_name=self.name, outputs=[output])
"""


def peer(setting: Setting, model: Model, folder: Path) -> AbstractContextManager[Target]:
    """Serve a model with a peer; raises `PeerError` when it cannot be had."""
    return _PEERS[setting.server](setting, model, folder)


def _mlserver(setting: Setting, model: Model, folder: Path) -> AbstractContextManager[Target]:
    port = free_port()
    # One worker predicts within the server's process: the faster of its two ways.
    workers = 0 if setting.workers == 1 else setting.workers
    _write_json(
        folder / "settings.json",
        http_port=port,
        grpc_port=free_port(),
        metrics_port=free_port(),
        parallel_workers=workers,
        debug=False,
    )
    if model.name == "xgboost":
        implementation = "mlserver_xgboost.XGBoostModel"
        parameters = {"uri": str(model.folder.absolute() / "xgboost-model.ubj")}
    else:
        (folder / "runtime.py").write_text(_MLSERVER)
        implementation, parameters = "runtime.Bench", {}
    _write_json(
        folder / "model-settings.json",
        name="bench",
        implementation=implementation,
        parameters=parameters,
    )
    command = [environment("mlserver") / "mlserver", "start", folder]
    request = http_request("POST", "/v2/models/bench/infer", _JSON, _tensor(model))
    return _served(command, folder, model, port, request, "/v2/models/bench/ready")


def _tensor(model: Model) -> bytes:
    """The row in the Open Inference Protocol."""
    size = len(model.row)
    if model.name == "network":
        given: dict[str, Any] = {"shape": [size], "datatype": "BYTES"}
    else:
        given = {"shape": [1, size], "datatype": "FP32"}
    return json.dumps({"inputs": [{"name": "x", "data": model.row, **given}]}).encode()


def _litserve(setting: Setting, model: Model, folder: Path) -> AbstractContextManager[Target]:
    port = free_port()
    (folder / "serve.py").write_text(_LITSERVE)
    command = [
        *(environment("litserve") / "python", folder / "serve.py"),
        *(str(port), str(setting.workers)),
    ]
    request = http_request("POST", "/predict", _JSON, model.json)
    return _served(command, folder, model, port, request, "/health")


def _bentoml(setting: Setting, model: Model, folder: Path) -> AbstractContextManager[Target]:
    port = free_port()
    (folder / "service.py").write_text(_BENTOML)
    command = [
        *(environment("bentoml") / "python", "-m", "bentoml", "serve", "service:Bench"),
        *("--port", str(port), "--host", "127.0.0.1"),
    ]
    request = http_request("POST", "/predict", _JSON, model.json)
    more = {"BENCH_WORKERS": str(setting.workers)}
    return _served(command, folder, model, port, request, "/readyz", more)


_PEERS: dict[str, Callable[[Setting, Model, Path], AbstractContextManager[Target]]] = {
    "mlserver": _mlserver,
    "litserve": _litserve,
    "bentoml": _bentoml,
}


@contextlib.contextmanager
def _served(
    command: list[Any],
    folder: Path,
    model: Model,
    port: int,
    request: bytes,
    ready: str,
    variables: dict[str, str] | None = None,
) -> Iterator[Target]:
    log = folder / "log"
    environment_variables = {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "BENTOML_DO_NOT_TRACK": "true",
        "MODEL_FOLDER": str(model.folder.absolute()),
        "MODEL_NAME": model.name,
        # The peers import the library that the models were trained with.
        "PYTHONPATH": f"{folder}:{model.folder.absolute()}:{ROOT / 'src'}",
    }
    with process(command, log, **environment_variables, **(variables or {})) as child:
        wait_for(f"http://127.0.0.1:{port}{ready}", child, log)
        time.sleep(_SETTLING_S)
        yield Target(child.pid, port, request)


def _write_json(path: Path, **content: Any) -> None:
    path.write_text(json.dumps(content))
