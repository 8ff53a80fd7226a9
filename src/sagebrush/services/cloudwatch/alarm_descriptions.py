"""DescribeAlarms and DescribeAlarmsForMetric."""

from __future__ import annotations

from typing import Any

from sagebrush.engines.alarms import COMPOSITE, METRIC, Alarm
from sagebrush.engines.alarms.records import Key
from sagebrush.engines.alarms.rules import parse
from sagebrush.services.cloudwatch.alarm_requests import invalid
from sagebrush.services.cloudwatch.periods import dimensions_of
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context

_PAGE = 50
_RELATIVES = ("ChildrenOfAlarmName", "ParentsOfAlarmName")
_ACTION_LISTS = ("OKActions", "AlarmActions", "InsufficientDataActions")


def describe_alarms(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of alarms by name, of the kinds and with the properties asked for."""
    _check(request)
    after = ""
    if "NextToken" in request:
        after = str(decode_token(request["NextToken"], "InvalidNextToken", (str,))[0])
    limit = request.get("MaxRecords", _PAGE)
    found = [alarm for alarm in _candidates(context, request, after) if alarm.name > after]
    page = found[:limit]
    shape = _RELATIVE_SHAPES.get(_relation(request) or "", _shape)
    answer: dict[str, Any] = {
        "MetricAlarms": [shape(alarm) for alarm in page if alarm.kind == METRIC],
        "CompositeAlarms": [shape(alarm) for alarm in page if alarm.kind == COMPOSITE],
    }
    if len(found) > limit:
        answer["NextToken"] = encode_token([page[-1].name])
    return answer


def describe_alarms_for_metric(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer the alarms on one metric, not those on expressions that use it."""
    alarms = context.platform.alarms.store.named(context.account, context.region)
    found = [a for a in alarms if a.kind == METRIC and _watches(a.configuration, request)]
    return {"MetricAlarms": [_shape(alarm) for alarm in found]}


def _watches(configuration: dict[str, Any], request: dict[str, Any]) -> bool:
    return dimensions_of(configuration) == dimensions_of(request) and all(
        configuration.get(member) == request[member]
        for member in (
            *("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Period", "Unit"),
        )
        if member in request
    )


def _check(request: dict[str, Any]) -> None:
    if "AlarmNames" in request and "AlarmNamePrefix" in request:
        raise invalid("AlarmNamePrefix and AlarmNames cannot both be specified.")
    relation = _relation(request)
    if relation is None:
        return
    others = set(request) - {relation, "MaxRecords", "NextToken"}
    if others:
        raise invalid(f"{relation} cannot be specified together with {min(others)}.")


def _relation(request: dict[str, Any]) -> str | None:
    return next((member for member in _RELATIVES if member in request), None)


def _candidates(context: Context, request: dict[str, Any], after: str) -> list[Alarm]:
    store = context.platform.alarms.store
    relation = _relation(request)
    if relation is not None:
        name = request[relation]
        if store.find(Key(context.account, context.region, name)) is None:
            raise invalid(f"The alarm {name} does not exist.")
        return (_children if relation == "ChildrenOfAlarmName" else _parents)(context, name)
    prefix = request.get("AlarmNamePrefix", "")
    kinds = request.get("AlarmTypes") or [METRIC]
    return [
        alarm
        for alarm in store.named(context.account, context.region, after=after, prefix=prefix)
        if alarm.kind in kinds and _matches(alarm, request)
    ]


def _matches(alarm: Alarm, request: dict[str, Any]) -> bool:
    if request.get("AlarmNames") and alarm.name not in request["AlarmNames"]:
        return False
    if request.get("StateValue", alarm.state) != alarm.state:
        return False
    prefix = request.get("ActionPrefix")
    if prefix is None:
        return True
    actions = [a for member in _ACTION_LISTS for a in alarm.configuration.get(member, [])]
    return any(action.startswith(prefix) for action in actions)


def _children(context: Context, name: str) -> list[Alarm]:
    store = context.platform.alarms.store
    alarm = store.find(Key(context.account, context.region, name))
    if alarm is None or alarm.kind != COMPOSITE:
        return []
    children = sorted(parse(alarm.configuration["AlarmRule"]).children)
    found = [store.find(Key(context.account, context.region, child)) for child in children]
    return [child for child in found if child is not None]


def _parents(context: Context, name: str) -> list[Alarm]:
    composites = context.platform.alarms.store.composites(context.account, context.region)
    return [
        alarm for alarm in composites if name in parse(alarm.configuration["AlarmRule"]).children
    ]


def _shape(alarm: Alarm) -> dict[str, Any]:
    configuration = alarm.configuration
    shape: dict[str, Any] = {
        "AlarmName": alarm.name,
        "AlarmArn": alarm.arn,
        "AlarmConfigurationUpdatedTimestamp": alarm.configured,
        "ActionsEnabled": alarm.actions_enabled,
        **{member: [] for member in _ACTION_LISTS},
        **({"Dimensions": []} if alarm.kind == METRIC else {}),
        **configuration,
        "StateValue": alarm.state,
        "StateReason": alarm.reason,
        "StateReasonData": alarm.reason_data,
        "StateUpdatedTimestamp": alarm.updated,
        "StateTransitionedTimestamp": alarm.transitioned,
        "EvaluationState": alarm.evaluation_state,
    }
    if alarm.suppressed_by is not None:
        shape["ActionsSuppressedBy"] = alarm.suppressed_by
        shape["ActionsSuppressedReason"] = f"Actions suppressed by {alarm.suppressed_by}"
    return {member: value for member, value in shape.items() if value is not None}


def _child_shape(alarm: Alarm) -> dict[str, Any]:
    return {
        **_parent_shape(alarm),
        "StateValue": alarm.state,
        "StateUpdatedTimestamp": alarm.updated,
    }


def _parent_shape(alarm: Alarm) -> dict[str, Any]:
    return {"AlarmName": alarm.name, "AlarmArn": alarm.arn}


# What is told of an alarm's relatives is only this much (DescribeAlarms).
_RELATIVE_SHAPES = {"ChildrenOfAlarmName": _child_shape, "ParentsOfAlarmName": _parent_shape}
