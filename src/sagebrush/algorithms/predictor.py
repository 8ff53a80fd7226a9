"""What a loaded model must be able to do to be served."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable


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
