"""Experiments on their way: started and ended by the clock, taken up again after a restart.

Statuses: Creating, Created until the schedule begins, Starting, Running until it ends, Stopping,
then Completed or Cancelled; Updating while a change reaches the endpoint.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from sagebrush.base.errors import SagebrushError
from sagebrush.services.platform import Context, Platform
from sagebrush.services.sagemaker.experiments import configurations
from sagebrush.services.sagemaker.experiments.admission import (
    ALIVE,
    ENDED,
    check_admitted,
    predecessors,
)
from sagebrush.services.sagemaker.experiments.requests import is_promotion, retains_all
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.records import Resource

_BUSY = ("Creating", "Updating", "SystemUpdating", "RollingBack")
_WORKER = "inference experiments"
_POLL_S = 0.02

_log = logging.getLogger(__name__)


class _CancelledError(SagebrushError):
    """The experiment cannot go on; the message says why."""


def experiments_of(platform: Platform) -> Experiments:
    """Return the experiments of a server."""
    found: Experiments | None = platform.workers.get(_WORKER)
    if found is None:
        found = platform.workers[_WORKER] = Experiments(platform)
    return found


async def start(platform: Platform) -> None:
    """Take every experiment up where its row says it is."""
    for experiment in records.with_status(platform.db, records.INFERENCE_EXPERIMENT, ALIVE):
        experiments_of(platform).begin(experiment)


async def stop(platform: Platform) -> None:
    """Leave every experiment where it is."""
    await experiments_of(platform).close()


class Experiments:
    """The tasks of one server, one for each experiment that is not over."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._db = platform.db
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._changed: dict[str, asyncio.Event] = {}

    def begin(self, experiment: Resource) -> None:
        """Carry an experiment on, once the transaction under way is committed."""
        task = self._platform.spawn(self._carry(experiment), f"experiment {experiment.name}")
        self._tasks[experiment.arn] = task
        self._changed[experiment.arn] = asyncio.Event()
        task.add_done_callback(lambda _: self._tasks.pop(experiment.arn, None))

    def wake(self, experiment: Resource) -> None:
        """Have an experiment look at its row again: it has been started, stopped or changed."""
        event = self._changed.get(experiment.arn)
        if event is not None:
            event.set()

    async def close(self) -> None:
        """End the tasks; the experiments go on with the next start."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry(self, experiment: Resource) -> None:
        while (current := records.current(self._db, experiment)) is not None:
            if current.status in ENDED:
                return
            try:
                await self._step(current)
            except _CancelledError as error:
                self._end(current, "Cancelled", str(error))
            except Exception as error:  # noqa: BLE001 - the boundary: a defect must not leave it pending
                _log.exception("experiment %s", experiment.name)
                self._end(current, "Cancelled", f"InternalServerError: {error}")

    async def _step(self, experiment: Resource) -> None:
        """Do what comes next in the experiment's status."""
        state = experiment.state
        if experiment.status == "Creating":
            self._save(experiment, "Created")
        elif experiment.status == "Created":
            await self._wait(experiment, state["start"], "Starting")
        elif experiment.status == "Running":
            await self._wait(experiment, state["end"], "Stopping")
        elif experiment.status == "Stopping":
            await self._conclude(experiment)
        else:
            if experiment.status == "Starting" and "leading_to" not in state:
                await self._admit(experiment)
            config = configurations.with_shadow(experiment)
            await self._lead_to(experiment, config)
            self._save(experiment, "Running")

    async def _admit(self, experiment: Resource) -> None:
        """Look at the endpoint as it is now, to lead it back there.

        Raises:
            _CancelledError: it can have no shadow any more.
        """
        for other in predecessors(self._platform, experiment):
            if (task := self._tasks.get(other.arn)) is not None:
                await asyncio.wait([task])
        endpoint = await self._settled(experiment)
        try:
            context = configurations.context_of(self._platform, experiment)
            check_admitted(context, experiment.request, endpoint)
        except SagebrushError as error:
            raise _CancelledError(str(error)) from error
        # Saved with the update that it precedes.
        experiment.state["before"] = configurations.before(endpoint)

    async def _wait(self, experiment: Resource, moment: float, following: str) -> None:
        """Go to the `following` status at a moment of the clock, unless the row changes before."""
        if self._platform.clock.now() >= moment:
            self._save(experiment, following)
            return
        event = self._changed[experiment.arn]
        waits = [
            asyncio.ensure_future(self._platform.clock.sleep_until(moment)),
            asyncio.ensure_future(event.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        event.clear()

    async def _conclude(self, experiment: Resource) -> None:
        """Lead the endpoint to what it shall serve after the experiment."""
        stop: dict[str, Any] = experiment.state.get("stop", {})
        actions = stop.get("actions", {})
        if "before" in experiment.state and not retains_all(actions):
            config = None
            if is_promotion(actions):
                config = configurations.promoted(experiment, stop.get("desired", []))
            await self._lead_to(experiment, config)
        self._end(experiment, stop.get("status", "Completed"), stop.get("reason"))

    async def _lead_to(self, experiment: Resource, config: dict[str, Any] | None) -> None:
        """Update the endpoint to a configuration, or back to what it was before (None).

        Raises:
            _CancelledError: the endpoint is gone, or cannot be updated.
        """
        name = experiment.state.get("leading_to")
        if name is None:
            endpoint = await self._settled(experiment)
            with self._db.transaction():
                context = configurations.context_of(self._platform, experiment)
                name = self._begin_update(context, experiment, endpoint, config)
                experiment.state["leading_to"] = name
                records.save(self._db, experiment, context.now)
        endpoint = await self._settled(experiment)
        experiment.state.pop("leading_to")
        if endpoint.state["config_name"] != name:
            reason = endpoint.state.get("failure_reason", "it has been updated meanwhile")
            raise _CancelledError(f"Endpoint {endpoint.name} could not be updated: {reason}")

    def _begin_update(
        self,
        context: Context,
        experiment: Resource,
        endpoint: Resource,
        config: dict[str, Any] | None,
    ) -> str:
        try:
            if config is None:
                return configurations.restore(context, experiment, endpoint)
            return configurations.apply(context, experiment, endpoint, config)
        except SagebrushError as error:
            raise _CancelledError(str(error)) from error

    async def _settled(self, experiment: Resource) -> Resource:
        """Return the experiment's endpoint once nothing of it is under way."""
        while True:
            endpoint = records.find(
                self._db,
                records.ENDPOINT,
                experiment.account,
                experiment.region,
                experiment.request["EndpointName"],
            )
            if endpoint is None or endpoint.created != experiment.state["endpoint_created"]:
                name = experiment.request["EndpointName"]
                raise _CancelledError(f"Endpoint {name} has been deleted.")
            if endpoint.status not in _BUSY:
                if endpoint.status not in records.SERVING:
                    raise _CancelledError(
                        f"Endpoint {endpoint.name} is in status {endpoint.status}."
                    )
                return endpoint
            await asyncio.sleep(_POLL_S)

    def _end(self, experiment: Resource, status: str, reason: str | None) -> None:
        experiment.state["completed"] = self._platform.clock.now()
        if reason is not None:
            experiment.state["reason"] = reason[:1024]
        self._save(experiment, status)

    def _save(self, experiment: Resource, status: str) -> None:
        experiment.status = status
        records.save(self._db, experiment, self._platform.clock.now())
