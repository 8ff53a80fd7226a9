"""Changes of state and all that follows from one, within one transaction.

The row, its history, the actions to be carried out, the composite alarms that stand on the alarm,
and those whose actions it suppresses.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from sagebrush.engines.alarms.reasons import long_stamp, stamp
from sagebrush.engines.alarms.records import ALARM, OK, Alarm, Key, Transition, alarm_name
from sagebrush.engines.alarms.rules import parse
from sagebrush.engines.alarms.store import AlarmStore

WAIT = "WaitPeriod"
EXTENSION = "ExtensionPeriod"
SUPPRESSOR = "Alarm"

# What a history item may hold.
_MAX_HISTORY_DATA = 4095


class Changes:
    """Writes changes; `made` collects the transitions until someone takes them."""

    def __init__(self, store: AlarmStore) -> None:
        self._store = store
        self.made: list[Transition] = []
        # The composite alarms now being evaluated, one upon the other: a cycle ends here.
        self._path: list[Key] = []

    def set_state(
        self, alarm: Alarm, state: str, reason: str, reason_data: str | None, now: float
    ) -> None:
        """Write a state and its reason; when it is another one, all that follows, too."""
        new = replace(alarm, state=state, reason=reason, reason_data=reason_data, updated=now)
        if state == alarm.state:
            self._store.write(new)
            return
        new = _held_back(replace(new, transitioned=now), alarm, self._store, now)
        self._store.write(new)
        history_id = self._store.record(
            new,
            now,
            "StateUpdate",
            f"Alarm updated from {alarm.state} to {state}",
            _both(alarm, new),
        )
        self.made.append(Transition(new, alarm, history_id))
        if new.suppressed_by is None:
            self._act(new, alarm.state)
        self.follow(new, now)

    def follow(self, child: Alarm, now: float) -> None:
        """Evaluate the composite alarms that stand on an alarm, and tell those it suppresses."""
        for composite in self._store.composites(child.account, child.region):
            if child.name in parse(composite.configuration["AlarmRule"]).children:
                reason = f"{child.arn} transitioned to {child.state} at {long_stamp(now)}"
                self.evaluate_composite(composite.key, reason, [child], now)
            if suppressor_of(composite) == child.name:
                self._suppressor_changed(composite.key, child.state, now)

    def evaluate_composite(self, key: Key, reason: str, triggers: list[Alarm], now: float) -> None:
        """Change a composite alarm's state when its rule says so."""
        # Read now: it may have changed already, through another alarm that it stands on.
        composite = self._store.find(key)
        if composite is None or key in self._path:
            return
        rule = parse(composite.configuration["AlarmRule"])
        holds = rule.holds(lambda name: self._store.state(Key(key.account, key.region, name)))
        state = ALARM if holds else OK
        if state == composite.state:
            return
        self._path.append(key)
        try:
            self.set_state(composite, state, reason, _triggering(triggers), now)
        finally:
            self._path.pop()

    def release(self, alarm: Alarm) -> None:
        """Carry out the actions that a wait or extension period has held back."""
        freed = replace(alarm, suppressed_by=None, suppressed_until=None, suppressed_from=None)
        self._store.write(freed)
        self._act(freed, alarm.suppressed_from or alarm.state)

    def suppressor_gone(self, key: Key, now: float) -> None:
        """Let go the alarms that a deleted alarm suppressed."""
        for composite in self._store.composites(key.account, key.region):
            if suppressor_of(composite) == key.name:
                self._suppressor_changed(composite.key, None, now)

    def _suppressor_changed(self, key: Key, state: str | None, now: float) -> None:
        composite = self._store.find(key)
        if composite is None or composite.suppressed_by is None:
            return
        if state == ALARM:
            held = replace(composite, suppressed_by=SUPPRESSOR, suppressed_until=None)
            self._store.write(held)
        elif composite.suppressed_by == SUPPRESSOR:
            extension_s = composite.configuration.get("ActionsSuppressorExtensionPeriod", 0)
            if extension_s <= 0:
                self.release(composite)
                return
            until = now + extension_s
            held = replace(composite, suppressed_by=EXTENSION, suppressed_until=until)
            self._store.write(held)

    def _act(self, alarm: Alarm, old_state: str) -> None:
        if alarm.actions_enabled:
            self._store.remember(alarm, alarm.actions(alarm.state), old_state)


def suppressor_of(alarm: Alarm) -> str | None:
    """Return the name of the alarm that suppresses a composite alarm's actions."""
    given = alarm.configuration.get("ActionsSuppressor")
    return None if given is None else alarm_name(given)


def _held_back(new: Alarm, old: Alarm, store: AlarmStore, now: float) -> Alarm:
    """Return the alarm with what suppresses the actions of its change.

    A change during a wait or an extension discards it and begins a new wait (CloudWatch User
    Guide, "Composite alarm action suppression", examples 3 and 6).
    """
    suppressor = suppressor_of(new)
    if suppressor is None:
        return new
    if store.state(Key(new.account, new.region, suppressor)) == ALARM:
        return replace(
            new, suppressed_by=SUPPRESSOR, suppressed_until=None, suppressed_from=old.state
        )
    wait_s = new.configuration.get("ActionsSuppressorWaitPeriod", 0)
    if wait_s <= 0:
        return replace(new, suppressed_by=None, suppressed_until=None, suppressed_from=None)
    return replace(
        new, suppressed_by=WAIT, suppressed_until=now + wait_s, suppressed_from=old.state
    )


def _triggering(alarms: list[Alarm]) -> str:
    triggers = [
        {"arn": alarm.arn, "state": {"value": alarm.state, "timestamp": stamp(alarm.transitioned)}}
        for alarm in alarms
    ]
    return orjson.dumps({"triggeringAlarms": triggers}).decode()


def _both(old: Alarm, new: Alarm) -> dict[str, Any]:
    """Return a history item's data about a change of state; without reason data if too long."""
    for with_data in (True, False):
        data = {
            "version": "1.0",
            "oldState": _state(old, with_data=with_data),
            "newState": _state(new, with_data=with_data),
        }
        if len(orjson.dumps(data)) <= _MAX_HISTORY_DATA:
            break
    return data


def _state(alarm: Alarm, *, with_data: bool) -> dict[str, Any]:
    state: dict[str, Any] = {"stateValue": alarm.state, "stateReason": alarm.reason}
    if alarm.reason_data and with_data:
        state["stateReasonData"] = orjson.loads(alarm.reason_data)
    return state
