"""The request metrics of endpoints in CloudWatch, summed up per minute before they are stored."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sagebrush.engines.fleets import Variant
from sagebrush.engines.metrics import Counts, MetricDatum, Numbers, StatisticSet
from sagebrush.engines.metrics.counting import Key
from sagebrush.services.minute_sums import flush_minute_sums, resume_minute_sums
from sagebrush.services.platform import Context, Platform
from sagebrush.services.served import Served

_NAMESPACE = "AWS/SageMaker"
_FLUSH_INTERVAL_S = 5.0
_MINUTE_S = 60
_MICROSECONDS = 1e6
_NEVER = (0.0, None)
_WORKER = "endpoint request metrics"
_FILE = "request-counts"

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
    `concurrent` is how many invocations were under way beside it, this one included.
    """

    status: int
    model_s: float
    total_s: float
    instances: int
    concurrent: int = 0


# Where a row of counts has what: a count, or the sum, the minimum and the maximum of a value.
_COUNT, _ERRORS_4XX, _ERRORS_5XX, _ERRORS, _CONCURRENT_COUNT = range(5)
_SHARES, _MODEL, _OVERHEAD, _CONCURRENT, _CONCURRENT_PER_COPY = range(5, 20, 3)
_VALUES = (_SHARES, _MODEL, _OVERHEAD, _CONCURRENT, _CONCURRENT_PER_COPY)


class _Sums:
    """The invocations of one variant within one minute, in a row of counts."""

    __slots__ = ("_numbers",)

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    @classmethod
    def of_new(cls, numbers: Numbers) -> _Sums:
        """Return the sums of a row in which nothing is counted yet."""
        for at in _VALUES:
            numbers[at + 1], numbers[at + 2] = float("inf"), float("-inf")
        return cls(numbers)

    def add(
        self, status: int, model_s: float, total_s: float, instances: int, concurrent: int
    ) -> None:
        """Add what an `Outcome` has."""
        numbers = self._numbers
        share = 1.0 / instances if instances > 1 else 1.0
        overhead_s = total_s - model_s if total_s > model_s else 0.0
        values: tuple[float, ...] = (share, model_s * _MICROSECONDS, overhead_s * _MICROSECONDS)
        if concurrent:
            numbers[_CONCURRENT_COUNT] += 1.0
            values = (*values, concurrent, concurrent * share)
        for at, value in zip(_VALUES, values, strict=False):
            numbers[at] += value
            if value < numbers[at + 1]:
                numbers[at + 1] = value
            if value > numbers[at + 2]:
                numbers[at + 2] = value
        if not 200 <= status < 300:
            numbers[_ERRORS] += 1.0
            numbers[_ERRORS_4XX] += 400 <= status < 500
            numbers[_ERRORS_5XX] += status >= 500
        # The last, so that what is counted has its values whenever the process ends.
        numbers[_COUNT] += 1.0

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
        per_instance = ("InvocationsPerInstance", "None", self._statistics(_SHARES))
        # Each instance has the model once and tells its own requests.
        per_model = self._statistics(_CONCURRENT_PER_COPY, _CONCURRENT_COUNT)
        concurrent = ("ConcurrentRequestsPerModel", "None", per_model)
        yield from self._data(variant, minute, (per_instance, concurrent))
        configured = variant | {"EndpointConfigName": place.config}
        yield from self._data(configured, minute, (per_instance,))

    def _of_component(self, dimensions: dict[str, str], minute: int) -> Iterator[MetricDatum]:
        """Yield what the monitoring page has with the dimension InferenceComponentName."""
        more = (
            ("InvocationsPerCopy", "None", self._statistics(_SHARES)),
            (
                "ConcurrentRequestsPerCopy",
                "None",
                self._statistics(_CONCURRENT_PER_COPY, _CONCURRENT_COUNT),
            ),
            (
                "ConcurrentRequestsPerModel",
                "None",
                self._statistics(_CONCURRENT, _CONCURRENT_COUNT),
            ),
        )
        yield from self._data(dimensions, minute, more)

    def _data(
        self,
        dimensions: dict[str, str],
        minute: int,
        more: Sequence[tuple[str, str, StatisticSet]],
    ) -> Iterator[MetricDatum]:
        numbers = self._numbers
        count = numbers[_COUNT]
        for name, unit, statistics in (
            ("Invocations", "None", StatisticSet(count, count, 1.0, 1.0)),
            *more,
            ("ModelLatency", "Microseconds", self._statistics(_MODEL)),
            ("OverheadLatency", "Microseconds", self._statistics(_OVERHEAD)),
            ("Invocation4XXErrors", "None", _ones(numbers[_ERRORS_4XX], count)),
            ("Invocation5XXErrors", "None", _ones(numbers[_ERRORS_5XX], count)),
            ("InvocationModelErrors", "None", _ones(numbers[_ERRORS], count)),
        ):
            yield MetricDatum(name, dimensions, float(minute), statistics=statistics, unit=unit)

    def _statistics(self, at: int, count_at: int = _COUNT) -> StatisticSet:
        numbers = self._numbers
        return StatisticSet(numbers[count_at], numbers[at], numbers[at + 1], numbers[at + 2])


def _ones(errors: float, count: float) -> StatisticSet:
    """Return the statistics of `count` values, `errors` of them 1 and the rest 0."""
    return StatisticSet(count, errors, float(errors == count), float(errors > 0))


class RequestMetrics:
    """Counts in a file that outlives the process, stores every few seconds."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._counts = Counts(platform.db, platform.settings.data_dir / _FILE)
        self._sums: dict[tuple[Place, int], _Sums] = {}
        # The sums of the minute that begins at the first of each pair, as most are asked for.
        self._latest: dict[Variant, tuple[float, _Sums]] = {}

    def count(self, place: Place, now: float, outcome: Outcome) -> None:
        """Add one invocation that began at `now` (epoch seconds)."""
        self._sums_of(place, int(now // _MINUTE_S) * _MINUTE_S).add(*outcome)

    def sums_for(self, context: Context, name: str, variant: Variant) -> _Sums:
        """Return what invocations of a variant of the endpoint `name` are added to now."""
        begin, sums = self._latest.get(variant, _NEVER)
        if sums is None or not begin <= context.now < begin + _MINUTE_S:
            served: Served = variant.traits
            place = Place(context.account, context.region, name, variant.name, served.config_name)
            if served.component is not None:
                place = place._replace(component=served.component)
            minute = int(context.now // _MINUTE_S) * _MINUTE_S
            sums = self._sums_of(place, minute)
            self._latest[variant] = minute, sums
        return sums

    def _sums_of(self, place: Place, minute: int) -> _Sums:
        sums = self._sums.get((place, minute))
        if sums is None:
            sums = _Sums.of_new(self._counts.row((*place, minute)))
            self._sums[place, minute] = sums
        return sums

    def flush(self) -> None:
        """Store everything counted so far, also by an earlier server that was killed."""
        self._counts.store(self._put)
        self._sums.clear()
        self._latest.clear()

    def _put(self, key: Key, numbers: Numbers) -> None:
        *names, minute = key
        place = Place(*map(str, names))
        if numbers[_COUNT]:
            data = list(_Sums(numbers).data(place, int(minute)))
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
    # This one is over by now.
    concurrent = variant.outstanding + 1
    metrics_of(context.platform).sums_for(context, name, variant).add(
        status, ended - started, ended - context.began, variant.healthy_count, concurrent
    )


async def start(platform: Platform) -> None:
    """Store what an earlier server counted, and begin storing at intervals."""
    metrics_of(platform).flush()
    resume_minute_sums(platform)
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
            _log.exception("the metrics of some invocations are not stored yet")
