"""Scaling activities as users see them."""

from __future__ import annotations

from typing import Any

from sagebrush.services.application_autoscaling.activities import Activity, activity_of
from sagebrush.services.application_autoscaling.errors import invalid
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context

_MAX_RESULTS = 50


def describe_scaling_activities(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return one page of activities, the latest first; what did not scale only when asked for."""
    size = request.get("MaxResults", _MAX_RESULTS)
    if not 1 <= size <= _MAX_RESULTS:
        raise invalid(f"MaxResults must be between 1 and {_MAX_RESULTS}.")
    if "ScalableDimension" in request and "ResourceId" not in request:
        raise invalid("ResourceId must be specified together with ScalableDimension.")
    where = ["account = ?", "region = ?", "namespace = ?"]
    values: list[Any] = [context.account, context.region, request["ServiceNamespace"]]
    for member, column in (("ResourceId", "resource_id"), ("ScalableDimension", "dimension")):
        if member in request:
            where.append(f"{column} = ?")
            values.append(request[member])
    if not request.get("IncludeNotScaledActivities"):
        where.append("reasons IS NULL")
    if "NextToken" in request:
        where.append("id < ?")
        values.extend(decode_token(request["NextToken"], "InvalidNextTokenException", (int,)))
    rows = context.db.all(
        f"SELECT * FROM autoscaling_activities WHERE {' AND '.join(where)}"
        " ORDER BY id DESC LIMIT ?",
        (*values, size + 1),
    )
    more = len(rows) > size
    return {
        "ScalingActivities": [_described(activity_of(row)) for row in rows[:size]],
        "NextToken": encode_token([rows[size - 1]["id"]]) if more else None,
    }


def _described(activity: Activity) -> dict[str, Any]:
    told: dict[str, Any] = {
        "ActivityId": activity.activity_id,
        "ServiceNamespace": activity.namespace,
        "ResourceId": activity.resource_id,
        "ScalableDimension": activity.dimension,
        "Description": activity.description,
        "Cause": activity.cause,
        "StartTime": activity.started,
        "StatusCode": activity.status,
    }
    optional = {
        "EndTime": activity.ended,
        "StatusMessage": activity.message,
        "NotScaledReasons": activity.reasons,
    }
    return told | {name: value for name, value in optional.items() if value is not None}
