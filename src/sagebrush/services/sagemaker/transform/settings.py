"""What decides how a job sends its data: the request, else the container's advice, else AWS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sagebrush.services.sagemaker.transform.requests import MAX_PAYLOAD_MB, MAX_TOTAL_PAYLOAD_MB
from sagebrush.services.sagemaker.transform.splitting import Splitting

_DEFAULT_PAYLOAD_MB = 6
_DEFAULT_TIMEOUT_S = 600
_DEFAULT_RETRIES = 3
_STRATEGIES = {"MultiRecord": "MULTI_RECORD", "SingleRecord": "SINGLE_RECORD"}


@dataclass(frozen=True)
class Settings:
    """How requests are cut and sent; `concurrency` is per instance."""

    concurrency: int
    payload_mb: int
    strategy: str
    splitting: Splitting
    timeout_s: float
    retries: int

    def __str__(self) -> str:
        return (
            f"MaxConcurrentTransforms={self.concurrency}, MaxPayloadInMB={self.payload_mb},"
            f" BatchStrategy={self.strategy}"
        )


def settings_of(request: dict[str, Any], advice: dict[str, Any]) -> Settings:
    """Return the settings of a job; `advice` is the container's answer, empty if it has none."""
    payload_mb = request.get("MaxPayloadInMB", _number(advice, "MaxPayloadInMB"))
    payload_mb = min(payload_mb or _DEFAULT_PAYLOAD_MB, MAX_PAYLOAD_MB)
    concurrency = request.get("MaxConcurrentTransforms") or _number(
        advice, "MaxConcurrentTransforms"
    )
    # What the request says was checked together; the advice may exceed the limit beside it.
    concurrency = min(concurrency or 1, max(1, MAX_TOTAL_PAYLOAD_MB // payload_mb))
    asked = _STRATEGIES.get(request.get("BatchStrategy", ""))
    advised = advice.get("BatchStrategy")
    known = advised if isinstance(advised, str) and advised in _STRATEGIES.values() else None
    strategy = asked or known or "MULTI_RECORD"
    client = request.get("ModelClientConfig", {})
    splitting = Splitting(
        request["TransformInput"].get("SplitType", "None"),
        strategy == "SINGLE_RECORD",
        payload_mb << 20,
    )
    return Settings(
        concurrency,
        payload_mb,
        strategy,
        splitting,
        float(client.get("InvocationsTimeoutInSeconds", _DEFAULT_TIMEOUT_S)),
        client.get("InvocationsMaxRetries", _DEFAULT_RETRIES),
    )


def container_variables(request: dict[str, Any]) -> dict[str, str]:
    """Return what a container's environment says of a job, besides the user's own variables."""
    told = {"SAGEMAKER_BATCH": "true"}
    for member, name in (
        ("MaxPayloadInMB", "SAGEMAKER_MAX_PAYLOAD_IN_MB"),
        ("MaxConcurrentTransforms", "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"),
    ):
        if member in request:
            told[name] = str(request[member])
    if "BatchStrategy" in request:
        told["SAGEMAKER_BATCH_STRATEGY"] = _STRATEGIES[request["BatchStrategy"]]
    return told


def _number(advice: dict[str, Any], name: str) -> int:
    """Return a number that the container advises; 0 where it advises none that can be used."""
    value = advice.get(name)
    return value if isinstance(value, int) and value > 0 else 0
