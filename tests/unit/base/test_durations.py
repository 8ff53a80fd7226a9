"""Lengths of time as they are typed and shown; how a clock is to begin."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagebrush.base.adjustable_clock import AdjustableClock
from sagebrush.base.clock_setting import ClockSetting, check_rate, parse_clock
from sagebrush.base.durations import format_duration, parse_duration
from sagebrush.base.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("24h", 86_400), ("7d", 604_800), ("1h30m", 5400), ("0.5s", 0.5)],
)
def test_lengths(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "1", "h", "-1h", "1w", "1m1h", "1h1h", "1h 3m", "٣s", "1.h"])
def test_no_lengths(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is no length of time"):
        parse_duration(text)


@given(st.integers(0, 10**8))
def test_what_is_shown_can_be_typed(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.text())
def test_any_text_is_a_length_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        assert parse_duration(text) >= 0


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("real", ClockSetting(None)),
        ("go", ClockSetting(1.0)),
        ("x60", ClockSetting(60.0)),
        ("x0.5", ClockSetting(0.5)),
        ("stopped", ClockSetting(0.0)),
        ("stopped@2026-01-01T00:00:00Z", ClockSetting(0.0, 1_767_225_600.0)),
        ("stopped@2026-01-01", ClockSetting(0.0, 1_767_225_600.0)),
        ("x60@2026-01-01T01:00:00+01:00", ClockSetting(60.0, 1_767_225_600.0)),
    ],
)
def test_clocks(text: str, setting: ClockSetting) -> None:
    assert parse_clock(text) == setting


@pytest.mark.parametrize(
    "text", ["", "fast", "60", "x", "x-1", "real@2026-01-01", "stopped@", "stopped@noon", "x1e9"]
)
def test_no_clocks(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"is no clock|ISO 8601"):
        parse_clock(text)


@pytest.mark.parametrize("rate", [-1.0, 1e9, float("nan"), float("inf")])
def test_no_rates(rate: float) -> None:
    with pytest.raises(ConfigurationError, match="is no rate"):
        check_rate(rate)


def test_a_used_directory_is_not_sent_into_its_past(tmp_path: Path) -> None:
    clock = AdjustableClock(tmp_path / "clock.json")
    past = ClockSetting(0.0, time.time() - 3600)
    with pytest.raises(ConfigurationError, match="choose an empty --data"):
        past.apply(clock, used=True)
    past.apply(clock, used=False)
    assert clock.now() == past.moment
    ClockSetting(None).apply(clock, used=True)
    assert clock.now is time.time
    ahead = ClockSetting(0.0, time.time() + 3600)
    ahead.apply(clock, used=True)
    with pytest.raises(ConfigurationError, match="never goes backwards"):
        ClockSetting(None).apply(clock, used=True)
    with pytest.raises(ConfigurationError, match="never goes backwards"):
        past.apply(clock, used=True)
