"""Metrics of asynchronous endpoints, and what their data logs say.

The developer guide's page "Monitor asynchronous endpoint" lists every metric there is; others of
real-time endpoints are not published.
"""

from __future__ import annotations

from sagebrush.engines.metrics import MetricDatum
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker_runtime.asynchronous.records import Endpoint, Request
from sagebrush.wire.timestamps import format_iso8601_milliseconds

NAMESPACE = "AWS/SageMaker"
_UNITS = {
    "Invocation4XXErrors": "None",
    "Invocation5XXErrors": "None",
    "ModelLatency": "Microseconds",
    "RequestDownloadFailures": "Count",
    "ResponseUploadFailures": "Count",
    "NotificationFailures": "Count",
    "RequestDownloadLatency": "Microseconds",
    "ResponseUploadLatency": "Microseconds",
    "ExpiredRequests": "Count",
    "InvocationFailures": "Count",
    # Three s: the name that the service itself uses.
    "InvocationsProcesssed": "Count",
    "TimeInBacklog": "Milliseconds",
    "TotalProcessingTime": "Milliseconds",
}


class Measures:
    """What is counted and written down about the requests of one variant of an endpoint.

    `stream` is the variant's, or that of one of its instances.
    """

    def __init__(self, platform: Platform, endpoint: Endpoint, variant: str, stream: str) -> None:
        self._platform = platform
        self._endpoint = endpoint
        self._dimensions = {"EndpointName": endpoint.name, "VariantName": variant}
        self._data: list[MetricDatum] = []
        self._stream = f"{stream}/data-log"

    def count(self, name: str, value: float = 1.0) -> None:
        """Add a value of a metric; it is kept by `store`."""
        now = self._platform.clock.now()
        self._data.append(MetricDatum(name, self._dimensions, now, value=value, unit=_UNITS[name]))

    def store(self) -> None:
        """Store what was counted; joins the transaction under way, so that nothing counts twice."""
        data, self._data = self._data, []
        given = self._endpoint
        self._platform.metrics.put(given.account, given.region, NAMESPACE, data)

    def note(self, request: Request, words: str) -> None:
        """Add a line about a request to the data log; joins the transaction under way."""
        now = self._platform.clock.now()
        time = format_iso8601_milliseconds(now).removesuffix("Z")
        self._platform.logs.put(
            self._endpoint.account,
            self._endpoint.region,
            f"/aws/sagemaker/Endpoints/{self._endpoint.name}",
            self._stream,
            [(int(now * 1000), f"{time}:[sagemaker logs] [{request.inference_id}] {words}")],
            create=True,
        )
