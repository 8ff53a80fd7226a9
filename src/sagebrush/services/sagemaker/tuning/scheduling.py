"""The scheduler: one task for each tuning job that is not over.

It holds nothing that the rows do not say: a trial and its training job are written in one
transaction before anything runs, and what came of it is noted once. After a restart the tasks begin
again from the rows.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3

from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.jobs.events import observers_of
from sagebrush.services.sagemaker.tuning import records
from sagebrush.services.sagemaker.tuning.carry import TuningRun
from sagebrush.services.sagemaker.tuning.suggester import Suggester

_WORKER = "sagemaker.tuning"
_RETRY_S = 5.0

_log = logging.getLogger(__name__)


class TuningScheduler:
    """Carries the tuning jobs of all accounts and regions."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._news: dict[int, asyncio.Event] = {}
        self.suggester = Suggester(platform)
        self._closing = False
        observers_of(platform).append(self._child_changed)

    def wake(self) -> None:
        """Look at the rows soon: after the transaction under way has been committed."""
        if not self._closing:
            asyncio.get_running_loop().call_soon(self._look)

    async def close(self) -> None:
        """Let go of the tuning jobs; the next server takes them up."""
        self._closing = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.suggester.close()

    def _child_changed(self, training_job_id: int) -> None:
        if self._news:
            identifier = records.tuning_id_of(self._platform.db, training_job_id)
            if identifier in self._news:
                self._news[identifier].set()

    def _look(self) -> None:
        if self._closing:
            return
        for identifier in records.active_ids(self._platform.db):
            if identifier in self._tasks:
                self._news[identifier].set()
                continue
            news = self._news[identifier] = asyncio.Event()
            self._platform.spawn(self.suggester.prepare(), "search process")
            run = TuningRun(self._platform, self.suggester, identifier, news)
            self._tasks[identifier] = self._platform.spawn(
                self._carry(run, identifier), f"tuning job {identifier}"
            )

    async def _carry(self, run: TuningRun, identifier: int) -> None:
        try:
            await run.carry()
        except sqlite3.Error:
            _log.exception("tuning job %s is left alone for a while", identifier)
            asyncio.get_running_loop().call_later(_RETRY_S, self.wake)
        except Exception:  # noqa: BLE001 - the boundary where a defect becomes a failed job
            _log.exception("tuning job %s failed", identifier)
            run.fail("InternalServerError: We encountered an internal error.")
        finally:
            self._tasks.pop(identifier, None)
            self._news.pop(identifier, None)


def scheduler_of(platform: Platform) -> TuningScheduler:
    """Return the platform's scheduler, made now if there is none."""
    scheduler: TuningScheduler | None = platform.workers.get(_WORKER)
    if scheduler is None:
        scheduler = platform.workers[_WORKER] = TuningScheduler(platform)
    return scheduler


async def start(platform: Platform) -> None:
    """Take up the tuning jobs of an earlier server where they are."""
    scheduler_of(platform).wake()


async def stop(platform: Platform) -> None:
    """Let go of the tuning jobs; the next server takes them up."""
    await scheduler_of(platform).close()
