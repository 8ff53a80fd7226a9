"""How a server's clock is to begin: what `sagebrush up --clock` takes."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from sagebrush.base.adjustable_clock import AdjustableClock
from sagebrush.base.durations import format_duration
from sagebrush.base.errors import ConfigurationError

_SPEED = re.compile(r"x(\d+(?:\.\d+)?)", re.ASCII)
_FORMS = "real, go, x60, stopped and stopped@2026-01-01T00:00:00Z are"
# Faster than this a moment is shorter than the event loop's timers can tell.
MAXIMUM_RATE = 100_000.0


@dataclass(frozen=True)
class ClockSetting:
    """`rate` times as fast as real time, from `moment` (epoch seconds) or where the clock is.

    Without a rate the clock is the machine's.
    """

    rate: float | None
    moment: float | None = None

    def apply(self, clock: AdjustableClock, *, used: bool) -> None:
        """Set a clock before anybody sleeps; `used` says that rows were written already.

        Raises:
            ConfigurationError: time would go backwards.
        """
        if self.rate is None:
            clock.be_real_at_once()
            return
        now = time.time()
        if used and clock.is_real and self.moment is not None and self.moment < now:
            raise ConfigurationError(
                "what is in the data directory was written up to"
                f" {format_duration(now - self.moment)} later, and time never goes backwards:"
                " choose an empty --data"
            )
        clock.start_at(self.moment, self.rate)


def parse_clock(text: str) -> ClockSetting:
    """Return the setting that `text` names.

    Raises:
        ConfigurationError: it names none.
    """
    if text == "real":
        return ClockSetting(None)
    how, at, when = text.partition("@")
    return ClockSetting(_rate(how, text), _moment(when, text) if at else None)


def check_rate(rate: float) -> float:
    """Return a rate that a clock can run at.

    Raises:
        ConfigurationError: it is none.
    """
    if not 0 <= rate <= MAXIMUM_RATE or not math.isfinite(rate):
        raise ConfigurationError(
            f"{rate:g} is no rate: 0 (stopped) to {MAXIMUM_RATE:.0f} times real time are"
        )
    return rate


def _rate(how: str, text: str) -> float:
    if how in ("stopped", "go"):
        return float(how == "go")
    found = _SPEED.fullmatch(how)
    if found is None:
        raise ConfigurationError(f"{text!r} is no clock: {_FORMS}")
    return check_rate(float(found[1]))


def _moment(when: str, text: str) -> float:
    try:
        moment = datetime.fromisoformat(when)
    except ValueError:
        raise ConfigurationError(f"{text!r} has no time in ISO 8601: {_FORMS}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
