"""The model server: /ping, /invocations and /execution-parameters over a local socket."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Predictor(Protocol):
    """A loaded model that answers request bodies."""

    def invoke(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """The response body and its content type.

        ``content_type`` and ``accept`` are the headers as sent, parameters included, empty when
        absent. Raises InferenceError for a request that cannot be answered.
        """


@runtime_checkable
class BatchTransformer(Protocol):
    """A predictor that has its own advice for batch transform."""

    def execution_parameters(self) -> Mapping[str, Any]:
        """MaxConcurrentTransforms, BatchStrategy and MaxPayloadInMB."""


def serve_main(
    algorithm: str,
    root: Path,
    *,
    socket_path: str | None = None,
    port: int | None = None,
) -> int:
    """Serve the model in ``root/model`` until SIGTERM; returns the exit code.

    Listens on the unix socket if one is given, else on 127.0.0.1 at the port (8080 if unsaid).
    """
    raise NotImplementedError(algorithm, root, socket_path, port)
