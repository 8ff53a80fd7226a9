"""The request metrics of endpoints in CloudWatch, summed up per minute before they are stored."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sagebrush.engines.fleets import Variant
from sagebrush.engines.metrics import MetricDatum, StatisticSet
from sagebrush.services.minute_sums import flush_minute_sums
from sagebrush.services.platform import Context, Platform
from sagebrush.services.served import Served

_NAMESPACE = "AWS/SageMaker"
_FLUSH_INTERVAL_S = 5.0
_MICROSECONDS = 1e6
_WORKER = "endpoint request metrics"

_log = logging.getLogger(__name__)


class Place(NamedTuple):
    """Whose metrics: one variant of one endpoint, as one of its configurations has it.

    `component` is the inference component that was asked, where the endpoint hosts such.
    """

    account: str
    region: str
    endpoint: str
    variant: str
    config: str
    component: str = ""


class Outcome(NamedTuple):
    """One invocation; status 0 when the model server gave no answer at all.

    `instances` is how many of the variant served at the time: of a component, how many copies.
    `concurrent` is how many invocations of the component were under way, this one included.
    """

    status: int
    model_s: float
    total_s: float
    instances: int
    concurrent: int = 0


class _Sums:
    """The invocations of one variant within one minute."""

    __slots__ = (
        *("concurrent", "concurrent_per_copy", "errors", "errors_4xx", "errors_5xx", "model"),
        *("overhead", "shares"),
    )

    def __init__(self) -> None:
        self.shares = _Sum()
        self.model = _Sum()
        self.overhead = _Sum()
        self.concurrent = _Sum()
        self.concurrent_per_copy = _Sum()
        self.errors_4xx = self.errors_5xx = self.errors = 0

    def add(self, outcome: Outcome) -> None:
        self.shares.add(1.0 / (outcome.instances or 1))
        self.model.add(outcome.model_s * _MICROSECONDS)
        self.overhead.add(max(0.0, outcome.total_s - outcome.model_s) * _MICROSECONDS)
        if outcome.concurrent:
            self.concurrent.add(outcome.concurrent)
            self.concurrent_per_copy.add(outcome.concurrent / (outcome.instances or 1))
        status = outcome.status
        if not 200 <= status < 300:
            self.errors += 1
            self.errors_4xx += 400 <= status < 500
            self.errors_5xx += status >= 500

    def data(self, place: Place, minute: int) -> Iterator[MetricDatum]:
        """Yield the minute's metrics, of the variant and of the variant in its configuration.

        The latter let an alarm watch the new fleet of a deployment alone, or the old one
        (deployment-guardrails-configuration.md).
        """
        variant = {"EndpointName": place.endpoint, "VariantName": place.variant}
        if place.component:
            yield from self._data(variant, minute, ())
            yield from self._of_component({"InferenceComponentName": place.component}, minute)
            return
        per_instance = ("InvocationsPerInstance", "None", self.shares.statistics())
        for dimensions in (variant, variant | {"EndpointConfigName": place.config}):
            yield from self._data(dimensions, minute, (per_instance,))

    def _of_component(self, dimensions: dict[str, str], minute: int) -> Iterator[MetricDatum]:
        """Yield what the monitoring page has with the dimension InferenceComponentName."""
        more = (
            ("InvocationsPerCopy", "None", self.shares.statistics()),
            ("ConcurrentRequestsPerCopy", "None", self.concurrent_per_copy.statistics()),
            ("ConcurrentRequestsPerModel", "None", self.concurrent.statistics()),
        )
        yield from self._data(dimensions, minute, more)

    def _data(
        self,
        dimensions: dict[str, str],
        minute: int,
        more: Sequence[tuple[str, str, StatisticSet]],
    ) -> Iterator[MetricDatum]:
        count = self.shares.count
        for name, unit, statistics in (
            ("Invocations", "None", StatisticSet(count, count, 1.0, 1.0)),
            *more,
            ("ModelLatency", "Microseconds", self.model.statistics()),
            ("OverheadLatency", "Microseconds", self.overhead.statistics()),
            ("Invocation4XXErrors", "None", _ones(self.errors_4xx, count)),
            ("Invocation5XXErrors", "None", _ones(self.errors_5xx, count)),
            ("InvocationModelErrors", "None", _ones(self.errors, count)),
        ):
            yield MetricDatum(name, dimensions, float(minute), statistics=statistics, unit=unit)


class _Sum:
    __slots__ = ("count", "maximum", "minimum", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.minimum = float("inf")
        self.maximum = float("-inf")

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value
        if value < self.minimum:
            self.minimum = value
        if value > self.maximum:
            self.maximum = value

    def statistics(self) -> StatisticSet:
        return StatisticSet(self.count, self.total, self.minimum, self.maximum)


def _ones(errors: int, count: int) -> StatisticSet:
    """Return the statistics of `count` values, `errors` of them 1 and the rest 0."""
    return StatisticSet(count, errors, float(errors == count), float(errors > 0))


class RequestMetrics:
    """Counts in memory, stores every few seconds."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._sums: dict[tuple[Place, int], _Sums] = {}

    def count(self, place: Place, now: float, outcome: Outcome) -> None:
        """Add one invocation that began at `now` (epoch seconds)."""
        key = place, int(now // 60) * 60
        sums = self._sums.get(key)
        if sums is None:
            sums = self._sums[key] = _Sums()
        sums.add(outcome)

    def flush(self) -> None:
        """Store everything counted so far."""
        counted, self._sums = self._sums, {}
        for (place, minute), sums in counted.items():
            data = list(sums.data(place, minute))
            self._platform.metrics.put(place.account, place.region, _NAMESPACE, data)


def metrics_of(platform: Platform) -> RequestMetrics:
    """Return the counters of a server."""
    found: RequestMetrics | None = platform.workers.get(_WORKER)
    if found is None:
        found = platform.workers[_WORKER] = RequestMetrics(platform)
    return found


def count(context: Context, name: str, variant: Variant, status: int, started: float) -> None:
    """Count an invocation of a variant that the model was asked at `started` (perf_counter)."""
    ended = time.perf_counter()
    model_s, total_s = ended - started, ended - context.began
    served: Served = variant.traits
    place = Place(context.account, context.region, name, variant.name, served.config_name)
    outcome = Outcome(status, model_s, total_s, variant.healthy_count)
    if served.component is not None:
        place = place._replace(component=served.component)
        # This one is over by now.
        others = sum(instance.outstanding for instance in variant.instances)
        outcome = outcome._replace(concurrent=others + 1)
    metrics_of(context.platform).count(place, context.now, outcome)


async def start(platform: Platform) -> None:
    """Begin storing at intervals."""
    platform.metrics.before_read.append(metrics_of(platform).flush)
    platform.spawn(_flush_for_ever(metrics_of(platform)), _WORKER, looks_on=True)


async def stop(platform: Platform) -> None:
    """Store what is left."""
    metrics_of(platform).flush()
    flush_minute_sums(platform)


async def _flush_for_ever(metrics: RequestMetrics) -> None:
    while True:
        await asyncio.sleep(_FLUSH_INTERVAL_S)
        try:
            metrics.flush()
        except Exception:  # noqa: BLE001 - a full disk now must not end all metrics
            _log.exception("the metrics of some invocations are lost")
