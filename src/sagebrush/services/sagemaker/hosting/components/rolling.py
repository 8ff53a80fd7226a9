"""Updating a component: copies of the new version come in batches, as many old ones go.

The row says how far it is: `target` is the new version, `deployment` has the policy, the phase and
what it waits for. Every phase may be done again. Without a policy a batch is as large as there is
room for, and there is nothing to wait for.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sagebrush.services.platform import Platform
from sagebrush.services.sagemaker.hosting import records
from sagebrush.services.sagemaker.hosting.components.component_fleets import (
    ComponentFleets,
    reason_of,
)
from sagebrush.services.sagemaker.hosting.components.slots import NoRoomError, release, reserve
from sagebrush.services.sagemaker.hosting.components.versions import Version, versions_of
from sagebrush.services.sagemaker.hosting.failures import LONGEST_REASON, TROUBLE
from sagebrush.services.sagemaker.hosting.guardrails.guard import Guard
from sagebrush.services.sagemaker.hosting.guardrails.policies import alarm_names, timeout_s
from sagebrush.services.sagemaker.hosting.guardrails.stages import instances
from sagebrush.services.sagemaker.hosting.records import Resource

_CREATING = "Creating"
_BAKING = "Baking"
_DELETING = "Deleting"
_ROLLING_BACK = "RollingBack"

_log = logging.getLogger(__name__)


def begin(component: Resource, target: Version, policy: Mapping[str, Any], now: float) -> None:
    """Note an update to `target` in the row; nothing of it has been done."""
    limit_s = timeout_s(policy)
    state = component.state
    state.pop("failure_reason", None)
    state |= {"target": target | {"share": 0.0}, "before": state["copies"], "share": 1.0}
    state["deployment"] = {
        "policy": dict(policy),
        "phase": _CREATING,
        # How many new copies there were when the batch began.
        "base": 0,
        "deadline": None if limit_s is None else now + limit_s,
    }
    component.status = "Updating"


def size_of_batch(size: Mapping[str, Any] | None, number: int) -> int:
    """Return how many of `number` copies a batch has; all where no size is given."""
    if size is None:
        return max(1, number)
    value: int = size["Value"]
    if size["Type"] == "CAPACITY_PERCENT":
        return max(1, number * value // 100)
    return value


class Rolling:
    """The update that is in a component's row."""

    def __init__(self, platform: Platform, fleets: ComponentFleets, component: Resource) -> None:
        self._platform = platform
        self._fleets = fleets
        self._component = component
        deployment = component.state["deployment"]
        self._policy: dict[str, Any] = deployment["policy"]
        self._rolling: dict[str, Any] = self._policy.get("RollingUpdatePolicy", {})
        self._guard = Guard(
            platform,
            component.account,
            component.region,
            alarm_names(self._policy),
            deployment["deadline"],
        )

    async def restore(self) -> None:
        """Bring up again what was up when the server went.

        Raises:
            SagebrushError, OSError: the copies do not come back.
        """
        component, state = self._component, self._component.state
        target = state["target"]
        if not self._is_over():
            await self._fleets.scale(component, state, state["copies"])
        try:
            await self._fleets.scale(component, target, target["copies"])
        except TROUBLE as error:
            if self._is_over():
                raise
            self._turn_back(error)

    async def run(self) -> None:
        """Go through all phases that are left; the component is settled when this returns."""
        phases: dict[str, Callable[[], Awaitable[None]]] = {
            _CREATING: self._create,
            _BAKING: self._bake,
            _DELETING: self._delete,
        }
        while (deployment := self._component.state.get("deployment")) is not None:
            if deployment["phase"] == _ROLLING_BACK:
                await self._roll_back()
                continue
            try:
                await phases[deployment["phase"]]()
            except TROUBLE as error:
                if self._is_over():
                    raise
                self._turn_back(error)

    async def _create(self) -> None:
        target = self._component.state["target"]
        base: int = self._component.state["deployment"]["base"]
        size = size_of_batch(self._rolling.get("MaximumBatchSize"), target["desired"])
        number = min(base + size, target["desired"])
        least = min(base + 1, number)
        await self._guard.during(lambda: self._resize(target, number, least))
        wait_s = self._rolling.get("WaitIntervalInSeconds", 0)
        self._share(target["copies"] / target["desired"] if target["desired"] else 1.0)
        self._enter(_BAKING, until=self._platform.clock.now() + wait_s)
        self._fleets.lead(self._component)

    async def _bake(self) -> None:
        until: float = self._component.state["deployment"]["until"]
        clock = self._platform.clock
        if clock.now() < until:
            await self._guard.during(lambda: clock.sleep_until(until))
        self._guard.check_alarms()
        self._enter(_DELETING)

    async def _delete(self) -> None:
        component, state = self._component, self._component.state
        if self._is_over():
            await self._fleets.retire(component, state)
            release(self._platform.db, component, state)
            self._finish()
            return
        await self._resize(state, min(state["copies"], instances(state["share"], state["before"])))
        self._enter(_CREATING, base=state["target"]["copies"])

    async def _roll_back(self) -> None:
        """Have the old version serve everything again; its copies may have to come back first."""
        component, state = self._component, self._component.state
        try:
            while state["copies"] < state["before"]:
                await self._roll_batch_back()
        except TROUBLE as error:
            self._stick(error)
        if not state["copies"] and state["before"]:
            self._share(1.0)
        else:
            self._share(0.0)
        self._save()
        self._fleets.lead(component)
        await self._fleets.retire(component, state["target"])
        release(self._platform.db, component, state["target"])
        self._revert()

    async def _roll_batch_back(self) -> None:
        state = self._component.state
        target, before = state["target"], state["before"]
        size = size_of_batch(self._rolling.get("RollbackMaximumBatchSize"), before)
        number = min(before, state["copies"] + size)
        try:
            await self._resize(state, number, state["copies"] + 1)
        except NoRoomError:
            if not target["copies"]:
                raise
            # What the old copies left was taken meanwhile: new ones make way for them.
            await self._resize(target, target["copies"] - 1)
            return
        share = 1.0 - state["copies"] / before
        self._share(share)
        self._save()
        self._fleets.lead(self._component)
        await self._resize(target, min(target["copies"], instances(share, target["desired"])))

    async def _resize(self, version: Version, number: int, least: int = -1) -> None:
        """Give a version `number` copies, or fewer where there is only room for these."""
        component = self._component
        count = min(number, reserve(self._platform, component, version, number, least=least))
        version["wanted"] = count
        self._save()
        await self._fleets.scale(component, version, count)
        version["copies"] = version.pop("wanted")
        release(self._platform.db, component, version, count)
        self._save()

    def _share(self, share: float) -> None:
        """Write down that the new version gets so much of the requests."""
        self._component.state["target"]["share"] = share
        self._component.state["share"] = 1.0 - share

    def _is_over(self) -> bool:
        """Whether the new version has all requests for good."""
        deployment, target = (self._component.state[name] for name in ("deployment", "target"))
        return bool(deployment["phase"] == _DELETING and target["copies"] >= target["desired"])

    def _turn_back(self, error: Exception) -> None:
        _log.warning("inference component %s is rolled back: %s", self._component.name, error)
        self._enter(_ROLLING_BACK, reason=reason_of(self._component, error))

    def _stick(self, error: Exception) -> None:
        """Note that not all old copies could be had again; those that could go on."""
        name, deployment = self._component.name, self._component.state["deployment"]
        _log.warning("inference component %s cannot be rolled back: %s", name, error)
        reason = f"{deployment['reason']} The rollback failed: {reason_of(self._component, error)}"
        deployment["reason"] = reason[:LONGEST_REASON]

    def _enter(self, phase: str, **changes: Any) -> None:
        self._component.state["deployment"] |= {"phase": phase, **changes}
        self._save()

    def _finish(self) -> None:
        old, target = self._component.state, self._component.state["target"]
        del target["share"]
        if "last_deployment_config" in old:
            target["last_deployment_config"] = old["last_deployment_config"]
        self._component.state = target
        self._component.status = "InService"
        self._save()

    def _revert(self) -> None:
        state = self._component.state
        deployment, target = state.pop("deployment"), state.pop("target")
        before = state.pop("before")
        state.pop("share")
        state |= {"failure_reason": deployment["reason"], "spent": target["generation"]}
        state["desired"] = state["copies"]
        lost = before > 0 and not state["copies"]
        self._component.status = "Failed" if lost else "InService"
        self._save()
        if lost:
            self._fleets.withdraw(self._component)

    def _save(self) -> None:
        records.save(self._platform.db, self._component, self._platform.clock.now())


def used_generations(component: Resource) -> list[int]:
    """Return the generations that a component has had lately: none may come twice."""
    spent: int = component.state.get("spent", 0)
    return [spent, *(version["generation"] for version in versions_of(component))]
