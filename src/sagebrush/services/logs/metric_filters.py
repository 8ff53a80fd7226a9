"""Metric filters: stored here, applied to every stored batch by `filter_metrics`."""

from __future__ import annotations

from typing import Any

import orjson

from sagebrush.base.errors import ApiError
from sagebrush.engines.logs import GroupRecord
from sagebrush.services.logs.filter_metrics import check_selectors
from sagebrush.services.logs.lookups import find_group
from sagebrush.services.logs.patterns import compile_pattern
from sagebrush.services.pages import decode_token, encode_token
from sagebrush.services.platform import Context

_DEFAULT_LIMIT = 50
_MAX_FILTERS = 100
_KEPT = ("filterName", "filterPattern", "metricTransformations")
_REFUSED = ("applyOnTransformedLogs", "fieldSelectionCriteria", "emitSystemFieldDimensions")


def put_metric_filter(context: Context, request: dict[str, Any]) -> None:
    """Make or replace a filter that turns matching events into data points from now on."""
    group = find_group(context, request["logGroupName"])
    for member in _REFUSED:
        if request.get(member):
            raise ApiError(
                "InvalidParameterException", f"Sagebrush does not support {member} here."
            )
    pattern = compile_pattern(request["filterPattern"])
    for transformation in request["metricTransformations"]:
        check_selectors(transformation, pattern)
        if transformation.get("dimensions") and "defaultValue" in transformation:
            raise ApiError(
                "InvalidParameterException",
                "Invalid metric transformation: dimensions and default value are mutually"
                " exclusive properties.",
            )
    filters = _filters(context, group)
    if len(filters) >= _MAX_FILTERS and request["filterName"] not in {
        f["filterName"] for f in filters
    }:
        raise ApiError("LimitExceededException", "Resource limit exceeded.")
    context.db.execute(
        "INSERT OR REPLACE INTO logs_metric_filters VALUES (?, ?, ?, ?)",
        (
            group.id,
            request["filterName"],
            int(context.now * 1000),
            orjson.dumps({key: request[key] for key in _KEPT}).decode(),
        ),
    )


def describe_metric_filters(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer a page of filters, of one group or of all, by name."""
    if "logGroupName" in request:
        groups = [find_group(context, request["logGroupName"])]
    else:
        groups = context.platform.logs.groups(context.account, context.region)
    found = [
        shape for group in groups for shape in _filters(context, group) if _wanted(shape, request)
    ]
    found.sort(key=lambda shape: (shape["filterName"], shape["logGroupName"]))
    if "nextToken" in request:
        after = decode_token(request["nextToken"], "InvalidParameterException", (str, str))
        found = [s for s in found if [s["filterName"], s["logGroupName"]] > after]
    limit = request.get("limit", _DEFAULT_LIMIT)
    token = None
    if len(found) > limit:
        last = found[limit - 1]
        token = encode_token([last["filterName"], last["logGroupName"]])
    return {"metricFilters": found[:limit], "nextToken": token}


def delete_metric_filter(context: Context, request: dict[str, Any]) -> None:
    """Remove a filter."""
    group = find_group(context, request["logGroupName"])
    deleted = context.db.execute(
        "DELETE FROM logs_metric_filters WHERE group_id = ? AND name = ?",
        (group.id, request["filterName"]),
    )
    if deleted.rowcount == 0:
        raise ApiError("ResourceNotFoundException", "The specified metric filter does not exist.")


def test_metric_filter(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Answer which of the given messages a pattern matches, with the values it names."""
    del context
    pattern = compile_pattern(request["filterPattern"])
    matches = [
        {
            "eventNumber": number,
            "eventMessage": message,
            "extractedValues": pattern.values(message),
        }
        for number, message in enumerate(request["logEventMessages"], start=1)
        if pattern.matches(message)
    ]
    return {"matches": matches}


def _filters(context: Context, group: GroupRecord) -> list[dict[str, Any]]:
    rows = context.db.all(
        "SELECT * FROM logs_metric_filters WHERE group_id = ? ORDER BY name", (group.id,)
    )
    return [
        orjson.loads(row["request"])
        | {"creationTime": row["created_ms"], "logGroupName": group.name}
        for row in rows
    ]


def _wanted(shape: dict[str, Any], request: dict[str, Any]) -> bool:
    if not shape["filterName"].startswith(request.get("filterNamePrefix", "")):
        return False
    return all(
        any(t[member] == request[member] for t in shape["metricTransformations"])
        for member in ("metricName", "metricNamespace")
        if member in request
    )
