"""The runner: which transform jobs run, which wait, and what is told to stop.

One per server. It holds nothing that the rows and the jobs' folders do not say: after a restart it
finds running model servers again and goes on behind the last file that was done.
"""

from __future__ import annotations

from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.job_runs import JobRuns
from sagebrush.services.sagemaker.transform import records
from sagebrush.services.sagemaker.transform.carry import TransformRun, jobs_folder, remove_folder
from sagebrush.services.sagemaker.transform.records import TransformJob

_WORKER = "sagemaker.transform"


class TransformRunner:
    """Runs the jobs of all accounts and regions."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.runs: JobRuns[TransformRun] = JobRuns(platform, "transform job", self._place_all)

    def wake(self) -> None:
        """Look at the rows soon: after the transaction under way has been committed."""
        self.runs.wake()

    async def hold(self, job: TransformJob) -> None:
        """Wait a little for the end of a running young job, once in its life."""
        await self.runs.hold(job)

    async def close(self) -> None:
        """End the model servers; the jobs go on where they are with the next start."""
        await self.runs.close()

    def _place_all(self) -> None:
        for job_id, status in records.active_statuses(self._platform.db):
            self._place(job_id, status)

    def _place(self, job_id: int, status: str) -> None:
        """Begin a job if there is room or it only has to end; tell one to stop that shall."""
        run = self.runs.of(job_id)
        if run is None and (status == "Stopping" or self.runs.have_room):
            run = TransformRun(self._platform, job_id)
            self.runs.begin(run, str(job_id))
        if run is not None and status == "Stopping":
            run.stop.set()


def runner_of(platform: Platform) -> TransformRunner:
    """Return the platform's runner, made now if there is none."""
    runner: TransformRunner | None = platform.workers.get(_WORKER)
    if runner is None:
        runner = platform.workers[_WORKER] = TransformRunner(platform)
        platform.spawn(_remove_leftovers(platform), "leftovers of transform jobs")
    return runner


async def start(platform: Platform) -> None:
    """Take up the jobs of an earlier server where they are."""
    runner_of(platform).wake()


async def stop(platform: Platform) -> None:
    """End the model servers; the jobs go on where they are with the next start."""
    await runner_of(platform).close()


async def _remove_leftovers(platform: Platform) -> None:
    """Remove the folders of jobs that ended before theirs could be removed."""
    folder = jobs_folder(platform)
    found = list(folder.iterdir()) if folder.is_dir() else []
    kept = {str(job_id) for job_id, _ in records.active_statuses(platform.db)}
    for path in found:
        if path.name not in kept:
            await remove_folder(platform, path)
