"""Alarms at work: stored, evaluated on the clock, acting when their state changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sagebrush.engines.alarms.changes import Changes, suppressor_of
from sagebrush.engines.alarms.delivery import Delivery, service_of
from sagebrush.engines.alarms.evaluation import (
    STANDARD_S,
    Verdict,
    evaluate,
    interval_of,
)
from sagebrush.engines.alarms.reasons import INITIAL
from sagebrush.engines.alarms.records import (
    COMPOSITE,
    INSUFFICIENT_DATA,
    METRIC,
    Alarm,
    AlarmAction,
    Key,
    Watcher,
)
from sagebrush.engines.alarms.rules import parse
from sagebrush.engines.alarms.store import AlarmStore

if TYPE_CHECKING:
    from sagebrush.engines.alarms.alarms import Alarms, Spawn

# Not part of an alarm's configuration: columns of their own.
_APART = {"AlarmName", "ActionsEnabled", "Tags"}
# The only actions that come again while a state lasts (CloudWatch User Guide, "Alarm actions").
_REPEATED_SERVICE = "autoscaling"
# Evaluations between two looks at what else the event loop has to do.
_BATCH = 20
# How long after a start the other services have registered the actions they carry out.
_SETTLING_S = 1.0

_log = logging.getLogger(__name__)


class Engine:
    """What `Alarms` does; its methods are described there."""

    def __init__(self, front: Alarms) -> None:
        self.store = AlarmStore(front.db)
        self._front = front
        self._db = front.db
        self._clock = front.clock
        self._changes = Changes(self.store)
        self._delivery = Delivery(self.store, front.clock, front.actions)
        self._watchers: list[Watcher] = []
        self._spawn: Spawn | None = None
        self._evaluating: asyncio.Task[Any] | None = None
        self._delivering: asyncio.Task[Any] | None = None
        # The moment the evaluation sleeps for, None while it works.
        self._asleep_until: float | None = None
        # When the alarms of an interval were evaluated last.
        self._evaluated: dict[int, float] = {}

    def start(self, spawn: Spawn) -> None:
        """Evaluate from now on, in background tasks made by `spawn` while there are alarms."""
        self._spawn = spawn
        self._rearm()
        if self.store.next_pending() is not None:
            self._delivering = spawn(self._deliver_left(), "alarm-actions")

    def state(self, account: str, region: str, name: str) -> str | None:
        """Return `OK`, `ALARM` or `INSUFFICIENT_DATA`; None when there is no such alarm."""
        return self.store.state(Key(account, region, name))

    def watch(self, callback: Watcher) -> Callable[[], None]:
        """Call `callback` after each change of state; return what ends that."""
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback)

    def put_metric_alarm(self, account: str, region: str, request: dict[str, Any]) -> Alarm:
        """Create or replace a metric alarm from PutMetricAlarm's members, taken as valid."""
        alarm = self._put(account, region, METRIC, request)
        self.store.write(alarm, interval_of(alarm.configuration))
        self._soon(self._evaluate_one(alarm.key))
        return alarm

    def put_composite_alarm(self, account: str, region: str, request: dict[str, Any]) -> Alarm:
        """Create or replace a composite alarm and evaluate it.

        Raises:
            RuleError: the rule cannot be parsed.
        """
        rule = parse(request["AlarmRule"])
        before = self.store.find(Key(account, region, request["AlarmName"]))
        alarm = self._put(account, region, COMPOSITE, request)
        if before is None or suppressor_of(before) != suppressor_of(alarm):
            alarm = replace(alarm, suppressed_by=None, suppressed_until=None, suppressed_from=None)
        self.store.write(alarm)
        children = [self.store.find(Key(account, region, name)) for name in rule.children]
        verb = "created" if before is None else "updated"
        holds = rule.holds(lambda name: self.state(account, region, name))
        reason = (
            f"{alarm.arn} was {verb} and its alarm rule evaluates to {'ALARM' if holds else 'OK'}"
        )
        present = [child for child in children if child is not None]
        self._changes.evaluate_composite(alarm.key, reason, present, self._clock.now())
        self._soon()
        return alarm

    def set_state(
        self, alarm: Alarm, state: str, reason: str, reason_data: str | None = None
    ) -> None:
        """Give an alarm a state until its next evaluation finds another."""
        self._changes.set_state(alarm, state, reason, reason_data, self._clock.now())
        self._soon()

    def enable_actions(self, alarm: Alarm, *, enabled: bool) -> None:
        """Let an alarm carry out its actions, or not."""
        changed = replace(alarm, actions_enabled=enabled, configured=self._clock.now())
        self.store.write(changed)
        self._record_configuration(changed, "Update", "updated")

    def delete(self, account: str, region: str, names: Iterable[str]) -> None:
        """Delete the alarms there are; what has already happened is still acted upon."""
        for name in names:
            alarm = self.store.find(Key(account, region, name))
            if alarm is None:
                continue
            self.store.delete(alarm.key)
            self._record_configuration(alarm, "Delete", "deleted")
            self._changes.suppressor_gone(alarm.key, self._clock.now())
        self._soon()

    def _put(self, account: str, region: str, kind: str, request: dict[str, Any]) -> Alarm:
        key = Key(account, region, request["AlarmName"])
        before = self.store.find(key)
        now = self._clock.now()
        configuration = {name: value for name, value in request.items() if name not in _APART}
        enabled = request.get("ActionsEnabled", True)
        if before is None:
            alarm = Alarm(
                *key, kind, configuration, enabled, now, INSUFFICIENT_DATA, INITIAL, None, now, now
            )
            self.store.write(alarm)
            self.store.write_tags(key, {t["Key"]: t["Value"] for t in request.get("Tags", [])})
            self._record_configuration(alarm, "Create", "created")
            return alarm
        alarm = replace(
            before, configuration=configuration, actions_enabled=enabled, configured=now
        )
        self._record_configuration(alarm, "Update", "updated")
        return alarm

    def _record_configuration(self, alarm: Alarm, kind: str, verb: str) -> None:
        described = {
            "alarmName": alarm.name,
            "actionsEnabled": alarm.actions_enabled,
            "alarmConfigurationUpdatedTimestamp": round(alarm.configured * 1000),
            "stateValue": alarm.state,
            **{name[0].lower() + name[1:]: value for name, value in alarm.configuration.items()},
        }
        data = {"version": "1.0", "type": kind, f"{verb}Alarm": described}
        summary = f'Alarm "{alarm.name}" {verb}'
        self.store.record(alarm, self._clock.now(), "ConfigurationUpdate", summary, data)

    def _soon(self, work: Coroutine[Any, Any, None] | None = None) -> None:
        """Tell, act and set the timer once the caller's transaction has been committed."""
        if self._spawn is None:
            if work is not None:
                work.close()
            self._changes.made.clear()
            return
        asyncio.get_running_loop().call_soon(self._settle)
        if work is not None:
            self._spawn(work, "alarm-evaluation")

    def _settle(self) -> None:
        made, self._changes.made = self._changes.made, []
        for transition in made:
            if self.store.recorded(transition):
                self._tell(transition)
        self._deliver()
        self._rearm()

    def _tell(self, transition: Any) -> None:
        for watcher in list(self._watchers):
            try:
                watcher(transition)
            except Exception:  # noqa: BLE001 - one watcher's defect must not stop the others
                _log.exception("a watcher of alarm %s failed", transition.alarm.name)

    def _deliver(self) -> None:
        if self._spawn is None or (self._delivering and not self._delivering.done()):
            return
        if self._delivery.repeated or self.store.next_pending() is not None:
            self._delivering = self._spawn(self._delivery.run(), "alarm-actions")

    async def _deliver_left(self) -> None:
        """Carry out what a server left behind that ended between a change and its actions."""
        await asyncio.sleep(_SETTLING_S)
        await self._delivery.run()

    def _next_moment(self) -> float | None:
        now = self._clock.now()
        moments = [(now // interval_s + 1) * interval_s for interval_s in self.store.intervals()]
        release = self.store.next_release()
        if release is not None:
            moments.append(release)
        return min(moments, default=None)

    def _rearm(self) -> None:
        """Have the evaluation sleep for the right moment, or not run when there is nothing."""
        if self._spawn is None:
            return
        moment = self._next_moment()
        if self._evaluating is not None and not self._evaluating.done():
            if self._asleep_until in (None, moment):
                return
            self._evaluating.cancel()
        self._evaluating = None
        if moment is not None:
            self._asleep_until = moment
            self._evaluating = self._spawn(self._run(), "alarms")

    async def _run(self) -> None:
        while (moment := self._next_moment()) is not None:
            self._asleep_until = moment
            await self._clock.sleep_until(moment)
            self._asleep_until = None
            await self._evaluate_due()

    async def _evaluate_due(self) -> None:
        now = self._clock.now()
        with self._db.transaction():
            for alarm in self.store.released(now):
                self._changes.release(alarm)
        for interval_s in self.store.intervals():
            if self._evaluated.get(interval_s, 0.0) // interval_s == now // interval_s:
                continue
            self._evaluated[interval_s] = now
            for number, key in enumerate(self.store.evaluated_every(interval_s), start=1):
                self._evaluate(key, now, whole_minute=now % STANDARD_S < interval_s)
                if number % _BATCH == 0:
                    await asyncio.sleep(0)
        self._settle()

    async def _evaluate_one(self, key: Key) -> None:
        self._evaluate(key, self._clock.now(), whole_minute=False)
        self._settle()

    def _evaluate(self, key: Key, now: float, *, whole_minute: bool) -> None:
        alarm = self.store.find(key)
        if alarm is None:
            return
        try:
            verdict = evaluate(alarm, now, self._front.metrics, self._front.evaluate_queries)
        except Exception:  # noqa: BLE001 - one alarm's defect must not stop the others
            _log.exception("alarm %s cannot be evaluated", alarm.name)
            return
        with self._db.transaction():
            alarm = self._with_evaluation_state(alarm, verdict, now)
            if verdict.state is not None and verdict.state != alarm.state:
                data = verdict.reason_data
                self._changes.set_state(alarm, verdict.state, verdict.reason, data, now)
            elif whole_minute:
                self._repeat(alarm, verdict)

    def _with_evaluation_state(self, alarm: Alarm, verdict: Verdict, now: float) -> Alarm:
        if verdict.evaluation_state == alarm.evaluation_state:
            return alarm
        changed = replace(alarm, evaluation_state=verdict.evaluation_state, updated=now)
        self.store.write(changed)
        return changed

    def _repeat(self, alarm: Alarm, verdict: Verdict) -> None:
        if not alarm.actions_enabled:
            return
        current = replace(alarm, reason_data=verdict.reason_data or alarm.reason_data)
        for arn in alarm.actions(alarm.state):
            if service_of(arn) == _REPEATED_SERVICE:
                self._delivery.repeated.append(AlarmAction(arn, current, alarm.state, True))
