"""Carrying a deployment out, from wherever the endpoint's row says it is.

Each phase does something that may be done again, writes into the row what comes next, and only
then the next phase begins: creating (new instances), activating (leading traffic to them), baking
(watching), deleting (old instances). A blue/green deployment creates once, shifts in stages and
deletes once; a rolling one goes through all four with every batch. What stops it leads to rolling
back, which ends with the old fleet serving all.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.failures import (
    LONGEST_REASON,
    TROUBLE,
    failure_reason,
)
from sagebrush.services.sagemaker.hosting.fleet_keeping import FleetKeeping
from sagebrush.services.sagemaker.hosting.guardrails import progress
from sagebrush.services.sagemaker.hosting.guardrails.guard import Guard
from sagebrush.services.sagemaker.hosting.guardrails.policies import alarm_names
from sagebrush.services.sagemaker.hosting.guardrails.stages import (
    instances,
    is_rolling,
    rollback_share,
)
from sagebrush.services.sagemaker.hosting.records import Resource
from sagebrush.services.sagemaker.hosting.variants import name_of, present

_log = logging.getLogger(__name__)


class Rollout:
    """The deployment that is in an endpoint's row."""

    def __init__(self, platform: Platform, fleets: FleetKeeping, endpoint: Resource) -> None:
        self._platform = platform
        self._fleets = fleets
        self._endpoint = endpoint
        deployment = endpoint.state["deployment"]
        self._policy: dict[str, Any] = deployment["policy"]
        self._guard = Guard(
            platform,
            endpoint.account,
            endpoint.region,
            alarm_names(self._policy),
            deployment["deadline"],
        )

    async def restore(self) -> None:
        """Bring up again what the deployment had up when the server went.

        Raises:
            SagebrushError, OSError: the servers of what served before do not come back.
        """
        endpoint = self._endpoint
        for state in progress.old_states(endpoint):
            # Blue that takes no traffic any more is only waiting for its end.
            if not self._is_over() and not self._fleets.is_up(endpoint, state):
                await self._fleets.bring_up(endpoint, state)
        if self._had_new() and not self._fleets.is_up(endpoint, endpoint.state["target"]):
            try:
                await self._fleets.bring_up(endpoint, endpoint.state["target"])
            except TROUBLE as error:
                if self._is_over():
                    raise
                self._turn_back(error)
        self._fleets.lead(endpoint)

    async def run(self) -> None:
        """Go through all phases that are left; the endpoint is settled when this returns."""
        phases: dict[str, Callable[[], Awaitable[None]]] = {
            progress.CREATING: self._create,
            progress.ACTIVATING: self._activate,
            progress.BAKING: self._bake,
            progress.DELETING: self._delete,
        }
        while (deployment := self._endpoint.state.get("deployment")) is not None:
            phase = deployment["phase"]
            if phase == progress.ROLLING_BACK:
                await self._roll_back()
                continue
            try:
                await phases[phase]()
            except TROUBLE as error:
                if self._is_over():
                    raise
                self._turn_back(error)

    async def _create(self) -> None:
        endpoint, target = self._endpoint, self._endpoint.state["target"]
        progress.note_instances(target, progress.wanted_of_new(endpoint))
        self._save()
        await self._guard.during(self._bring_up)
        progress.confirm_instances(target)
        self._enter(progress.ACTIVATING)

    async def _bring_up(self) -> None:
        endpoint, target = self._endpoint, self._endpoint.state["target"]
        if not self._fleets.is_up(endpoint, target):
            await self._fleets.bring_up(endpoint, target)
        wanted = {name_of(item): item["wanted"] for item in target["variants"]}
        await self._fleets.scale(endpoint, target, wanted)

    async def _activate(self) -> None:
        self._guard.check()
        stage = progress.stage(self._endpoint)
        progress.shift(self._endpoint, stage.shares)
        until = self._platform.clock.now() + stage.wait_s
        self._enter(progress.BAKING, until=until)
        self._fleets.lead(self._endpoint)

    async def _bake(self) -> None:
        until: float = self._endpoint.state["deployment"]["until"]
        clock = self._platform.clock
        if clock.now() < until:
            await self._guard.during(lambda: clock.sleep_until(until))
        self._guard.check_alarms()
        if is_rolling(self._policy) or progress.is_last(self._endpoint):
            self._enter(progress.DELETING)
        else:
            self._next_stage(progress.ACTIVATING)

    async def _delete(self) -> None:
        endpoint = self._endpoint
        if progress.is_last(endpoint):
            for state in progress.old_states(endpoint):
                await self._fleets.retire(endpoint, state)
            self._finish()
            return
        await self._shrink(endpoint.state)
        self._next_stage(progress.CREATING)

    async def _roll_back(self) -> None:
        """Lead all traffic back; of a rolling deployment the old instances come up again first."""
        endpoint = self._endpoint
        try:
            while not self._is_back():
                await self._roll_batch_back()
        except TROUBLE as error:
            self._stick(error)
            return
        self._fleets.lead(endpoint)
        target = endpoint.state["target"]
        await self._fleets.retire(endpoint, target)
        self._revert()

    async def _roll_batch_back(self) -> None:
        endpoint, state = self._endpoint, self._endpoint.state
        target = state["target"]
        shares = {
            name_of(item): rollback_share(self._policy, item.get("share", 1.0), item["count"])
            for item in state["variants"]
        }
        back = min(shares.values(), default=1.0)
        if is_rolling(self._policy):
            await self._grow(state, shares)
        progress.shift(
            endpoint,
            {
                name_of(item): min(item["share"], 1.0 - shares.get(name_of(item), back))
                for item in target["variants"]
            },
        )
        self._save()
        self._fleets.lead(endpoint)
        if is_rolling(self._policy) and self._fleets.is_up(endpoint, target):
            await self._shrink(target)

    async def _grow(self, state: dict[str, Any], shares: dict[str, float]) -> None:
        """Start the instances of a state that these shares of its traffic need."""
        needed = {
            name_of(item): instances(shares[name_of(item)], item["count"])
            for item in state["variants"]
        }
        more = {
            name_of(item): max(present(item), needed[name_of(item)]) for item in state["variants"]
        }
        await self._resize(state, more)

    async def _shrink(self, state: dict[str, Any]) -> None:
        """End the instances of a state that its traffic does not need any more."""
        needed = progress.wanted_of_old(state)
        fewer = {
            name_of(item): min(present(item), needed[name_of(item)]) for item in state["variants"]
        }
        await self._resize(state, fewer)

    async def _resize(self, state: dict[str, Any], wanted: dict[str, int]) -> None:
        if all(present(item) == wanted[name_of(item)] for item in state["variants"]):
            return
        progress.note_instances(state, wanted)
        self._save()
        await self._fleets.scale(self._endpoint, state, wanted)
        progress.confirm_instances(state)
        self._save()

    def _had_new(self) -> bool:
        """Whether there were new instances that had, or were about to have, traffic."""
        phase = self._endpoint.state["deployment"]["phase"]
        shifted = any(item["share"] for item in self._endpoint.state["target"]["variants"])
        return shifted or phase in (progress.ACTIVATING, progress.BAKING, progress.DELETING)

    def _is_over(self) -> bool:
        """Whether the new fleet has all traffic for good."""
        deployment = self._endpoint.state["deployment"]
        return deployment["phase"] == progress.DELETING and progress.is_last(self._endpoint)

    def _is_back(self) -> bool:
        return all(
            item.get("share", 1.0) >= item.get("base", 1.0)
            for state in progress.old_states(self._endpoint)
            for item in state["variants"]
        )

    def _turn_back(self, error: Exception) -> None:
        if self._endpoint.state["deployment"]["phase"] == progress.ROLLING_BACK:
            return
        _log.warning("endpoint %s is rolled back: %s", self._endpoint.name, error)
        self._enter(progress.ROLLING_BACK, reason=failure_reason(error))

    def _next_stage(self, phase: str) -> None:
        self._enter(phase, stage=self._endpoint.state["deployment"]["stage"] + 1)

    def _enter(self, phase: str, **changes: Any) -> None:
        now = self._platform.clock.now()
        self._endpoint.state["deployment"] |= {"phase": phase, "since": now, **changes}
        self._save()

    def _finish(self) -> None:
        old, target = self._endpoint.state, self._endpoint.state["target"]
        progress.settle(target)
        if "last_deployment_config" in old:
            target["last_deployment_config"] = old["last_deployment_config"]
        self._endpoint.state = target
        self._endpoint.status = "InService"
        self._save()

    def _revert(self) -> None:
        state = self._endpoint.state
        deployment, target = state.pop("deployment"), state.pop("target")
        stuck = "mixed" in state
        if not stuck:
            progress.settle(state)
        state |= {"failure_reason": deployment["reason"], "spent": target["generation"]}
        self._endpoint.status = "UpdateRollbackFailed" if stuck else "InService"
        self._save()

    def _stick(self, error: Exception) -> None:
        """Leave the endpoint as it is, partly old and partly new: neither way was possible."""
        _log.warning("endpoint %s cannot be rolled back: %s", self._endpoint.name, error)
        state = self._endpoint.state
        deployment, target = state.pop("deployment"), state.pop("target")
        for each in (state, target):
            for item in each["variants"]:
                item.pop("wanted", None)
                item["base"] = item.get("share", 1.0)
        reason = f"{deployment['reason']} The rollback failed: {failure_reason(error)}"[
            :LONGEST_REASON
        ]
        state |= {"mixed": target, "failure_reason": reason, "spent": target["generation"]}
        self._endpoint.status = "UpdateRollbackFailed"
        self._save()

    def _save(self) -> None:
        records.save(self._platform.db, self._endpoint, self._platform.clock.now())
