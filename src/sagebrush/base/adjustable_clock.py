"""The server's clock: real time, unless it is told to run faster, to stand still, or to step.

A step is a discrete-event simulation. The clock stands at the moment of the next sleeper, wakes
all that sleep until then, waits until they sleep again or have ended, and goes to the next, until
the target: a day takes as long as what happens in it. The clock never goes backwards, and how it
runs is in a file before anybody can see it, so that no row of a killed server lies in the future.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import os
import time
import weakref
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sagebrush.base.activity import Activity, activity
from sagebrush.base.durations import format_duration
from sagebrush.base.errors import ConfigurationError, StateError

# How long one moment of a step may take by default, in real seconds.
STEP_LIMIT_S = 10.0
# The event loop's timers do not count while the machine is suspended: looked at again after this.
_LONGEST_TIMER_S = 60.0
_SHORTEST_TIMER_S = 0.001
# A task that waits for something that nobody at work gives is waited for this long.
_PATIENCE_S = 0.02
_POLLS_AT_ONCE = 50
_POLL_S = 0.002
_QUIET_POLLS = 2
_LINE_BYTES = 128

_Task = asyncio.Task[Any]


@dataclass(frozen=True)
class Course:
    """How a clock runs: it said `at` when the machine's said `wall`, and goes `rate` times as fast.

    Both in epoch seconds. A rate of 0 stands still.
    """

    at: float
    wall: float
    rate: float


@dataclass(frozen=True)
class Step:
    """What a step did: the time now, how many moments somebody was woken at.

    `unsettled` names the tasks that were still at work at the limit, so that the clock went on
    without them.
    """

    now: float
    moments: int
    unsettled: tuple[str, ...]


class AdjustableClock:
    """A clock for a server: `path` keeps how it runs; without the file it is the machine's.

    Everything but `now` belongs to the event loop's thread.
    """

    now: Callable[[], float]

    def __init__(self, path: Path, *, durable: bool = False) -> None:
        self._path = path
        self._durable = durable
        self._numbers = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None], _Task | None]] = []
        self._asleep: set[_Task] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._moves = asyncio.Lock()
        self._steps = False
        self._background: Collection[_Task] = ()
        # What a step does not wait for: it was there before, or has been waited for in vain.
        self._left_alone: weakref.WeakSet[_Task] = weakref.WeakSet()
        self._course: Course | None = None
        self._take(_read(path))

    @property
    def rate(self) -> float:
        """How fast the clock runs: 1 as the machine's, 0 not at all."""
        return 1.0 if self._course is None else self._course.rate

    @property
    def is_real(self) -> bool:
        """Whether it tells what the machine's clock tells."""
        return self._course is None

    @property
    def ahead_s(self) -> float:
        """How far it is ahead of the machine's clock; negative when it is behind."""
        return 0.0 if self._course is None else self.now() - time.time()

    async def sleep_until(self, moment: float) -> None:
        """Return once the clock says `moment` (epoch seconds) or later; at once if it does."""
        while moment > self.now():
            task = asyncio.current_task()
            woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            sleeper = (moment, next(self._numbers), woken, task)
            heapq.heappush(self._sleepers, sleeper)
            if task is not None:
                self._asleep.add(task)
                self._left_alone.discard(task)
            if self._sleepers[0] is sleeper:
                self._arm()
            try:
                await woken
            finally:
                if not woken.done() or woken.cancelled():
                    self._forget(sleeper)

    def watch(self, background: Collection[_Task]) -> None:
        """Have steps wait for what is put into `background` from now on, too."""
        self._background = background
        self._left_alone.update(background)

    def start_at(self, moment: float | None, rate: float) -> None:
        """Begin with `rate`, at `moment` unless that is None; before anybody sleeps.

        Raises:
            ConfigurationError: the clock was later already.
        """
        now = self.now()
        at = now if moment is None else moment
        if at < now and self._course is not None:
            raise ConfigurationError(
                f"the clock of this data directory is {format_duration(now - at)} later already,"
                " and never goes backwards; use another --data, or `sagebrush reset`"
            )
        self._settle_on(Course(at, time.time(), rate))

    def be_real_at_once(self) -> None:
        """Tell what the machine's clock tells; before anybody sleeps.

        Raises:
            ConfigurationError: that would be backwards.
        """
        self._refuse_to_go_back()
        self._settle_on(None)

    async def run(self, rate: float) -> None:
        """Run `rate` times as fast as the machine's clock from now on; 0 stands still."""
        async with self._moves:
            self._settle_on(Course(self.now(), time.time(), rate))
            self._arm()

    async def be_real(self, *, limit_s: float = STEP_LIMIT_S) -> Step:
        """Step to what the machine's clock tells, and go on with it.

        Raises:
            ConfigurationError: that would be backwards.
        """
        async with self._moves:
            self._refuse_to_go_back()
            done = await self._step(time.time(), limit_s)
            self._settle_on(None)
            self._arm()
            return done

    async def advance(self, seconds: float, *, limit_s: float = STEP_LIMIT_S) -> Step:
        """Step forward by `seconds`; before, wait for what is under way.

        `limit_s` is how long, in real seconds, what is woken at one moment is waited for. Steps
        that are asked for meanwhile follow one after the other.
        """
        async with self._moves:
            return await self._step(self.now() + seconds, limit_s)

    async def _step(self, target: float, limit_s: float) -> Step:
        rate, at = self.rate, self.now()
        target = max(at, target)
        unsettled: list[str] = []
        moments = 0
        self._steps = True
        self._disarm()
        try:
            self._stand_at(at)
            unsettled += await self._settled([], limit_s)
            while self._sleepers and (moment := self._sleepers[0][0]) <= target:
                at = max(at, moment)
                self._keep(Course(at, time.time(), rate))
                self._stand_at(at)
                behind = self._asleep_through_others()
                unsettled += await self._settled(self._wake(at) + behind, limit_s)
                moments += 1
            at = target
        finally:
            self._steps = False
            self._settle_on(Course(at, time.time(), rate))
            self._arm()
        return Step(at, moments, tuple(dict.fromkeys(unsettled)))

    async def _settled(self, woken: list[_Task], limit_s: float) -> list[str]:
        """Wait until nobody is at work; return the names of those who still are at the limit."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + limit_s
        patient_until: float | None = None
        quiet_polls = 0
        for poll in itertools.count():
            await asyncio.sleep(0 if poll < _POLLS_AT_ONCE else _POLL_S)
            busy = {task: activity(task, self._asleep) for task in self._concerned(woken)}
            at_work = [task for task, doing in busy.items() if doing is Activity.AT_WORK]
            waiting = [task for task, doing in busy.items() if doing is Activity.WAITING]
            if loop.time() > give_up:
                self._left_alone.update(busy)
                return [task.get_name() for task in at_work]
            quiet_polls = 0 if at_work or waiting else quiet_polls + 1
            if at_work:
                patient_until = None
            elif not waiting:
                # What ended a moment ago may have callbacks that begin something.
                if quiet_polls > _QUIET_POLLS:
                    return []
            elif patient_until is None:
                patient_until = loop.time() + _PATIENCE_S
            elif loop.time() > patient_until:
                self._left_alone.update(waiting)
                return []
        raise AssertionError("counting never ends")

    def _asleep_through_others(self) -> list[_Task]:
        """Return the tasks that only wait for tasks that sleep: they go on when those do."""
        found = [
            task
            for task in asyncio.all_tasks()
            if task not in self._asleep and activity(task, self._asleep) is Activity.ASLEEP
        ]
        self._left_alone.difference_update(found)
        return found

    def _concerned(self, woken: list[_Task]) -> list[_Task]:
        """Return whom a step waits for: who was woken, and what was begun in the background."""
        me = asyncio.current_task()
        return [
            task
            for task in {*woken, *self._background}
            if task is not me
            and not task.done()
            and task not in self._asleep
            and task not in self._left_alone
        ]

    def _wake(self, moment: float) -> list[_Task]:
        """Wake all that sleep until `moment`, in the order of their moments; return their tasks."""
        tasks = []
        while self._sleepers and self._sleepers[0][0] <= moment:
            _, _, woken, task = heapq.heappop(self._sleepers)
            if task is not None:
                self._asleep.discard(task)
                tasks.append(task)
            if not woken.done():
                woken.set_result(None)
        return tasks

    def _forget(self, sleeper: tuple[float, int, asyncio.Future[None], _Task | None]) -> None:
        """Take a sleeper out that was cancelled."""
        self._sleepers.remove(sleeper)
        heapq.heapify(self._sleepers)
        if sleeper[3] is not None:
            self._asleep.discard(sleeper[3])
        self._arm()

    def _ring(self) -> None:
        self._timer = None
        self._wake(self.now())
        self._arm()

    def _arm(self) -> None:
        """Have the event loop call when the next sleeper is due, if the clock runs."""
        self._disarm()
        if self._steps or not self._sleepers or not self.rate:
            return
        left_s = (self._sleepers[0][0] - self.now()) / self.rate
        after_s = min(max(left_s, _SHORTEST_TIMER_S), _LONGEST_TIMER_S)
        self._timer = asyncio.get_running_loop().call_later(after_s, self._ring)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse_to_go_back(self) -> None:
        if self.ahead_s > 0:
            raise ConfigurationError(
                f"the clock is {format_duration(self.ahead_s)} ahead of real time and never goes"
                " backwards: `go` lets it run on as fast as real time; only an empty data directory"
                " has real time again"
            )

    def _settle_on(self, course: Course | None) -> None:
        self._keep(course)
        self._take(course)

    def _take(self, course: Course | None) -> None:
        """Tell the time by `course` from now on."""
        self._course = course
        if course is None:
            # Nothing of ours is between who asks and the machine's clock.
            self.now = time.time
            return
        at, rate = course.at, course.rate
        if not rate:
            self._stand_at(at)
            return
        # The time that passed without us counts; not below zero, should the machine's clock be set.
        at += max(0.0, time.time() - course.wall) * rate
        started, tick = time.monotonic(), time.monotonic
        self.now = lambda: at + (tick() - started) * rate

    def _stand_at(self, at: float) -> None:
        self.now = lambda: at

    def _keep(self, course: Course | None) -> None:
        """Write how the clock runs; with `durable` it is on the disk when this returns."""
        if course is None:
            self._path.unlink(missing_ok=True)
            return
        line = json.dumps(asdict(course)).encode().ljust(_LINE_BYTES)
        try:
            # In place, by one write of always the same length: a new file for each moment of a
            # step would cost a hundred times as much.
            self._write(self._path, os.O_WRONLY, line)
        except FileNotFoundError:
            # Nobody may find it empty.
            temporary = self._path.with_suffix(".part")
            self._write(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, line)
            temporary.replace(self._path)

    def _write(self, path: Path, flags: int, line: bytes) -> None:
        descriptor = os.open(path, flags, 0o600)
        try:
            os.pwrite(descriptor, line, 0)
            if self._durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _read(path: Path) -> Course | None:
    """Return how the clock of an earlier server ran.

    Raises:
        StateError: the file is not one of ours.
    """
    try:
        kept = json.loads(path.read_text("utf-8"))
        return Course(float(kept["at"]), float(kept["wall"]), float(kept["rate"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise StateError(f"{path} does not say how the clock runs: {error!r}") from None
