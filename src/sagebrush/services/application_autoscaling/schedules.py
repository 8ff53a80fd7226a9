"""When a scheduled action runs: at(...), rate(...) and cron(...) expressions.

Source: the user guide's page "Schedule recurring scaling actions using cron expressions". Times of
at and cron are local to a time zone, UTC by default; everything returned is epoch seconds.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from zoneinfo import ZoneInfo

from sagebrush.base.errors import SagebrushError

_EXPRESSION = re.compile(r"\s*(at|rate|cron)\s*\((.*)\)\s*", re.DOTALL)
_UNITS_S = {"minute": 60, "hour": 3600, "day": 86_400}
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_WEEK = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_DAYS = {name: number for number, name in enumerate(_WEEK, 1)}
_FIRST_YEAR, _LAST_YEAR = 1970, 2199
_MAX_VALUE = 10**6

DayTest = Callable[[date], bool]


class ScheduleError(SagebrushError):
    """An expression or a time zone cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class At:
    """Once."""

    moment: float

    def after(self, moment: float, _begin: float) -> float | None:
        """Return when it runs next after `moment`, None when never again."""
        return self.moment if self.moment > moment else None


@dataclass(frozen=True, slots=True)
class Rate:
    """At regular intervals from `begin` on."""

    interval_s: int

    def after(self, moment: float, begin: float) -> float | None:
        """Return when it runs next after `moment`."""
        if moment < begin:
            return begin
        return begin + ((moment - begin) // self.interval_s + 1) * self.interval_s


@dataclass(frozen=True, slots=True)
class Cron:
    """At the minutes whose local time fits every field."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: frozenset[int]
    years: frozenset[int]
    day_of_month: DayTest
    day_of_week: DayTest
    zone: tzinfo

    def after(self, moment: float, _begin: float) -> float | None:
        """Return when it runs next after `moment`, None when never again.

        A time that clocks skip when summer begins runs as much later; one that they show twice
        when it ends runs the first time.
        """
        for day in self._days(datetime.fromtimestamp(moment, self.zone).date()):
            times = [
                datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone).timestamp()
                for hour in self.hours
                for minute in self.minutes
            ]
            later = [time for time in times if time > moment]
            if later:
                return min(later)
        return None

    def _days(self, first: date) -> Iterator[date]:
        for year in range(first.year, _LAST_YEAR + 1):
            if year not in self.years:
                continue
            for month in sorted(self.months):
                for number in range(1, calendar.monthrange(year, month)[1] + 1):
                    day = date(year, month, number)
                    if day >= first and self.day_of_month(day) and self.day_of_week(day):
                        yield day


Schedule = At | Rate | Cron


def parse(text: str, timezone: str | None = None) -> Schedule:
    """Return what an expression says.

    Raises:
        ScheduleError: it, or the time zone, cannot be read.
    """
    matched = _EXPRESSION.fullmatch(text)
    if matched is None:
        raise ScheduleError(f"{text} is no at, rate or cron expression.")
    kind, inner = matched.groups()
    # A rate knows no time zone; one that cannot be read is refused all the same.
    zone = _zone(timezone)
    if kind == "rate":
        return _rate(inner)
    return _at(inner.strip(), zone) if kind == "at" else _cron(inner.split(), zone)


def _zone(name: str | None) -> tzinfo:
    if name is None or name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise ScheduleError(f"Timezone {name} is no time zone.") from None


def _at(text: str, zone: tzinfo) -> At:
    try:
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=zone)
    except ValueError:
        raise ScheduleError(f"{text} is not of the form yyyy-mm-ddThh:mm:ss.") from None
    return At(moment.timestamp())


def _rate(text: str) -> Rate:
    words = text.split()
    if len(words) != 2 or not words[0].isascii() or not words[0].isdigit():
        raise ScheduleError(f"rate({text}) is not of the form rate(value unit).")
    value, unit = int(words[0]), words[1]
    if not 0 < value <= _MAX_VALUE:
        raise ScheduleError("The value of a rate must be a positive integer.")
    singular = unit.removesuffix("s")
    if singular not in _UNITS_S or (unit == singular) != (value == 1):
        raise ScheduleError(f"rate({text}) needs minute, hour or day, with an s beside a plural.")
    return Rate(value * _UNITS_S[singular])


def _cron(fields: list[str], zone: tzinfo) -> Cron:
    if len(fields) != 6:
        raise ScheduleError("A cron expression has six fields.")
    minutes, hours, days, months, weekdays, years = (field.upper() for field in fields)
    if (days == "?") == (weekdays == "?"):
        raise ScheduleError("Exactly one of Day_of_Month and Day_of_Week must be ?.")
    return Cron(
        tuple(sorted(_values(minutes, 0, 59))),
        tuple(sorted(_values(hours, 0, 23))),
        frozenset(_values(months, 1, 12, _MONTHS)),
        frozenset(_values(years, _FIRST_YEAR, _LAST_YEAR)),
        _month_days(days),
        _week_days(weekdays),
        zone,
    )


def _values(field: str, low: int, high: int, names: dict[str, int] | None = None) -> set[int]:
    """Return the numbers that a field of `,`, `-`, `*` and `/` stands for."""
    values: set[int] = set()
    for part in field.split(","):
        span, slash, step_text = part.partition("/")
        step = _number(step_text, 1, high, {}) if slash else 1
        if span == "*":
            first, last = low, high
        elif "-" in span:
            begin, _, end = span.partition("-")
            first, last = _number(begin, low, high, names), _number(end, low, high, names)
        else:
            first = _number(span, low, high, names)
            last = high if slash else first
        if first > last:
            raise ScheduleError(f"{part} goes backwards.")
        values.update(range(first, last + 1, step))
    return values


def _number(text: str, low: int, high: int, names: dict[str, int] | None) -> int:
    if names and text in names:
        return names[text]
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise ScheduleError(f"{text} is not between {low} and {high}.")
    return int(text)


def _any_day(_day: date) -> bool:
    return True


def _month_days(field: str) -> DayTest:
    """Return the test of Day_of_Month: numbers, `L` for the last, `15W` for the nearest weekday."""
    if field in ("?", "*"):
        return _any_day
    if field == "L":
        return lambda day: day.day == _last(day)
    if field == "LW":
        return lambda day: day.day == _nearest_weekday(day, _last(day))
    if field.endswith("W"):
        number = _number(field[:-1], 1, 31, None)
        return lambda day: day.day == _nearest_weekday(day, number)
    numbers = _values(field, 1, 31)
    return lambda day: day.day in numbers


def _week_days(field: str) -> DayTest:
    """Return the test of Day_of_Week: SUN is 1; `6L` is the last Friday, `6#3` the third."""
    if field in ("?", "*"):
        return _any_day
    if field == "L":
        return lambda day: _weekday(day) == 7
    if field.endswith("L"):
        last = _number(field[:-1], 1, 7, _DAYS)
        return lambda day: _weekday(day) == last and day.day + 7 > _last(day)
    if "#" in field:
        name, _, count = field.partition("#")
        weekday, which = _number(name, 1, 7, _DAYS), _number(count, 1, 5, None)
        return lambda day: _weekday(day) == weekday and (day.day - 1) // 7 + 1 == which
    numbers = _values(field, 1, 7, _DAYS)
    return lambda day: _weekday(day) in numbers


def _weekday(day: date) -> int:
    return day.isoweekday() % 7 + 1


def _last(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _nearest_weekday(day: date, number: int) -> int | None:
    """Return the weekday of the month nearest to a date, which stays within the month."""
    last = _last(day)
    if number > last:
        return None
    weekday = date(day.year, day.month, number).isoweekday()
    if weekday == 6:
        return number - 1 if number > 1 else number + 2
    if weekday == 7:
        return number + 1 if number < last else number - 2
    return number
