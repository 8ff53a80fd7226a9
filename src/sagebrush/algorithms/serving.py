"""Serves an algorithm's model the way SageMaker runs an inference container.

``/ping``, ``/invocations`` and ``/execution-parameters`` over a unix socket or a local port.
"""

import gc
import os
import socket
import traceback
from pathlib import Path

from sagebrush.algorithms import card_of
from sagebrush.algorithms.card import load_attribute
from sagebrush.algorithms.errors import ClientError
from sagebrush.algorithms.loaded_models import Load, LoadedModels, budget_of
from sagebrush.algorithms.logs import Log
from sagebrush.algorithms.model_server import ModelServer
from sagebrush.algorithms.multi_model_server import MultiModelServer
from sagebrush.algorithms.predictor import BatchTransformer, Predictor
from sagebrush.algorithms.workers import serve_in_workers, worker_count

__all__ = ["BatchTransformer", "Predictor", "serve_main"]

DEFAULT_PORT = 8080
LISTEN_BACKLOG = 256


def serve_main(
    algorithm: str,
    root: Path,
    *,
    socket_path: str | None = None,
    port: int | None = None,
    models: Path | None = None,
    memory_bytes: int | None = None,
) -> int:
    """Serve the model in ``root/model`` until SIGTERM; returns the exit code.

    With ``models`` serve many below that folder instead, loaded on demand within ``memory_bytes``.
    A single model is served by as many processes as SAGEMAKER_MODEL_SERVER_WORKERS says.

    Listens on the unix socket if one is given, else on 127.0.0.1 at the port (8080 if unsaid), only
    once the model is loaded. 0 after a drained stop, 1 when the model cannot be loaded; the log on
    stdout then says why.
    """
    log = Log()
    try:
        load: Load = load_attribute(card_of(algorithm).load)
        workers = worker_count(os.environ)
        if models is None:
            predictor = load(root / "model", os.environ)
    except ClientError as error:
        log.error(f"Customer Error: {error}")
        return 1
    except Exception:  # noqa: BLE001 - the boundary where a defect becomes a failed start
        log.error(f"The model cannot be loaded:\n{traceback.format_exc().rstrip()}")
        return 1
    accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "")
    if models is None and workers > 1:
        code = serve_in_workers(workers, _listen(socket_path, port), predictor, log, accept)
        _forget(socket_path)
        return code
    server: ModelServer
    if models is None:
        server = ModelServer(_listen(socket_path, port), predictor, log, accept)
    else:
        budget = budget_of(os.environ)
        shelf = LoadedModels(
            load, os.environ, models, log, limit_bytes=memory_bytes, budget_bytes=budget
        )
        server = MultiModelServer(_listen(socket_path, port), shelf, log, accept)
    # What is loaded stays; the collector need not look at it during requests.
    gc.collect()
    gc.freeze()
    with server.stopped_by_sigterm():
        server.run()
    _forget(socket_path)
    return 0


def _forget(socket_path: str | None) -> None:
    if socket_path:
        Path(socket_path).unlink(missing_ok=True)


def _listen(socket_path: str | None, port: int | None) -> socket.socket:
    _forget(socket_path)
    if socket_path:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(socket_path)
    else:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", DEFAULT_PORT if port is None else port))
    listener.listen(LISTEN_BACKLOG)
    return listener
