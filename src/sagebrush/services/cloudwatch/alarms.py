"""Putting, deleting and switching alarms."""

from __future__ import annotations

from typing import Any

import orjson

from sagebrush.base.errors import ApiError
from sagebrush.engines.alarms import COMPOSITE, METRIC, Alarm
from sagebrush.engines.alarms.records import Key, alarm_name
from sagebrush.engines.alarms.rules import RuleError, parse
from sagebrush.services.cloudwatch.alarm_requests import (
    check_common,
    check_composite_actions,
    check_metric_alarm,
    invalid,
)
from sagebrush.services.platform import Context

_SUPPRESSION = ("ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod")


def put_metric_alarm(context: Context, request: dict[str, Any]) -> None:
    """Create or replace a metric alarm; its state stays until it is evaluated."""
    check_metric_alarm(context, request)
    _check_kind(context, request["AlarmName"], METRIC)
    for query in request.get("Metrics", []):
        query.setdefault("ReturnData", True)
    context.platform.alarms.put_metric_alarm(context.account, context.region, request)


def put_composite_alarm(context: Context, request: dict[str, Any]) -> None:
    """Create or replace a composite alarm and evaluate it."""
    if "ActionConfiguration" in request:
        raise invalid("Sagebrush does not support the parameter ActionConfiguration.")
    check_common(context, request)
    check_composite_actions(request)
    _check_suppressor(context, request)
    _check_rule(context, request["AlarmRule"], request["AlarmName"])
    _check_kind(context, request["AlarmName"], COMPOSITE)
    context.platform.alarms.put_composite_alarm(context.account, context.region, request)


def delete_alarms(context: Context, request: dict[str, Any]) -> None:
    """Delete alarms: all those there are, or none when one cannot be deleted."""
    alarms = [a for name in request["AlarmNames"] if (a := _find(context, name)) is not None]
    if sum(alarm.kind == COMPOSITE for alarm in alarms) > 1:
        raise invalid("No more than one composite alarm can be deleted at once.")
    composites = context.platform.alarms.store.composites(context.account, context.region)
    leaving = {alarm.name for alarm in alarms}
    for composite in composites:
        needed = set(parse(composite.configuration["AlarmRule"]).children)
        if "ActionsSuppressor" in composite.configuration:
            needed.add(alarm_name(composite.configuration["ActionsSuppressor"]))
        for name in sorted(needed & leaving):
            # An alarm of a cycle depends on itself through others: the rule must change first.
            if composite.name not in leaving or composite.name == name:
                raise invalid(
                    f"Cannot delete {name} as there are composite alarm(s) depending on it."
                )
    missing = [name for name in request["AlarmNames"] if name not in leaving]
    context.platform.alarms.delete(context.account, context.region, leaving)
    if missing and not leaving:
        raise ApiError("ResourceNotFound", f"Unknown alarm(s): {', '.join(missing)}")


def set_alarm_state(context: Context, request: dict[str, Any]) -> None:
    """Give an alarm a state for a test; a metric alarm's next evaluation takes it back."""
    alarm = _find(context, request["AlarmName"])
    if alarm is None:
        raise ApiError("ResourceNotFound", "Unknown")
    data = request.get("StateReasonData")
    if data is not None:
        try:
            orjson.loads(data)
        except orjson.JSONDecodeError:
            raise ApiError("InvalidFormat", "StateReasonData was not valid JSON") from None
    context.platform.alarms.set_state(alarm, request["StateValue"], request["StateReason"], data)


def enable_alarm_actions(context: Context, request: dict[str, Any]) -> None:
    """Let alarms carry out their actions; names without an alarm are left out."""
    _switch_actions(context, request, enabled=True)


def disable_alarm_actions(context: Context, request: dict[str, Any]) -> None:
    """Keep alarms from carrying out their actions; names without an alarm are left out."""
    _switch_actions(context, request, enabled=False)


def _switch_actions(context: Context, request: dict[str, Any], *, enabled: bool) -> None:
    for name in request["AlarmNames"]:
        alarm = _find(context, name)
        if alarm is not None and alarm.actions_enabled != enabled:
            context.platform.alarms.enable_actions(alarm, enabled=enabled)


def _find(context: Context, name: str) -> Alarm | None:
    return context.platform.alarms.store.find(Key(context.account, context.region, name))


def _check_kind(context: Context, name: str, kind: str) -> None:
    existing = _find(context, name)
    if existing is not None and existing.kind != kind:
        raise invalid(f"The alarm {name} exists already as another type of alarm.")


def _check_rule(context: Context, text: str, name: str) -> None:
    try:
        rule = parse(text)
    except RuleError as error:
        raise invalid(f"Error in AlarmRule: {error}") from None
    missing = [child for child in rule.children if _find(context, child) is None]
    if missing:
        raise invalid(
            f"Could not save the composite alarm as alarms [{', '.join(missing)}] in the alarm"
            " rule do not exist"
        )
    if name in rule.children:
        # A rule stands on other alarms (PutCompositeAlarm); AWS documents cycles through others.
        raise invalid(f"Error in AlarmRule: the alarm {name} cannot depend on itself")


def _check_suppressor(context: Context, request: dict[str, Any]) -> None:
    given = [name for name in _SUPPRESSION if name in request]
    if "ActionsSuppressor" not in request:
        if given:
            raise invalid(f"{given[0]} can only be specified with ActionsSuppressor.")
        return
    if len(given) < len(_SUPPRESSION):
        raise invalid(f"{' and '.join(_SUPPRESSION)} are required when ActionsSuppressor is set.")
    for name in _SUPPRESSION:
        if request[name] < 0:
            raise invalid(f"{name} must not be negative.")
    suppressor = alarm_name(request["ActionsSuppressor"])
    if _find(context, suppressor) is None:
        raise invalid(f"The alarm {suppressor} in ActionsSuppressor does not exist.")
