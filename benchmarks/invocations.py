"""One small XGBoost model, one row a request: InvokeEndpoint beside MLServer, LitServe, BentoML.

The same model file everywhere, one worker process each, load from another process; predict in
process is the floor. 100 trees of depth 6 over 30 features.
"""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import xgboost

from benchmarks.clients import Load, http_request, load
from benchmarks.peers import PeerError, environment, free_port, process, wait_for
from sagebrush.launch import PrivateServer

_FEATURES = 30
_SECONDS = 6.0
_CONNECTIONS = (1, 16)
_IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"
_JSON = {"content-type": "application/json"}

_LITSERVE = """
import sys, numpy as np, xgboost, litserve as ls
class Model(ls.LitAPI):
    def setup(self, device):
        self.model = xgboost.Booster(model_file=sys.argv[1]); self.model.set_param("nthread", 1)
    def decode_request(self, request): return np.asarray([request["input"]], dtype="float32")
    def predict(self, x): return self.model.inplace_predict(x)
    def encode_response(self, output): return {"output": float(output[0])}
if __name__ == "__main__":
    ls.LitServer(Model(), accelerator="cpu").run(port=int(sys.argv[2]), generate_client_file=False)
"""
_BENTOML = """
import os, numpy as np, xgboost, bentoml
@bentoml.service(workers=1)
class Model:
    def __init__(self):
        self.model = xgboost.Booster(model_file=os.environ["MODEL_FILE"])
        self.model.set_param("nthread", 1)
    @bentoml.api
    def predict(self, input: list[float]) -> float:
        return float(self.model.inplace_predict(np.asarray([input], dtype="float32"))[0])
"""


def run() -> dict[str, Any]:
    """Measure every server and print requests per second and latencies."""
    rows, model = _model()
    results: dict[str, Any] = {"in_process_us": _in_process_us(model, rows)}
    print(f"   predict in process: {results['in_process_us']:.0f} us a row")
    peers: dict[str, Callable[[Path, Path, int, bytes], dict[str, Any]]] = {
        "mlserver": _mlserver,
        "litserve": _litserve,
        "bentoml": _bentoml,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model_file = folder / "model.ubj"
        model.save_model(model_file)
        results["sagebrush"] = _sagebrush(model_file, rows[0])
        _show("sagebrush", results["sagebrush"])
        for peer, measure in peers.items():
            own = folder / peer
            own.mkdir()
            try:
                results[peer] = measure(own, model_file, free_port(), _row_json(rows[0]))
                _show(peer, results[peer])
            except (PeerError, OSError) as error:
                print(f"   {peer}: not measured: {error}")
                results[peer] = {"not_measured": str(error)}
    _compare(results, list(peers))
    return results


def _model() -> tuple[np.ndarray, xgboost.Booster]:
    random = np.random.default_rng(0)
    rows = random.normal(size=(4000, _FEATURES)).astype("float32")
    labels = (rows[:, :5].sum(axis=1) + random.normal(size=4000) > 0).astype(int)
    parameters = {"objective": "binary:logistic", "max_depth": 6, "nthread": 1}
    return rows, xgboost.train(parameters, xgboost.DMatrix(rows, labels), 100)


def _in_process_us(model: xgboost.Booster, rows: np.ndarray) -> float:
    model.set_param("nthread", 1)
    for row in rows[:200]:
        model.inplace_predict(row[None])
    started = time.perf_counter()
    for row in rows[:2000]:
        model.inplace_predict(row[None])
    return (time.perf_counter() - started) / 2000 * 1e6


def _sagebrush(model_file: Path, row: np.ndarray) -> dict[str, Any]:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.add(model_file, "xgboost-model")
    with PrivateServer() as server:
        settings: dict[str, Any] = {
            "endpoint_url": server.endpoint,
            "region_name": "us-east-1",
            "aws_access_key_id": "a",
            "aws_secret_access_key": "b",
        }
        s3, sagemaker = boto3.client("s3", **settings), boto3.client("sagemaker", **settings)
        s3.create_bucket(Bucket="models")
        s3.put_object(Bucket="models", Key="model.tar.gz", Body=archive.getvalue())
        sagemaker.create_model(
            ModelName="bench",
            PrimaryContainer={"Image": _IMAGE, "ModelDataUrl": "s3://models/model.tar.gz"},
            ExecutionRoleArn="arn:aws:iam::000000000000:role/SageMakerRole",
        )
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": "bench",
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
        }
        sagemaker.create_endpoint_config(EndpointConfigName="bench", ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName="bench", EndpointConfigName="bench")
        while (
            status := sagemaker.describe_endpoint(EndpointName="bench")["EndpointStatus"]
        ) == "Creating":
            time.sleep(0.05)
        if status != "InService":
            raise RuntimeError(f"the endpoint is {status}")
        headers = {
            "content-type": "text/csv",
            "authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sagemaker/"
            "aws4_request, SignedHeaders=host, Signature=0",
        }
        body = ",".join(f"{value:.6g}" for value in row).encode()
        request = http_request(
            "POST",
            "/endpoints/bench/invocations",
            headers,
            body,
            "runtime.sagemaker.us-east-1.amazonaws.com",
        )
        return _loads(int(server.endpoint.rpartition(":")[2]), request)


def _row_json(row: np.ndarray) -> bytes:
    return json.dumps({"input": [float(value) for value in row]}).encode()


def _mlserver(folder: Path, model_file: Path, port: int, row: bytes) -> dict[str, Any]:
    (folder / "settings.json").write_text(
        json.dumps(
            {
                "http_port": port,
                "grpc_port": free_port(),
                "metrics_port": free_port(),
                "parallel_workers": 0,
                "debug": False,
            }
        )
    )
    (folder / "model-settings.json").write_text(
        json.dumps(
            {
                "name": "bench",
                "implementation": "mlserver_xgboost.XGBoostModel",
                "parameters": {"uri": str(model_file)},
            }
        )
    )
    values = json.loads(row)["input"]
    body = json.dumps(
        {"inputs": [{"name": "x", "shape": [1, _FEATURES], "datatype": "FP32", "data": values}]}
    ).encode()
    command = [environment("mlserver") / "mlserver", "start", folder]
    request = http_request("POST", "/v2/models/bench/infer", _JSON, body)
    return _served(command, folder, port, request, "/v2/models/bench/ready")


def _litserve(folder: Path, model_file: Path, port: int, row: bytes) -> dict[str, Any]:
    (folder / "serve.py").write_text(_LITSERVE)
    command = [environment("litserve") / "python", folder / "serve.py", model_file, str(port)]
    return _served(command, folder, port, http_request("POST", "/predict", _JSON, row), "/health")


def _bentoml(folder: Path, model_file: Path, port: int, row: bytes) -> dict[str, Any]:
    (folder / "service.py").write_text(_BENTOML)
    programs = environment("bentoml")
    command = [
        *(programs / "python", "-m", "bentoml", "serve", "service:Model", "--port", str(port)),
        *("--host", "127.0.0.1"),
    ]
    request = http_request("POST", "/predict", _JSON, row)
    return _served(command, folder, port, request, "/readyz", MODEL_FILE=str(model_file))


def _served(
    command: list[Any], folder: Path, port: int, request: bytes, ready: str, **variables: str
) -> dict[str, Any]:
    log = folder / "log"
    variables |= {"OMP_NUM_THREADS": "1", "BENTOML_DO_NOT_TRACK": "true"}
    with process(command, log, **variables) as child:
        wait_for(f"http://127.0.0.1:{port}{ready}", child, log)
        time.sleep(2.0)
        return _loads(port, request)


def _loads(port: int, request: bytes) -> dict[str, Any]:
    measured = {
        str(count): load(port, request, connections=count, duration_s=_SECONDS)
        for count in _CONNECTIONS
    }
    if any(item.errors or not item.per_second for item in measured.values()):
        raise PeerError(f"requests failed: {measured}")
    return {count: vars(item) for count, item in measured.items()}


def _show(name: str, result: dict[str, Any]) -> None:
    for count in map(str, _CONNECTIONS):
        item = Load(**result[count])
        print(
            f"   {name:<10} {count:>2} connections: {item.per_second:7.0f}/s,"
            f" p50 {item.p50_ms:.2f} ms, p99 {item.p99_ms:.2f} ms"
        )


def _compare(results: dict[str, Any], peers: list[str]) -> None:
    for count in map(str, _CONNECTIONS):
        measured = [results[peer][count] for peer in peers if count in results[peer]]
        if measured:
            best = max(item["per_second"] for item in measured)
            tail = min(item["p99_ms"] for item in measured)
            ours = results["sagebrush"][count]
            print(
                f"   at {count} connections: {ours['per_second'] / best:.1f} times the best peer's"
                f" throughput, p99 {ours['p99_ms'] / tail:.2f} of the best peer's"
            )
