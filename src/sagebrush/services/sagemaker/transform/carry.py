"""One transform job from its row to its end: list, start instances, transform, store."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sagebrush.base.errors import ConfigurationError
from sagebrush.engines.fleets.server import end_leftover
from sagebrush.engines.objects import BucketNotFound, ObjectNotFound
from sagebrush.run.environments import BuildError
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker import images
from sagebrush.services.sagemaker.capacity import require_hosts
from sagebrush.services.sagemaker.hosting.containers import names_of
from sagebrush.services.sagemaker.hosting.model_data import ModelDataError, lay_out_model
from sagebrush.services.sagemaker.jobs.errors import JobFailure
from sagebrush.services.sagemaker.runtimes import Runtime, runtime_of
from sagebrush.services.sagemaker.transform import records
from sagebrush.services.sagemaker.transform.capture import capture, start_text
from sagebrush.services.sagemaker.transform.errors import FileFailure, bad_data
from sagebrush.services.sagemaker.transform.files import FileTransform
from sagebrush.services.sagemaker.transform.inputs import list_inputs, output_location
from sagebrush.services.sagemaker.transform.instances import PlacedContainer, TransformInstance
from sagebrush.services.sagemaker.transform.logs import InstanceLogs
from sagebrush.services.sagemaker.transform.processing import processing_of
from sagebrush.services.sagemaker.transform.records import InputFile, TransformJob
from sagebrush.services.sagemaker.transform.settings import Settings, settings_of

_STOP_GRACE_S = 5.0
_FAILURE_LENGTH = 1024


class Outcome(NamedTuple):
    """How a job ended."""

    status: str
    reason: str | None = None


STOPPED = Outcome("Stopped")


def failed(reason: str) -> Outcome:
    """Return the end of a job that failed."""
    return Outcome("Failed", reason[:_FAILURE_LENGTH])


def jobs_folder(platform: Platform) -> Path:
    """Return the folder of all transform jobs' folders; short, since sockets lie below it."""
    return platform.settings.data_dir.absolute() / "transform"


class TransformRun:
    """A job that this server carries. `stop` asks it to end, `ended` says that it has."""

    def __init__(self, platform: Platform, job_id: int) -> None:
        self.job_id = job_id
        self.stop = asyncio.Event()
        self.ended = asyncio.Event()
        self._platform = platform
        self._db = platform.db
        self.folder = jobs_folder(platform) / str(job_id)
        self._storing = False

    async def carry(self) -> None:
        """Carry the job to its end; cancelled, leave it for another server to go on with."""
        work = asyncio.create_task(self._work())
        stopping = asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
            # Once outputs appear in S3 the job is as good as done: all of them do.
            outcome = await work if work.done() or self._storing else STOPPED
        finally:
            for task in (work, stopping):
                task.cancel()
            await asyncio.gather(work, stopping, return_exceptions=True)
        self.end(outcome)
        await remove_folder(self._platform, self.folder)

    async def break_off(self, reason: str) -> None:
        """Have the job fail, over a defect of the server's."""
        self.end(failed(reason))
        await remove_folder(self._platform, self.folder)

    def end(self, outcome: Outcome) -> None:
        """Write the job's end into its row."""
        now = self._platform.clock.now()
        records.end_job(self._db, self.job_id, outcome.status, outcome.reason, now)
        self.ended.set()

    async def _work(self) -> Outcome:
        job = self._begin()
        try:
            if not job.progress.listed:
                await list_inputs(self._platform, job)
            if records.next_file(self._db, job.id, (records.WAITING,)) is not None:
                await self._transform(job)
            self._storing = True
            await self._store(job)
        except JobFailure as failure:
            return failed(str(failure))
        except OSError as error:
            return failed(f"InternalServerError: {error}")
        return self._outcome()

    def _begin(self) -> TransformJob:
        now = self._platform.clock.now()

        def apply(job: TransformJob) -> None:
            job.started = job.started or now
            job.progress.log_epoch = job.progress.log_epoch or int(now)
            job.modified = now

        return records.change(self._db, self.job_id, apply)

    async def _transform(self, job: TransformJob) -> None:
        self._require_bucket(job)
        require_hosts(self._platform, job.account, f"transform-job/{job.name}")
        await asyncio.to_thread(self._make_folders)
        instances = await self._instances(job)
        try:
            async with asyncio.TaskGroup() as starting:
                for instance in instances:
                    starting.create_task(instance.start())
            settings = settings_of(job.request, await instances[0].advice())
            instances[0].logs.tell([str(settings)])
            async with asyncio.TaskGroup() as working:
                for instance in instances:
                    work = InstanceWork(self._platform, job, instance, settings, len(instances))
                    working.create_task(work.run(self.folder))
        except* JobFailure as failures:
            raise JobFailure(str(_first(failures))) from None
        finally:
            await asyncio.gather(*(instance.stop() for instance in instances))

    def _require_bucket(self, job: TransformJob) -> None:
        bucket, _ = output_location(job, InputFile(0, "", "", "", ""))
        if self._platform.objects.bucket(bucket) is None:
            raise JobFailure(_no_bucket(bucket))

    def _make_folders(self) -> None:
        for name in ("input", "output"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    async def _instances(self, job: TransformJob) -> list[TransformInstance]:
        containers = [
            await self._container(job, number, name)
            for number, name in enumerate(names_of(job.progress.containers))
        ]
        # An instance that gets no file has nothing to do but to start.
        wanted = job.request["TransformResources"]["InstanceCount"]
        files = sum(records.file_counts(self._db, job.id).values())
        return [
            TransformInstance(self._platform, job, ordinal, self.folder / f"s{ordinal}", containers)
            for ordinal in range(min(wanted, files))
        ]

    async def _container(self, job: TransformJob, number: int, name: str) -> PlacedContainer:
        """Lay a container's model out."""
        definition = job.progress.containers[number]
        runtime = await self._runtime(job, definition)
        model = self.folder / ("model" if number == 0 else f"model{number}")
        try:
            await lay_out_model(self._platform, definition, model)
        except ModelDataError as error:
            raise JobFailure(f"ClientError: {error}") from error
        return PlacedContainer(name, definition, model, runtime)

    async def _runtime(self, job: TransformJob, container: dict[str, Any]) -> Runtime:
        environment = images.resolved(container["Image"]).environment
        logs = InstanceLogs(self._platform, job, 0)
        try:
            return await runtime_of(self._platform, environment, lambda line: logs.tell([line]))
        except (BuildError, ConfigurationError) as error:
            raise JobFailure(
                f"InternalServerError: the environment {environment.name} of the image cannot be"
                f" built: {error}"
            ) from error

    async def _store(self, job: TransformJob) -> None:
        """Have the outputs of all files that went well appear in S3, and the capture."""
        for file in self._files((records.DONE,)):
            bucket, key = output_location(job, file)
            # Taken from a second link: if we die half-way, the first is still there.
            output, spare = self.folder / "output" / str(file.position), self.folder / "upload"
            await asyncio.to_thread(_link_anew, output, spare)
            try:
                await self._platform.objects.ingest(job.account, job.region, bucket, key, spare)
            except BucketNotFound:
                raise JobFailure(_no_bucket(bucket)) from None
            records.set_file_status(self._db, job.id, file.position, records.STORED)
        if "DataCaptureConfig" in job.request:
            try:
                await capture(self._platform, job, self._files((records.STORED,)))
            except BucketNotFound as error:
                raise JobFailure(_no_bucket(str(error))) from None

    def _files(self, statuses: tuple[str, ...]) -> Iterator[InputFile]:
        position = -1
        while file := records.next_file(self._db, self.job_id, statuses, position):
            yield file
            position = file.position

    def _outcome(self) -> Outcome:
        counts = records.file_counts(self._db, self.job_id)
        first = records.next_file(self._db, self.job_id, (records.FAILED,))
        if first is None:
            return Outcome("Completed")
        kind, _, problem = (first.reason or "").partition(": ")
        return failed(
            f"{kind}: See job logs for more information. {counts[records.FAILED]} of"
            f" {sum(counts.values())} input files could not be transformed, the first is"
            f" {first.bucket}/{first.key}: {problem}"
        )


class InstanceWork:
    """The files of one instance: every so manyth of the job's."""

    def __init__(
        self,
        platform: Platform,
        job: TransformJob,
        instance: TransformInstance,
        settings: Settings,
        instance_count: int,
    ) -> None:
        self._platform = platform
        self._job = job
        self._instance = instance
        self._settings = settings
        self._count = instance_count
        self._position = instance.ordinal - instance_count
        self._slots = asyncio.Semaphore(settings.concurrency)
        capture_config = job.request.get("DataCaptureConfig", {})
        stamp = start_text(job) if capture_config.get("GenerateInferenceId") else ""
        self._transform = FileTransform(
            settings.splitting,
            processing_of(job.request, stamp),
            job.request["TransformInput"].get("CompressionType") == "Gzip",
            job.request["TransformOutput"].get("AssembleWith") == "Line",
            settings.concurrency,
        )

    async def run(self, folder: Path) -> None:
        """Transform the files, as many at once as there may be requests."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._settings.concurrency):
                group.create_task(self._files(folder))

    async def _files(self, folder: Path) -> None:
        while file := self._next():
            try:
                await self._file(file, folder)
            except FileFailure as failure:
                self._failed(file, failure)
            except OSError as error:
                self._failed(file, FileFailure("InternalServerError", str(error)))
            else:
                self._set(file, records.DONE)
            (folder / "input" / str(file.position)).unlink(missing_ok=True)

    def _next(self) -> InputFile | None:
        """Take the next file of this instance that nobody has done."""
        file = records.next_file(
            self._platform.db, self._job.id, (records.WAITING,), self._position, self._count
        )
        if file is not None:
            self._position = file.position
        return file

    async def _file(self, file: InputFile, folder: Path) -> None:
        source, output = folder / "input" / str(file.position), folder / "output"
        source.unlink(missing_ok=True)
        try:
            objects = self._platform.objects
            objects.link(objects.get(file.bucket, file.key, file.version_id), source)
        except (BucketNotFound, ObjectNotFound):
            raise bad_data("NoSuchKey (404): The specified key does not exist.") from None
        partial = output / f"{file.position}.part"
        with partial.open("wb") as out:
            await self._transform.run(
                source,
                out,
                lambda payload: self._instance.ask(payload, self._settings),
                self._slots,
            )
            if self._platform.settings.durable:
                out.flush()
                await asyncio.to_thread(os.fsync, out.fileno())
        partial.replace(output / str(file.position))

    def _failed(self, file: InputFile, failure: FileFailure) -> None:
        name = f"{file.bucket}/{file.key}"
        lines = [f"{name}: {failure.kind}: {failure}"]
        if failure.detail:
            lines += [f"{name}: ", f"{name}: Message:"]
            lines += [f"{name}: {line}" for line in failure.detail.splitlines()]
        self._instance.logs.tell(lines)
        problem = f"{failure.kind}: {failure} {failure.detail}".strip()
        self._set(file, records.FAILED, problem)

    def _set(self, file: InputFile, status: str, reason: str | None = None) -> None:
        records.set_file_status(self._platform.db, self._job.id, file.position, status, reason)


async def remove_folder(platform: Platform, folder: Path) -> None:
    """End what an earlier server left running for a job, and remove the job's folder."""
    if not folder.is_dir():
        return
    servers = [path for path in folder.iterdir() if path.name.startswith("s")]
    ending = (end_leftover(platform.supervisor, path, _STOP_GRACE_S) for path in servers)
    await asyncio.gather(*ending)
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _link_anew(path: Path, spare: Path) -> None:
    spare.unlink(missing_ok=True)
    os.link(path, spare)


def _no_bucket(bucket: str) -> str:
    return (
        "ClientError: The output cannot be stored: NoSuchBucket: The specified bucket does not"
        f" exist ({bucket})"
    )


def _first(failures: BaseExceptionGroup[JobFailure]) -> JobFailure:
    found = failures.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
