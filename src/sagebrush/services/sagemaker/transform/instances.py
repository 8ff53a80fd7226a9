"""One instance of a transform job: its model server processes and the requests sent to them."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from sagebrush.engines.fleets import (
    Answer,
    Exposure,
    Instance,
    ModelServer,
    ServerLostError,
    ServerTimeoutError,
    StartError,
    compose,
)
from sagebrush.engines.fleets.errors import FleetError, NobodyListensError
from sagebrush.run.families import StartError as ProcessStartError
from sagebrush.services.container_chain import Link, Message, ask_in_turn
from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.hosting.serving import Placement, specification
from sagebrush.services.sagemaker.jobs.errors import JobFailure
from sagebrush.services.sagemaker.runtimes import Runtime
from sagebrush.services.sagemaker.transform.errors import FileFailure
from sagebrush.services.sagemaker.transform.logs import InstanceLogs
from sagebrush.services.sagemaker.transform.records import TransformJob
from sagebrush.services.sagemaker.transform.settings import Settings, container_variables

_START_TIMEOUT_S = 240.0
_ADVICE_TIMEOUT_S = 10.0
_STOP_GRACE_S = 5.0
_HEALTH_POLL_S = 0.01
_NOTICE_S = 1.0
_SAMPLE_INTERVAL_S = 60.0
_RETRY_PAUSE_S = 0.1
_DETAIL_CHARACTERS = 1024
_ADVICE = compose("GET", "/execution-parameters", ())


class PlacedContainer(NamedTuple):
    """A container of the job's model; its name is empty where there is only one."""

    name: str
    definition: dict[str, Any]
    model_folder: Path
    runtime: Runtime


class TransformInstance:
    """The model servers of a job that answer one after another, started again when they die."""

    def __init__(
        self,
        platform: Platform,
        job: TransformJob,
        ordinal: int,
        folder: Path,
        containers: Sequence[PlacedContainer],
    ) -> None:
        self.ordinal = ordinal
        self.logs = InstanceLogs(platform, job, ordinal)
        servers = {
            container.name: ModelServer(
                platform.supervisor,
                folder if number == 0 else folder.with_name(f"{folder.name}c{number}"),
                specification(platform, _placement(job, container), container.runtime),
                functools.partial(self.logs.server_started, container.name),
                self.logs.server_ended,
            )
            for number, container in enumerate(containers)
        }
        target = f"transform-job/{job.name}"
        for server in servers.values():
            server.exposure = Exposure(platform.injection, job.account, target)
        self._instance = Instance(ordinal, servers)
        self._links = [Link(name, server) for name, server in servers.items()]
        source, output = job.request["TransformInput"], job.request["TransformOutput"]
        self._content_type: str | None = source.get("ContentType") or None
        self._accept: str | None = output.get("Accept") or None
        self._alone = asyncio.Lock()
        self._sampling: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take over the processes an earlier server left, or start them.

        Raises:
            JobFailure: they do not become healthy.
        """
        self.logs.open([link.name for link in self._links])
        try:
            await self._instance.start(_START_TIMEOUT_S)
        except ProcessStartError as error:
            raise JobFailure(f"InternalServerError: {error}") from error
        except StartError as error:
            raise JobFailure(
                f"AlgorithmError: Model container{_named(error)} failed to respond to ping; Please"
                " ensure /ping endpoint is implemented and responds with an HTTP 200 status code:"
                f" {error}"
            ) from error
        self._sampling = asyncio.create_task(self._sample())

    async def stop(self) -> None:
        """End the processes."""
        if self._sampling is not None:
            self._sampling.cancel()
        await self._instance.stop(_STOP_GRACE_S)

    async def advice(self) -> dict[str, Any]:
        """Return what the container answers to /execution-parameters; nothing if it has none.

        Of several containers the first is asked: it is the one that gets the payloads.
        """
        try:
            answer = await self._instance.sole.inquire(_ADVICE, _ADVICE_TIMEOUT_S)
        except FleetError:
            return {}
        if answer.status != 200:
            return {}
        try:
            document = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            return {}
        return document if isinstance(document, dict) else {}

    async def ask(self, payload: bytes, settings: Settings) -> bytes:
        """Return what the container answers to a payload, repeating what may go well next time.

        Raises:
            FileFailure: it refuses the payload, or fails it more often than it may.
        """
        message = Message(self._content_type, self._accept, (), payload)
        failure = await self._attempt(message, settings.timeout_s)
        if isinstance(failure, bytes):
            return failure
        # One at a time: what kills the process must not use up the attempts of the others.
        async with self._alone:
            for number in range(settings.retries):
                if failure.kind == "ClientError":
                    break
                await asyncio.sleep(_RETRY_PAUSE_S * 2**number)
                again = await self._attempt(message, settings.timeout_s)
                if isinstance(again, bytes):
                    return again
                failure = again
        raise failure

    async def _attempt(self, message: Message, timeout_s: float) -> bytes | FileFailure:
        try:
            answer = await self._answer(message, timeout_s)
        except ServerTimeoutError as error:
            return FileFailure(
                "AlgorithmError", "Unable to get response from algorithm", str(error)
            )
        except ServerLostError as error:
            return FileFailure(
                "AlgorithmError", "Unable to get response from algorithm", str(error)
            )
        return answer.body if 200 <= answer.status < 300 else _refusal(answer)

    async def _answer(self, message: Message, timeout_s: float) -> Answer:
        """Send a message through the processes once they serve.

        A connection that ended may have done so before the message came, so it is sent once more;
        ending again, it is taken for the message's doing.
        """
        for is_last in (False, True):
            await self._until_healthy()
            try:
                return (await ask_in_turn(self._links, message, timeout_s)).answer
            except NobodyListensError:
                if is_last:
                    raise
                await self._until_noticed()
        raise AssertionError("the loop returns or raises")

    async def _until_healthy(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _START_TIMEOUT_S
        while not self._instance.healthy:
            if loop.time() > deadline:
                raise ServerLostError("the model server does not come back")
            await asyncio.sleep(_HEALTH_POLL_S)

    async def _until_noticed(self) -> None:
        """Wait until the end of the process, if it was that, has been noticed."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _NOTICE_S
        while loop.time() < deadline:
            if not self._instance.healthy:
                return
            await asyncio.sleep(_HEALTH_POLL_S)

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(_SAMPLE_INTERVAL_S)
            self.logs.sample()


def _refusal(answer: Answer) -> FileFailure:
    text = answer.body.decode(errors="replace").strip()[:_DETAIL_CHARACTERS]
    if 400 <= answer.status < 500 and answer.status != 429:
        return FileFailure("ClientError", str(answer.status), text)
    return FileFailure(
        "AlgorithmError", f"Bad HTTP status received from algorithm: {answer.status}", text
    )


def _named(error: StartError) -> str:
    names = ", ".join(filter(None, error.containers))
    return f" {names}" if names else ""


def _placement(job: TransformJob, placed: PlacedContainer) -> Placement:
    container = placed.definition
    variables: dict[str, str] = (
        container.get("Environment", {})
        | job.request.get("Environment", {})
        | container_variables(job.request)
    )
    return Placement(
        job.name,
        job.region,
        job.account,
        {"InstanceType": job.request["TransformResources"]["InstanceType"]},
        container | {"Environment": variables},
        job.progress.isolated,
        placed.model_folder,
    )
