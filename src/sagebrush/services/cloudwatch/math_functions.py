"""The functions of metric mathematics.

Aggregates (`AVG`, `SUM`...) turn a series into a number and an array into a series over its
members; the other functions work on each series of an array.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from sagebrush.services.cloudwatch.math_values import (
    ExpressionError,
    Function,
    Scope,
    Timeline,
    Value,
    check_length,
)


def _only(arguments: Sequence[Value], number: int = 1) -> Value:
    if len(arguments) != number:
        raise ExpressionError(f"the function takes {number} argument(s), {len(arguments)} given")
    return arguments[0]


def _series(value: Value) -> Timeline:
    if not isinstance(value, Timeline):
        raise ExpressionError("the function takes a time series")
    return value


def _all_series(value: Value) -> list[Timeline]:
    if isinstance(value, Timeline):
        return [value]
    if isinstance(value, list):
        return value
    raise ExpressionError("the function takes a time series or an array")


def _ordered(timeline: Timeline) -> list[tuple[float, float]]:
    return sorted(timeline.points.items())


def _pointwise(compute: Callable[[float], float | None]) -> Function:
    def convert(timeline: Timeline) -> Timeline:
        computed = ((time, compute(value)) for time, value in timeline.points.items())
        return timeline.with_points({t: v for t, v in computed if v is not None})

    def function(scope: Scope, arguments: Sequence[Value]) -> Value:
        del scope
        value = _only(arguments)
        if isinstance(value, list):
            return [convert(item) for item in value]
        if isinstance(value, Timeline):
            return convert(value)
        if isinstance(value, float) and (computed := compute(value)) is not None:
            return computed
        raise ExpressionError("the function takes a number or a time series")

    return function


def _per_series(convert: Callable[[Timeline], Timeline]) -> Function:
    def function(scope: Scope, arguments: Sequence[Value]) -> Value:
        del scope
        value = _only(arguments)
        if isinstance(value, list):
            return [convert(item) for item in value]
        return convert(_series(value))

    return function


def _aggregate(compute: Callable[[list[float]], float]) -> Function:
    def function(scope: Scope, arguments: Sequence[Value]) -> Value:
        value = _only(arguments)
        if isinstance(value, list):
            at_time: dict[float, list[float]] = {}
            for timeline in value:
                for time, point in timeline.points.items():
                    at_time.setdefault(time, []).append(point)
            points = {time: compute(numbers) for time, numbers in at_time.items()}
            return Timeline(points, scope.period_s, scope.grid)
        numbers = list(_series(value).points.values())
        if not numbers:
            raise ExpressionError("the time series is empty")
        return float(compute(numbers))

    return function


def _endpoint(index: int) -> Function:
    """FIRST and LAST: the first or last series of an array, or value of a series."""

    def function(scope: Scope, arguments: Sequence[Value]) -> Value:
        del scope
        value = _only(arguments)
        if isinstance(value, list) and value:
            return value[index]
        points = _ordered(_series(value))
        if not points:
            raise ExpressionError("the time series is empty")
        return points[index][1]

    return function


def _differences(timeline: Timeline) -> Timeline:
    points = _ordered(timeline)
    pairs = itertools.pairwise(points)
    return timeline.with_points({later[0]: later[1] - earlier[1] for earlier, later in pairs})


def _time_differences(timeline: Timeline) -> Timeline:
    points = _ordered(timeline)
    pairs = itertools.pairwise(points)
    return timeline.with_points({later[0]: later[0] - earlier[0] for earlier, later in pairs})


def _rates(timeline: Timeline) -> Timeline:
    """Change per second between neighbouring points."""
    points = _ordered(timeline)
    pairs = itertools.pairwise(points)
    return timeline.with_points(
        {later[0]: (later[1] - earlier[1]) / (later[0] - earlier[0]) for earlier, later in pairs}
    )


def _running_sum(timeline: Timeline) -> Timeline:
    total = 0.0
    points = {}
    for time, value in _ordered(timeline):
        total += value
        points[time] = total
    return timeline.with_points(points)


def _fill(scope: Scope, arguments: Sequence[Value]) -> Value:
    del scope
    _only(arguments, 2)
    value, filler = arguments
    if isinstance(value, list):
        return [_filled(item, filler) for item in value]
    return _filled(_series(value), filler)


def _filled(timeline: Timeline, filler: Value) -> Timeline:
    """Return the series with a value at every time of its grid."""
    check_length(timeline.grid)
    times = [float(time) for time in timeline.grid]
    if isinstance(filler, Timeline):
        return timeline.with_points(filler.points | timeline.points)
    if isinstance(filler, float):
        return timeline.with_points(dict.fromkeys(times, filler) | timeline.points)
    if filler == "REPEAT":
        return timeline.with_points(_repeated(timeline, times))
    if filler == "LINEAR":
        return timeline.with_points(_interpolated(timeline, times))
    raise ExpressionError("FILL takes a number, a time series, REPEAT or LINEAR")


def _repeated(timeline: Timeline, times: list[float]) -> dict[float, float]:
    points = {}
    last = None
    for time in times:
        last = timeline.points.get(time, last)
        if last is not None:
            points[time] = last
    return points


def _interpolated(timeline: Timeline, times: list[float]) -> dict[float, float]:
    known = _ordered(timeline)
    points = dict(timeline.points)
    for (start, low), (end, high) in itertools.pairwise(known):
        for time in times:
            if start < time < end:
                points[time] = low + (high - low) * (time - start) / (end - start)
    return points


def _if(scope: Scope, arguments: Sequence[Value]) -> Value:
    if len(arguments) not in (2, 3):
        raise ExpressionError("IF takes two or three arguments")
    condition, then = arguments[0], arguments[1]
    otherwise = arguments[2] if len(arguments) == 3 else None
    if isinstance(condition, float):
        chosen = then if condition else otherwise
        if chosen is None:
            return Timeline({}, scope.period_s, scope.grid)
        return scope.constant(chosen) if isinstance(chosen, float) else chosen
    mask = _series(condition)
    points = {}
    for time, met in mask.points.items():
        value = _at(then if met else otherwise, time)
        if value is not None:
            points[time] = value
    return mask.with_points(points)


def _at(value: Value | None, time: float) -> float | None:
    if value is None or isinstance(value, float):
        return value
    return _series(value).points.get(time)


def _metrics(scope: Scope, arguments: Sequence[Value]) -> Value:
    if arguments and not isinstance(arguments[0], str):
        raise ExpressionError("METRICS takes a string")
    part = str(arguments[0]) if arguments else ""
    return [
        timeline for name in scope.metric_ids if part in name for timeline in scope.resolve(name)
    ]


def _period(scope: Scope, arguments: Sequence[Value]) -> Value:
    del scope
    return float(_series(_only(arguments)).period_s)


def _time_series(scope: Scope, arguments: Sequence[Value]) -> Value:
    value = _only(arguments)
    if not isinstance(value, float):
        raise ExpressionError("TIME_SERIES takes a number")
    return scope.constant(value)


def _metric_count(scope: Scope, arguments: Sequence[Value]) -> Value:
    del scope
    return float(len(_all_series(_only(arguments))))


def _datapoint_count(scope: Scope, arguments: Sequence[Value]) -> Value:
    del scope
    return float(len(_series(_only(arguments)).points))


def _remove_empty(scope: Scope, arguments: Sequence[Value]) -> Value:
    del scope
    return [timeline for timeline in _all_series(_only(arguments)) if timeline.points]


def _slice(scope: Scope, arguments: Sequence[Value]) -> Value:
    del scope
    if len(arguments) not in (2, 3):
        raise ExpressionError("SLICE takes two or three arguments")
    bounds = [int(bound) for bound in arguments[1:] if isinstance(bound, float)]
    timelines = _all_series(arguments[0])
    return timelines[slice(*bounds)] if len(bounds) == 2 else timelines[bounds[0] :]


_SORT_KEYS: dict[str, Callable[[list[float]], float]] = {
    "AVG": statistics.fmean,
    "MAX": max,
    "MIN": min,
    "SUM": math.fsum,
}


def _sort(scope: Scope, arguments: Sequence[Value]) -> Value:
    del scope
    if len(arguments) not in (3, 4) or arguments[1] not in _SORT_KEYS:
        raise ExpressionError("SORT takes an array, one of AVG, MAX, MIN, SUM, and ASC or DESC")
    key = _SORT_KEYS[str(arguments[1])]
    ordered = sorted(
        (t for t in _all_series(arguments[0]) if t.points),
        key=lambda timeline: key([value for _, value in _ordered(timeline)]),
        reverse=arguments[2] == "DESC",
    )
    if len(arguments) == 4:
        limit = arguments[3]
        if not isinstance(limit, float):
            raise ExpressionError("SORT takes a number as its fourth argument")
        return ordered[: int(limit)]
    return ordered


def _calendar(part: Callable[[datetime], float]) -> Function:
    def convert(timeline: Timeline) -> Timeline:
        return timeline.with_points(
            {time: float(part(datetime.fromtimestamp(time, UTC))) for time in timeline.points}
        )

    return _per_series(convert)


FUNCTIONS: dict[str, Function] = {
    "ABS": _pointwise(abs),
    "AVG": _aggregate(statistics.fmean),
    "CEIL": _pointwise(lambda value: float(math.ceil(value))),
    "DATAPOINT_COUNT": _datapoint_count,
    "DATE": _calendar(lambda moment: moment.day),
    "DAY": _calendar(lambda moment: moment.isoweekday()),
    "DIFF": _per_series(_differences),
    "DIFF_TIME": _per_series(_time_differences),
    "EPOCH": _calendar(lambda moment: moment.timestamp()),
    "FILL": _fill,
    "FIRST": _endpoint(0),
    "FLOOR": _pointwise(lambda value: float(math.floor(value))),
    "HOUR": _calendar(lambda moment: moment.hour),
    "IF": _if,
    "LAST": _endpoint(-1),
    "LOG": _pointwise(lambda value: math.log(value) if value > 0 else None),
    "LOG10": _pointwise(lambda value: math.log10(value) if value > 0 else None),
    "MAX": _aggregate(max),
    "METRICS": _metrics,
    "METRIC_COUNT": _metric_count,
    "MIN": _aggregate(min),
    "MINUTE": _calendar(lambda moment: moment.minute),
    "MONTH": _calendar(lambda moment: moment.month),
    "PERIOD": _period,
    "RATE": _per_series(_rates),
    "REMOVE_EMPTY": _remove_empty,
    "RUNNING_SUM": _per_series(_running_sum),
    "SLICE": _slice,
    "SORT": _sort,
    "STDDEV": _aggregate(statistics.pstdev),
    "SUM": _aggregate(math.fsum),
    "TIME_SERIES": _time_series,
    "YEAR": _calendar(lambda moment: moment.year),
}
