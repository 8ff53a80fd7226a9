"""`/_sagebrush/clock`: how the server's time runs, and moving it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sagebrush.base.adjustable_clock import STEP_LIMIT_S, AdjustableClock, Step
from sagebrush.base.clock import Clock
from sagebrush.base.clock_setting import check_rate
from sagebrush.base.durations import parse_duration
from sagebrush.base.errors import ConfigurationError

_MOVES = ("advance", "advance_s", "rate", "stopped", "real")
_LONGEST_LIMIT_S = 3600.0
_LONGEST_STEP_S = 100 * 366 * 86_400.0


class ClockPage:
    """Answers GET and POST."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def show(self) -> dict[str, Any]:
        """Return what the clock says and how it runs."""
        clock = self._clock
        now = clock.now()
        shown = {"now": datetime.fromtimestamp(now, UTC).isoformat(), "now_s": now}
        if not isinstance(clock, AdjustableClock):
            return shown
        return shown | {"real": clock.is_real, "rate": clock.rate, "ahead_s": clock.ahead_s}

    async def move(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Do one of `_MOVES` and return how the clock runs then.

        Raises:
            ConfigurationError: none, several, or one that cannot be done.
        """
        clock = self._clock
        if not isinstance(clock, AdjustableClock):
            raise ConfigurationError("the clock of this server cannot be moved")
        given = dict(wanted)
        limit_s = _number(given, "limit_s", STEP_LIMIT_S, _LONGEST_LIMIT_S)
        if len(given) != 1 or not given.keys() <= set(_MOVES):
            raise ConfigurationError(
                f"give one of {', '.join(_MOVES)} (and limit_s for a step), not"
                f" {', '.join(given) or 'nothing'}"
            )
        (move,) = given
        step = await self._moved(clock, move, given, limit_s)
        return self.show() | ({} if step is None else _told(step))

    async def _moved(
        self, clock: AdjustableClock, move: str, given: dict[str, Any], limit_s: float
    ) -> Step | None:
        if move == "rate":
            await clock.run(check_rate(_number(given, "rate")))
            return None
        if move == "stopped":
            await clock.run(0.0 if _flag(given, "stopped") else 1.0)
            return None
        if move == "real":
            if not _flag(given, "real"):
                raise ConfigurationError('"real" can only be true; give a rate, or stopped')
            return await clock.be_real(limit_s=limit_s)
        if move == "advance":
            text = given["advance"]
            if not isinstance(text, str):
                raise ConfigurationError(
                    '"advance" takes a string such as "1h"; seconds: advance_s'
                )
            seconds = parse_duration(text)
        else:
            seconds = _number(given, "advance_s")
        if not 0 <= seconds <= _LONGEST_STEP_S:
            raise ConfigurationError("time goes forward, by 100 years at most")
        return await clock.advance(seconds, limit_s=limit_s)


def _told(step: Step) -> dict[str, Any]:
    return {"moments": step.moments, "unsettled": list(step.unsettled)}


def _number(
    given: dict[str, Any], name: str, default: float | None = None, most: float | None = None
) -> float:
    """Return a number; one with a default is taken out of `given`."""
    value = given[name] if default is None else given.pop(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigurationError(f'"{name}" takes a number')
    if most is not None and not 0 < value <= most:
        raise ConfigurationError(f'"{name}" takes a number up to {most:g}')
    return float(value)


def _flag(given: dict[str, Any], name: str) -> bool:
    value = given[name]
    if not isinstance(value, bool):
        raise ConfigurationError(f'"{name}" takes true or false')
    return value
