"""Metrics of multi-model endpoints (multi-model-endpoint-cloudwatch-metrics.md)."""

from __future__ import annotations

from sagebrush.services.minute_sums import MICROSECONDS, Series, minute_sums_of
from sagebrush.services.platform import Platform

_REQUESTS = "AWS/SageMaker"
_INSTANCES = "/aws/sagemaker/Endpoints"


class Measures:
    """What happens to the models of one instance of a variant."""

    def __init__(
        self, platform: Platform, account: str, region: str, endpoint: str, variant: str
    ) -> None:
        self._platform = platform
        self._account = account
        self._region = region
        self._dimensions = (("EndpointName", endpoint), ("VariantName", variant))
        self._minute = -1

    def taken(self, loaded_count: int, waited_s: float, *, was_loaded: bool) -> None:
        """Count a request that has its model, and what it waited for that."""
        self._add(_REQUESTS, "ModelCacheHit", "None", float(was_loaded))
        if not was_loaded:
            self._time("ModelLoadingWaitTime", waited_s)
        minute = int(self._platform.clock.now() // 60)
        if minute != self._minute:
            # One value per instance and minute: their sum is the number of models of all.
            self._minute = minute
            self._add(_INSTANCES, "LoadedModelCount", "None", float(loaded_count))

    def downloaded(self, duration_s: float) -> None:
        """Count a model that was fetched from S3."""
        self._time("ModelDownloadingTime", duration_s)

    def loaded(self, duration_s: float) -> None:
        """Count a model that the container has loaded."""
        self._time("ModelLoadingTime", duration_s)

    def unloaded(self, duration_s: float) -> None:
        """Count a model that the container has unloaded."""
        self._time("ModelUnloadingTime", duration_s)

    def _time(self, name: str, duration_s: float) -> None:
        self._add(_REQUESTS, name, "Microseconds", duration_s * MICROSECONDS)

    def _add(self, namespace: str, name: str, unit: str, value: float) -> None:
        series = Series(self._account, self._region, namespace, name, unit, self._dimensions)
        minute_sums_of(self._platform).add(series, self._platform.clock.now(), value)
