"""What may stop a deployment while it does something: its alarms, and its time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sagebrush.base.errors import SagebrushError
from sagebrush.engines.alarms import ALARM, Transition
from sagebrush.services.platform import Platform

_Result = TypeVar("_Result")


class StoppedError(SagebrushError):
    """A deployment must not go on; the message is its FailureReason."""


class Guard:
    """Watches alarms of one account and region, and a moment on the clock."""

    def __init__(
        self,
        platform: Platform,
        account: str,
        region: str,
        alarms: list[str],
        deadline: float | None,
    ) -> None:
        self._platform = platform
        self._account = account
        self._region = region
        self._names = alarms
        self._deadline = deadline

    def check(self) -> None:
        """Return if nothing is wrong at present.

        Raises:
            StoppedError: an alarm is in ALARM, or it is too late.
        """
        self.check_alarms()
        if self._deadline is not None and self._platform.clock.now() >= self._deadline:
            raise StoppedError(_TOO_LATE)

    def check_alarms(self) -> None:
        """Return if no alarm is in ALARM at present.

        Raises:
            StoppedError: one is.
        """
        state = self._platform.alarms.state
        tripped = [
            name for name in self._names if state(self._account, self._region, name) == ALARM
        ]
        if tripped:
            raise StoppedError(_tripped(tripped))

    async def during(self, work: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
        """Return what `work` returns, watching meanwhile.

        Raises:
            StoppedError: an alarm went off, or time ran out; `work` has been cancelled.
        """
        self.check()
        task = asyncio.create_task(work(), name="guarded deployment")
        reasons: list[str] = []

        def stop(reason: str) -> None:
            reasons.append(reason)
            task.cancel()

        with self._watched(stop):
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                task.cancel()
                await asyncio.wait([task])
                raise
        if reasons:
            if not task.cancelled():
                task.exception()  # it ended by itself at the same time; that is of no account now
            raise StoppedError(reasons[0])
        return task.result()

    @contextmanager
    def _watched(self, stop: Callable[[str], None]) -> Iterator[None]:
        def changed(transition: Transition) -> None:
            alarm = transition.alarm
            ours = (alarm.account, alarm.region) == (self._account, self._region)
            if ours and alarm.state == ALARM and alarm.name in self._names:
                stop(_tripped([alarm.name]))

        unwatch = self._platform.alarms.watch(changed)
        timer = asyncio.create_task(self._expire(stop), name="deployment time limit")
        try:
            yield
        finally:
            unwatch()
            timer.cancel()

    async def _expire(self, stop: Callable[[str], None]) -> None:
        if self._deadline is not None:
            await self._platform.clock.sleep_until(self._deadline)
            stop(_TOO_LATE)


_TOO_LATE = (
    "The deployment was rolled back because it exceeded its MaximumExecutionTimeoutInSeconds."
)


def _tripped(names: list[str]) -> str:
    noun = "alarm" if len(names) == 1 else "alarms"
    return (
        f"The deployment was rolled back because the CloudWatch {noun} {', '.join(names)} of its"
        " AutoRollbackConfiguration went into ALARM state."
    )
