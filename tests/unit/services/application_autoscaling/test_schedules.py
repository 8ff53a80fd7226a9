"""Schedule expressions: cron by a slow and simple reading of it, the rest by examples."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagebrush.services.application_autoscaling.schedules import ScheduleError, parse

START = datetime(2026, 1, 1, tzinfo=UTC)


def runs(text: str, begin: str, count: int = 3, zone: str | None = None) -> list[str]:
    """Return the next local times of an expression after a UTC time."""
    schedule = parse(text, zone)
    moment: float | None = datetime.fromisoformat(f"{begin}+00:00").timestamp()
    told = []
    for _ in range(count):
        assert moment is not None
        moment = schedule.after(moment, moment)
        if moment is None:
            break
        local = datetime.fromtimestamp(moment, ZoneInfo(zone or "UTC"))
        told.append(local.strftime("%Y-%m-%dT%H:%M"))
    return told


@st.composite
def fields(draw: st.DrawFn) -> tuple[list[set[int]], str]:
    """Return what minute, hour, month and weekday (SUN is 1) may be, and the expression."""
    chosen, texts = [], []
    for low, high in ((0, 59), (0, 23), (1, 12), (1, 7)):
        first = draw(st.integers(low, high))
        last = draw(st.integers(first, high))
        step = draw(st.integers(1, 5))
        extra = draw(st.sets(st.integers(low, high), max_size=2))
        chosen.append({*range(first, last + 1, step), *extra})
        parts = [f"{first}-{last}/{step}", *map(str, extra)]
        texts.append(",".join(parts))
    minute, hour, month, weekday = texts
    return chosen, f"cron({minute} {hour} ? {month} {weekday} *)"


@settings(max_examples=60, deadline=None)
@given(fields(), st.integers(0, 366 * 24 * 60))
def test_cron_runs_next_where_every_field_fits(
    given_fields: tuple[list[set[int]], str], offset: int
) -> None:
    (minutes, hours, months, weekdays), text = given_fields
    moment = START + timedelta(minutes=offset)
    schedule = parse(text)
    found = schedule.after(moment.timestamp(), 0.0)
    assert found is not None
    told = datetime.fromtimestamp(found, UTC)
    assert told > moment
    assert told.minute in minutes
    assert told.hour in hours
    assert told.month in months
    assert told.isoweekday() % 7 + 1 in weekdays
    # Nothing before it fits: checked day by day, and within its own day minute by minute.
    day = moment.date()
    while day < told.date():
        if day.month in months and day.isoweekday() % 7 + 1 in weekdays:
            assert day == moment.date()
            last = datetime(day.year, day.month, day.day, max(hours), max(minutes), tzinfo=UTC)
            assert last <= moment
        day += timedelta(days=1)
    earlier = told - timedelta(minutes=1)
    while earlier > moment and earlier.date() == told.date():
        assert not (earlier.minute in minutes and earlier.hour in hours)
        earlier -= timedelta(minutes=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cron(0 10 * * ? *)", ["2026-01-01T10:00", "2026-01-02T10:00", "2026-01-03T10:00"]),
        ("cron(15 12 ? * MON-FRI *)", ["2026-01-01T12:15", "2026-01-02T12:15", "2026-01-05T12:15"]),
        ("cron(0/20 6 1 JAN ? *)", ["2026-01-01T06:00", "2026-01-01T06:20", "2026-01-01T06:40"]),
        ("cron(0 0 L * ? *)", ["2026-01-31T00:00", "2026-02-28T00:00", "2026-03-31T00:00"]),
        ("cron(0 0 LW * ? *)", ["2026-01-30T00:00", "2026-02-27T00:00", "2026-03-31T00:00"]),
        ("cron(0 0 1W * ? *)", ["2026-02-02T00:00", "2026-03-02T00:00", "2026-04-01T00:00"]),
        ("cron(0 0 1W 8 ? *)", ["2026-08-03T00:00", "2027-08-02T00:00", "2028-08-01T00:00"]),
        ("cron(0 0 31W * ? *)", ["2026-01-30T00:00", "2026-03-31T00:00", "2026-05-29T00:00"]),
        ("cron(0 0 ? * 6L *)", ["2026-01-30T00:00", "2026-02-27T00:00", "2026-03-27T00:00"]),
        ("cron(0 0 ? * TUE#5 *)", ["2026-03-31T00:00", "2026-06-30T00:00", "2026-09-29T00:00"]),
        ("cron(0 0 ? * L *)", ["2026-01-03T00:00", "2026-01-10T00:00", "2026-01-17T00:00"]),
        ("cron(0 0 29 2 ? *)", ["2028-02-29T00:00", "2032-02-29T00:00", "2036-02-29T00:00"]),
        ("cron(0 0 1 1 ? 2025-2027/2)", ["2027-01-01T00:00"]),
        ("cron(0 0 30 2 ? *)", []),
        ("at(2026-02-03T04:05:06)", ["2026-02-03T04:05"]),
        ("at(2025-02-03T04:05:06)", []),
        ("rate(1 hour)", ["2026-01-01T01:00", "2026-01-01T02:00", "2026-01-01T03:00"]),
        ("rate(2 days)", ["2026-01-03T00:00", "2026-01-05T00:00", "2026-01-07T00:00"]),
    ],
)
def test_examples(text: str, expected: list[str]) -> None:
    assert runs(text, "2026-01-01T00:00:00") == expected


def test_rates_count_from_their_begin() -> None:
    rate = parse("rate(5 minutes)")
    assert [rate.after(moment, 1000.0) for moment in (0, 1000, 1299, 1300)] == [
        1000,
        1300,
        1300,
        1600,
    ]


def test_local_times_follow_the_clocks() -> None:
    daily = "cron(30 2 * * ? *)"
    # Clocks skip 02:30 on 29 March 2026 and show it twice on 25 October.
    told = runs(daily, "2026-03-28T00:00:00", 3, "Europe/Berlin")
    assert told == ["2026-03-28T02:30", "2026-03-29T03:30", "2026-03-30T02:30"]
    told = runs(daily, "2026-10-24T00:00:00", 3, "Europe/Berlin")
    assert told == ["2026-10-24T02:30", "2026-10-25T02:30", "2026-10-26T02:30"]
    assert runs("at(2026-07-01T12:00:00)", "2026-07-01T09:59:00", 1, "Europe/Berlin") == [
        "2026-07-01T12:00"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "at(tomorrow)",
        "rate(0 minutes)",
        "rate(1 minutes)",
        "rate(2 minute)",
        "rate(2 weeks)",
        "rate(two days)",
        "cron(0 0 * * *)",
        "cron(0 0 * * * *)",
        "cron(0 0 ? * ? *)",
        "cron(60 0 * * ? *)",
        "cron(0 24 * * ? *)",
        "cron(0 0 32 * ? *)",
        "cron(0 0 * 13 ? *)",
        "cron(0 0 ? * 8 *)",
        "cron(0 0 ? * MON#6 *)",
        "cron(5-1 0 * * ? *)",
        "cron(*/0 0 * * ? *)",
        "cron(a 0 * * ? *)",
        "cron(0 0 * * ? 1969)",
    ],
)
def test_what_cannot_be_read(text: str) -> None:
    with pytest.raises(ScheduleError):
        parse(text)


@given(st.text(alphabet="atrecon()0123456789 *?/-,LW#MONabc:T", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    for kind in (text, f"cron({text})", f"rate({text})", f"at({text})"):
        try:
            parse(kind)
        except ScheduleError:
            continue
