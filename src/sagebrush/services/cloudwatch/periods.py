"""Periods and time ranges as CloudWatch takes them."""

from __future__ import annotations

from typing import Any

_DAY_S = 86_400
_SHORT_PERIODS_S = (1, 5, 10, 30)


def is_period(period_s: int) -> bool:
    """Return whether data can be aggregated over `period_s` seconds."""
    return period_s in _SHORT_PERIODS_S or period_s % 60 == 0


def aligned_start(start: float, now: float, period_s: int) -> float:
    """Return where the first period begins: the older the data, the coarser the rounding."""
    age_s = now - start
    if age_s > 63 * _DAY_S:
        step_s = 3600
    elif age_s > 15 * _DAY_S:
        step_s = 300
    else:
        step_s = min(period_s, 60)
    return start // step_s * step_s


def dimensions_of(metric: dict[str, Any]) -> dict[str, str]:
    """Return a metric's `Dimensions` as a mapping."""
    return {d["Name"]: d["Value"] for d in metric.get("Dimensions", [])}
