"""Metrics of multi-model endpoints (multi-model-endpoint-cloudwatch-metrics.md)."""

from __future__ import annotations

from sagebrush.engines.metrics import MetricDatum
from sagebrush.services.minute_sums import MICROSECONDS, Series, minute_sums_of
from sagebrush.services.platform import Platform

_REQUESTS = "AWS/SageMaker"
_INSTANCES = "/aws/sagemaker/Endpoints"
# The longest that is filled in at once: a day.
_MAX_MINUTES = 24 * 60


class Measures:
    """What happens to the models of one instance of a variant."""

    def __init__(
        self, platform: Platform, account: str, region: str, endpoint: str, variant: str
    ) -> None:
        self._platform = platform
        self._account = account
        self._region = region
        self._dimensions = (("EndpointName", endpoint), ("VariantName", variant))
        # The last minute that has a count.
        self._minute = self._now() - 1

    def counted(self, loaded_count: int) -> None:
        """Tell how many models are loaded, for each minute that began since this was told last.

        One value per instance and minute: their sum is the number of models of all.
        """
        first = max(self._minute + 1, self._now() - _MAX_MINUTES)
        self._minute = self._now()
        data = [
            MetricDatum("LoadedModelCount", dict(self._dimensions), minute * 60.0, loaded_count)
            for minute in range(first, self._minute + 1)
        ]
        if data:
            self._platform.metrics.put(self._account, self._region, _INSTANCES, data)

    def uncounted(self) -> None:
        """Leave out the minutes since a count was told last: nobody could answer."""
        self._minute = self._now()

    def taken(self, waited_s: float, *, was_loaded: bool) -> None:
        """Count a request that has its model, and what it waited for that."""
        self._add(_REQUESTS, "ModelCacheHit", "None", float(was_loaded))
        if not was_loaded:
            self._time("ModelLoadingWaitTime", waited_s)

    def downloaded(self, duration_s: float) -> None:
        """Count a model that was fetched from S3."""
        self._time("ModelDownloadingTime", duration_s)

    def loaded(self, duration_s: float) -> None:
        """Count a model that the container has loaded."""
        self._time("ModelLoadingTime", duration_s)

    def unloaded(self, duration_s: float) -> None:
        """Count a model that the container has unloaded."""
        self._time("ModelUnloadingTime", duration_s)

    def _now(self) -> int:
        return int(self._platform.clock.now() // 60)

    def _time(self, name: str, duration_s: float) -> None:
        self._add(_REQUESTS, name, "Microseconds", duration_s * MICROSECONDS)

    def _add(self, namespace: str, name: str, unit: str, value: float) -> None:
        series = Series(self._account, self._region, namespace, name, unit, self._dimensions)
        minute_sums_of(self._platform).add(series, self._platform.clock.now(), value)
