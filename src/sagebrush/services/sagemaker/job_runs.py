"""The jobs of one kind that this server carries: begun from their rows and taken up from them.

Nothing is held here that the rows and the jobs' folders do not say.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.jobs.hosts import machine_cpu_count

# Below this age a job's first Describe waits for its end, for at most that long. The SageMaker SDK
# v2 asks first after five seconds.
_YOUNG_S = 10.0
_HOLD_S = 5.0
_RETRY_S = 5.0

_log = logging.getLogger(__name__)


class Run(Protocol):
    """A job on its way; `stop` asks it to end, `ended` says that it has."""

    job_id: int
    stop: asyncio.Event
    ended: asyncio.Event

    async def carry(self) -> None:
        """Carry the job to its end."""

    async def break_off(self, reason: str) -> None:
        """Have the job fail, over a defect of the server's."""


class Job(Protocol):
    """What a row says of a job that somebody waits for."""

    id: int
    status: str
    created: float


AnyRun = TypeVar("AnyRun", bound=Run)


class JobRuns(Generic[AnyRun]):
    """The runs under way, about as many at once as there are CPUs.

    `place_all` reads the rows, and begins and stops what is to be begun and stopped.
    """

    def __init__(self, platform: Platform, noun: str, place_all: Callable[[], None]) -> None:
        self.capacity = max(2, machine_cpu_count())
        self._platform = platform
        self._noun = noun
        self._place_all = place_all
        self._runs: dict[int, AnyRun] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._held: set[int] = set()
        self._waking = False
        self.closing = False

    def of(self, job_id: int) -> AnyRun | None:
        """Return the run of a job; None if it is not under way."""
        return self._runs.get(job_id)

    @property
    def count(self) -> int:
        """How many jobs take room: a job that has ended gives it back before all is tidied up."""
        return sum(not run.ended.is_set() for run in self._runs.values())

    @property
    def have_room(self) -> bool:
        """Whether another job may begin."""
        return self.count < self.capacity

    def wake(self) -> None:
        """Look at the rows soon: after the transaction under way has been committed."""
        if not self._waking and not self.closing:
            self._waking = True
            asyncio.get_running_loop().call_soon(self._look)

    def begin(self, run: AnyRun, name: str) -> None:
        """Carry a job."""
        self._runs[run.job_id] = run
        self._tasks[run.job_id] = self._platform.spawn(self._carry(run), f"{self._noun} {name}")

    async def hold(self, job: Job) -> None:
        """Wait a little for the end of a running young job, once in its life."""
        run = self._runs.get(job.id)
        age_s = self._platform.clock.now() - job.created
        if run is None or job.status == "Stopping" or job.id in self._held or age_s > _YOUNG_S:
            return
        self._held.add(job.id)
        try:
            async with asyncio.timeout(_HOLD_S):
                await run.ended.wait()
        except TimeoutError:
            return

    async def close(self) -> list[AnyRun]:
        """Let go of the jobs where they are; return the runs there were."""
        self.closing = True
        runs, tasks = list(self._runs.values()), list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return runs

    def _look(self) -> None:
        self._waking = False
        if self.closing:
            return
        try:
            self._place_all()
        except sqlite3.Error:
            # A full disk, say: rows cannot be changed now, later they can.
            _log.exception("the rows of each %s are looked at again in %s s", self._noun, _RETRY_S)
            asyncio.get_running_loop().call_later(_RETRY_S, self.wake)

    async def _carry(self, run: AnyRun) -> None:
        delay_s = 0.0
        try:
            await run.carry()
        except sqlite3.Error:
            # A full disk, say. What runs goes on; it is taken up again when there is room.
            _log.exception("%s %s is left alone for a while", self._noun, run.job_id)
            delay_s = _RETRY_S
        except Exception:  # noqa: BLE001 - the boundary where a defect becomes a failed job
            _log.exception("%s %s failed", self._noun, run.job_id)
            await run.break_off("InternalServerError: We encountered an internal error.")
        finally:
            self._runs.pop(run.job_id, None)
            self._tasks.pop(run.job_id, None)
            self._held.discard(run.job_id)
            run.ended.set()
            if not self.closing:
                asyncio.get_running_loop().call_later(delay_s, self.wake)
