"""A server without sockets for the tests of SageMaker: real engines, real processes, one loop.

Jobs run a shell script in place of an algorithm (`server.program`), started by a preloaded parent
that has nothing loaded, so that a job costs some tens of milliseconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import itertools
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from sagebrush.base.clock import Clock, SystemClock
from sagebrush.base.settings import Settings
from sagebrush.engines.identity.records import Identity
from sagebrush.gateway.assembly import assemble
from sagebrush.gateway.registry import Registry
from sagebrush.run.families import Family
from sagebrush.services.platform import Context, Platform
from sagebrush.services.sagemaker import records
from sagebrush.services.sagemaker.jobs import prepare
from sagebrush.services.sagemaker.jobs.training import runner_of
from sagebrush.services.sagemaker.service import SERVICE

ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/SageMakerRole"
KMEANS = "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:1"
_Result = TypeVar("_Result")
_names = itertools.count()


class Server:
    """The SageMaker service on a data directory; `region` is fresh for every test."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.region = "us-east-1"
        self.program = "exit 0"
        self.loop = asyncio.new_event_loop()
        self.registry = Registry()
        self.platform: Platform
        self.start()

    def start(self) -> None:
        """Begin, as a server on this data directory does."""
        self.platform = assemble(Settings(data_dir=self.data, port=0), self.clock())
        families = self.platform.supervisor.zygotes.families
        families["algorithms"] = Family("algorithms", ("json",))
        assert SERVICE.migrations is not None
        assert SERVICE.start is not None
        self.platform.db.migrate("services.sagemaker", SERVICE.migrations)
        self.run(SERVICE.start(self.platform))

    def clock(self) -> Clock:
        """Return the clock to start with."""
        return SystemClock()

    def stop(self) -> None:
        """End cleanly."""
        assert SERVICE.stop is not None
        self.run(SERVICE.stop(self.platform))
        self.abandon()

    def abandon(self) -> None:
        """Drop everything in memory, as kill -9 does; processes live on."""

        async def cancel() -> None:
            runner_of(self.platform).runs.closing = True  # a dead server begins nothing
            tasks = [*self.platform.tasks, *self.platform.lookouts]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.platform.supervisor.close()

        self.run(cancel())
        self.platform.objects.close()
        self.platform.db.close()

    def run(self, work: Coroutine[Any, Any, _Result], timeout_s: float = 30.0) -> _Result:
        """Return what a coroutine returns; everything in the background goes on meanwhile."""
        return self.loop.run_until_complete(asyncio.wait_for(work, timeout_s))

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """Return what an operation answers."""
        return self.run(self._call(operation, request))

    async def _call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        context = self.context(operation)
        handler = self.registry.handler("sagemaker", operation)
        assert handler is not None, operation
        if inspect.iscoroutinefunction(handler):
            return dict(await handler(context, request))
        with self.platform.db.transaction():
            return dict(handler(context, request) or {})  # type: ignore[arg-type]

    def limit_jobs(self, number: int) -> None:
        """Let no more than `number` jobs run at once."""

        async def limit() -> None:
            runner_of(self.platform).runs.capacity = number

        self.run(limit())

    def context(self, operation: str) -> Context:
        """Return the context of a request."""
        principal = Identity(f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, ACCOUNT, "Root", ACCOUNT)
        now = self.platform.clock.now()
        return Context(
            self.platform, "sagemaker", operation, ACCOUNT, self.region, principal, "id", now, ""
        )

    def bucket(self, **objects: bytes | str) -> str:
        """Return the name of a new bucket that holds `objects` (`__` in a key means `/`)."""
        name = f"bucket-{next(_names)}"
        self.platform.objects.buckets.create(ACCOUNT, self.region, name, 0.0)
        for key, value in objects.items():
            self.put(name, key.replace("__", "/"), value)
        return name

    def put(self, bucket: str, key: str, value: bytes | str) -> None:
        """Write an object."""
        data = value.encode() if isinstance(value, str) else value
        self.run(self.platform.objects.put_bytes(ACCOUNT, self.region, bucket, key, data))

    def read(self, bucket: str, key: str) -> bytes:
        """Return the bytes of an object."""
        return self.platform.objects.read(self.platform.objects.get(bucket, key))

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """Return the keys of a bucket."""
        return [entry.key for entry in self.platform.objects.list(bucket, prefix)]

    def request(self, name: str, **changes: Any) -> dict[str, Any]:
        """Return a CreateTrainingJob request for a new bucket, with top-level `changes`."""
        request: dict[str, Any] = {
            "TrainingJobName": name,
            "RoleArn": ROLE,
            "AlgorithmSpecification": {"TrainingImage": KMEANS, "TrainingInputMode": "File"},
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket()}/out"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        }
        return request | changes

    def create(self, name: str, program: str, **changes: Any) -> dict[str, Any]:
        """Create a job that runs a shell script, whose $1 is /opt/ml; return the request."""
        self.program = program
        request = self.request(name, **changes)
        self.call("CreateTrainingJob", **request)
        return request

    def wait(self, name: str, *statuses: str) -> dict[str, Any]:
        """Return the description of a job once it has one of the statuses, else once it is over."""
        wanted = statuses or ("Completed", "Failed", "Stopped")

        async def until() -> dict[str, Any]:
            while True:
                job = await self._call("DescribeTrainingJob", {"TrainingJobName": name})
                if job["TrainingJobStatus"] in wanted or job["SecondaryStatus"] in wanted:
                    return job
                await asyncio.sleep(0.01)

        return self.run(until())

    def root(self, name: str) -> Path:
        """Return the folder that the first host of a running job sees as /opt/ml."""
        job = records.find_job(self.platform.db, ACCOUNT, self.region, name)
        assert job is not None
        return prepare.job_directory(self.platform, job) / "hosts" / "algo-1" / "ml"

    def until(self, holds: Callable[[], bool]) -> None:
        """Return once a condition holds."""

        async def until() -> None:
            while not holds():
                await asyncio.sleep(0.01)

        self.run(until())

    def transitions(self, name: str) -> list[str]:
        """Return every secondary status that a job has gone through."""
        job = self.call("DescribeTrainingJob", TrainingJobName=name)
        return [item["Status"] for item in job["SecondaryStatusTransitions"]]

    def wait_for_attempt(self, name: str, number: int) -> None:
        """Return once a job trains for the nth time, or is over."""

        async def until() -> None:
            while True:
                job = await self._call("DescribeTrainingJob", {"TrainingJobName": name})
                statuses = [item["Status"] for item in job["SecondaryStatusTransitions"]]
                if statuses.count("Training") >= number or "TrainingEndTime" in job:
                    return
                await asyncio.sleep(0.01)

        self.run(until())

    def train(self, name: str, program: str, **changes: Any) -> dict[str, Any]:
        """Run a job to its end and return its description."""
        self.create(name, program, **changes)
        return self.wait(name)

    def log(self, name: str) -> dict[str, list[str]]:
        """Return the lines of a job by host."""
        logs = self.platform.logs
        group = logs.group(ACCOUNT, self.region, "/aws/sagemaker/TrainingJobs")
        lines: dict[str, list[str]] = {}
        for stream in logs.streams(group, prefix=f"{name}/"):
            events = self.platform.db.all(
                "SELECT message FROM logs_events WHERE stream_id = ? ORDER BY position",
                (stream.id,),
            )
            host = stream.name.removeprefix(f"{name}/").rpartition("-")[0]
            lines.setdefault(host, []).extend(row["message"] for row in events)
        return lines


@pytest.fixture(scope="session")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for all tests."""
    server = Server(tmp_path_factory.mktemp("server"))
    with contextlib.closing(server.loop):
        yield server
        server.stop()


@pytest.fixture
def server(one_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server, in a region of the test's own, with shell scripts for algorithms."""
    one_server.region = f"us-test-{next(_names)}"
    _replace_program(one_server, monkeypatch)
    monkeypatch.setattr("sagebrush.services.sagemaker.job_runs._HOLD_S", 0.0)
    return one_server


@pytest.fixture
def own_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that a test may stop and start."""
    server = Server(tmp_path)
    _replace_program(server, monkeypatch)
    monkeypatch.setattr("sagebrush.services.sagemaker.job_runs._HOLD_S", 0.0)
    with contextlib.closing(server.loop):
        yield server
        server.stop()


def _replace_program(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def program(_image: Any) -> dict[str, Any]:
        return {"argv": ("/bin/sh", "-c", server.program, "train", "/opt/ml")}

    monkeypatch.setattr(prepare, "_program", program)
